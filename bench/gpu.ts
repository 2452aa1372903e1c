/** The LoRA step on a GPU, through WebGPU, against transformers + PEFT on CUDA, both in float32: for a machine that has both. */
import { lora } from "../src/adapters";
import { inTurns, peer, ratios, type Timed } from "./measure";
import { benchModel, folderOf } from "./models";
import type { Row } from "./targets";
import { compiledStep, supervised } from "./training";

export async function gpu(): Promise<Row[]> {
  return [
    ...(await step("small", "small, 8 × 128 tokens", 8, 128, 0.8)),
    ...(await step("d1024", "width 1024, 12 layers, 8 × 512 tokens", 8, 512, 1.5)),
  ];
}

async function step(
  name: string,
  what: string,
  rows: number,
  length: number,
  target: number,
): Promise<Row[]> {
  const base = await benchModel(name);
  const shape = supervised(rows, length);
  const own = await compiledStep(base.attach(lora({ rank: 8 })), shape, { device: "webgpu" });
  const contenders: Record<string, Timed> = { own: own.step };
  const peft = await peer("peft_step.py", await folderOf(base), "8", String(rows), String(length), "cuda");
  if (peft) contenders.peft = () => peft.ask("lora");
  const results = await inTurns(contenders, { rounds: 7, times: 5 });
  peft?.close();
  await own.dispose();
  for (const [who, times] of Object.entries(results))
    console.error(
      `${what}, ${who}: ${times
        .flat()
        .map((t) => t.toFixed(1))
        .join(" ")} ms`,
    );
  return [
    {
      what: `LoRA step, ${what}, WebGPU`,
      against: "transformers + PEFT + PyTorch on CUDA, float32",
      target,
      values: ratios(results, "own", "peft"),
    },
  ];
}
