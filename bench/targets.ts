/**
 * What loralab means to reach in speed and memory, and what it reaches here. Every row is a list of ratios, each of two
 * measurements that were made one after the other; `--write` puts them into README.md beside this file.
 */
import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { full, lora } from "../src/adapters";
import { capacityFor, Decoder } from "../src/model/decoder";
import type { LanguageModel } from "../src/model/language-model";
import { sample } from "../src/model/sample";
import { flopsOfStep, largeProducts } from "./floor";
import { inTurns, median, peer, ratios, type Timed, timed } from "./measure";
import { resources } from "./methods";
import { benchModel, folderOf } from "./models";
import { eagerRatios } from "./step";
import { compiledStep } from "./training";

export interface Row {
  what: string;
  against: string;
  /** Values should be at most this, or at least where `atLeast` is set. */
  target: number;
  atLeast?: boolean;
  /** Of the values; without one they are ratios. */
  unit?: string;
  /** Of each round. Empty where the peer is absent. */
  values: number[];
}

const THREADS = String(availableParallelism());
const PEFT = "transformers + PEFT + PyTorch, same threads";

export async function targets(): Promise<Row[]> {
  return [
    ...(await steps("small", 0.55, { rounds: 7, times: 3 })),
    ...(await steps("30M", 0.7, { rounds: 5, times: 1 })),
    ...(await steps("135M", 0.7, { rounds: 3, times: 1 })),
    ...(await eagerly()),
    ...(await ofOurOwn()),
    ...(await memory()),
    ...(await generation("small", { rounds: 5, times: 2, tokens: 128 })),
    ...(await generation("135M", { rounds: 3, times: 1, tokens: 32 })),
    ...(await start()),
  ];
}

async function steps(name: string, target: number, turns: { rounds: number; times: number }): Promise<Row[]> {
  const base = await benchModel(name);
  const student = base.attach(lora({ rank: 8 }));
  const own = await compiledStep(student);
  const products = await largeProducts();
  const contenders: Record<string, Timed> = { own: own.step, products: products.run };
  const peft = await peer("peft_step.py", await folderOf(base), THREADS);
  if (peft) contenders.peft = () => peft.ask("lora");
  const results = await inTurns(contenders, turns);
  peft?.close();
  await own.dispose();
  const share = products.flops / flopsOfStep(student);
  const what = `LoRA step, ${name}, 1,024 tokens`;
  return [
    { what, against: PEFT, target, values: ratios(results, "own", "peft") },
    {
      what,
      against: "its matrix products at the rate of large ones",
      target: 1.2,
      values: ratios(results, "own", "products").map((ratio) => ratio * share),
    },
  ];
}

async function eagerly(): Promise<Row[]> {
  const { node, wasm } = await eagerRatios(await benchModel("small"), lora({ rank: 8 }));
  const what = "LoRA step, small, 1,024 tokens";
  return [
    { what, against: "the same code, eagerly on tfjs-node", target: 1 / 3, values: node },
    { what, against: "the same code, eagerly on tfjs's WASM backend", target: 1 / 40, values: wasm },
  ];
}

async function ofOurOwn(): Promise<Row[]> {
  const base = await benchModel("small");
  const made = {
    lora: await compiledStep(base.attach(lora({ rank: 8 }))),
    full: await compiledStep(base.attach(full())),
    qlora: await compiledStep(base.quantize().attach(lora({ rank: 8 }))),
  };
  const results = await inTurns(
    { lora: made.lora.step, full: made.full.step, qlora: made.qlora.step },
    { rounds: 15, times: 3 },
  );
  for (const { dispose } of Object.values(made)) await dispose();
  const { matricesOfFloat32 } = await resources("small", "qlora");
  return [
    {
      what: "LoRA step, small",
      against: "full fine-tuning step",
      target: 0.67,
      values: ratios(results, "lora", "full"),
    },
    {
      what: "QLoRA step, small",
      against: "LoRA step",
      target: 1.05,
      values: ratios(results, "qlora", "lora"),
    },
    {
      what: "matrices in NF4, in training",
      against: "their float32 bytes",
      target: 0.15,
      values: [matricesOfFloat32],
    },
  ];
}

/** Steps of a process of which the largest memory is taken. */
const MEMORY_STEPS = 20;

async function memory(): Promise<Row[]> {
  const values: number[] = [];
  const folder = await folderOf(await benchModel("small"));
  for (let round = 0; round < 3; round++) {
    const them = await peer("peft_step.py", folder, THREADS);
    if (!them) break;
    for (let i = 0; i < MEMORY_STEPS; i++) await them.ask("lora");
    const theirs = await them.ask("rss");
    them.close();
    values.push((await child(MEMORY_STEPS)).rss / 1e6 / theirs);
  }
  const what = "largest resident memory of a LoRA training, small";
  return [{ what, against: "transformers + PEFT + PyTorch, same work", target: 0.8, values }];
}

async function generation(
  name: string,
  { tokens, ...turns }: { tokens: number; rounds: number; times: number },
): Promise<Row[]> {
  const base = await benchModel(name);
  const prompt = [11, 222, 333, 44, 555, 66, 777, 88];
  const int8 = base.quantize({ type: "int4", activations: "int8" });
  const them = await peer("generate.py", await folderOf(base), THREADS, prompt.join(","));
  const contenders: Record<string, Timed> = {
    ours: timed(() => greedily(base, prompt, tokens)),
    int8: timed(() => greedily(int8, prompt, tokens)),
  };
  if (them) contenders.theirs = () => them.ask(String(tokens));
  const results = await inTurns(contenders, turns);
  them?.close();
  const row = (what: string, of: string): Row => {
    const values = ratios(results, "theirs", of);
    return { what, against: "transformers' generate, same threads", target: 2, atLeast: true, values };
  };
  const what = `tokens per second of generation, ${name}, KV cache`;
  return [row(what, "ours"), row(`${what}, 4-bit integers with inputs in 8 bits`, "int8")];
}

/** Token after token, each the likeliest: what `generate` does of a model that has a tokenizer, too. */
async function greedily(model: LanguageModel, prompt: number[], tokens: number): Promise<void> {
  const decoder = new Decoder(model, 1, capacityFor(prompt.length + tokens, model.config.contextLength));
  let ids = prompt;
  for (let i = 0; i < tokens; i++) {
    const [logits] = await decoder.feed([ids]);
    ids = [sample(logits!, {}, Math.random)];
  }
}

interface Child {
  importing: number;
  loading: number;
  training: number;
  rss: number;
}

/** A process of its own that trains so many steps, of the package as built. */
async function child(steps: number): Promise<Child> {
  // As it is installed, without a TensorFlow that was set up besides.
  const env = { ...process.env, LORALAB_EAGER: "cpu" };
  const script = join(__dirname, "start.child.cjs");
  const { stdout } = await promisify(execFile)(process.execPath, [script, String(steps)], { env });
  return JSON.parse(stdout);
}

async function start(): Promise<Row[]> {
  const runs: Child[] = [];
  for (let i = 0; i < 7; i++) runs.push(await child(1));
  const row = (what: string, target: number, of: (run: Child) => number): Row => {
    return { what, against: "–", target, unit: "s", values: runs.map((run) => of(run) / 1000) };
  };
  return [
    row('import "loralab"', 0.4, (run) => run.importing),
    row('loadModel("small")', 0.5, (run) => run.loading),
    row("first training step, its program built", 2, (run) => run.training),
  ];
}

/** Whether the median is where it should be; undefined where nothing was measured. */
export function isHeld({ target, atLeast, values }: Row): boolean | undefined {
  if (values.length === 0) return undefined;
  return atLeast ? median(values) >= target : median(values) <= target;
}
