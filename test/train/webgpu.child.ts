/** Training steps of `nano` on WebGPU, of each objective, none of their nodes on the CPU, beside the same steps on the CPU. */
import assert from "node:assert/strict";
import { full, lora, mixture } from "../../src/adapters";
import { drawSeed, generator, type TypedArray } from "../../src/engine";
import { loadModel } from "../../src/model";
import type { Method } from "../../src/model/adapter";
import { dpo, grpo, type Objective, rewardModel, train } from "../../src/train";
import { batch, type Row } from "../../src/train/data";
import { type BatchShape, batchInputs, languageLoss } from "../../src/train/language-loss";
import { adamw } from "../../src/train/optimizers";
import { stepProgram, updateInputs } from "../../src/train/step";
import { report, reportAdapter, STRICT } from "../webgpu";

const UPDATE = { optimizer: adamw, settings: { ...adamw.defaults, weightDecay: 0.1 }, maxGradientNorm: 1 };
const STEPS = 3;

/** The losses of the first steps on a device, over random tokens, and last the length of what the optimizer has averaged. */
async function losses(device: "cpu" | "webgpu", method: Method, shape: BatchShape): Promise<number[]> {
  const model = (await loadModel("nano")).attach(method);
  const program = await stepProgram(model, languageLoss(model.config, shape), UPDATE, {
    device,
    session: device === "webgpu" ? STRICT : {},
  });
  const random = generator(1);
  const size = model.trainableCount;
  let state: Record<string, TypedArray> = {
    parameters: model.adapter!.parameters.flat,
    first: new Float32Array(size),
    second: new Float32Array(size),
  };
  const token = () => Math.floor(random() * model.config.vocabSize);
  const result: number[] = [];
  for (let step = 1; step <= STEPS; step++) {
    // Two texts to a row where rows are packed; the last three tokens of each are learnt where not all are.
    const length = (shape.packed ? shape.length / 2 : shape.length) + 1;
    const from = shape.capacity === shape.rows * shape.length ? 0 : length - 4;
    const text = () => ({ ids: Array.from({ length }, token), from });
    const rows: Row[] = Array.from({ length: shape.rows }, () =>
      shape.packed ? [text(), text()] : [text()],
    );
    const made = batch(rows, shape.length, shape.capacity, shape.packed);
    const inputs = {
      ...batchInputs(made, made.count),
      ...updateInputs(UPDATE, step, 1e-3),
      seed: drawSeed(random),
    };
    const out = await program.run({ ...inputs, ...state });
    state = { parameters: out.parameters!.data }; // the optimizer's vectors stay in the program
    result.push(out.loss!.data[0]!);
  }
  result.push(Math.sqrt(((await program.read("first")) as Float32Array).reduce((sum, x) => sum + x * x, 0)));
  await program.dispose();
  return result;
}

export const CASES: Record<string, [Method, BatchShape]> = {
  "LoRA with dropout, every position supervised": [
    lora({ rank: 4, dropout: 0.1 }),
    { rows: 2, length: 16, capacity: 32, packed: false },
  ],
  "LoRA on packed rows, few positions supervised": [
    lora({ rank: 4 }),
    { rows: 2, length: 16, capacity: 16, packed: true },
  ],
  "a mixture of LoRAs": [
    mixture({ experts: 4, rank: 2 }),
    { rows: 2, length: 16, capacity: 32, packed: false },
  ],
  "full fine-tuning": [full(), { rows: 2, length: 16, capacity: 32, packed: false }],
};

const PAIRS = [
  { prompt: "one and one?", chosen: " two", rejected: " it is two" },
  { prompt: "red and blue?", chosen: " violet", rejected: " red" },
];

/** Two steps of training on a device: of GRPO on the same completions, which are sampled on the CPU. */
const objectiveLosses =
  <Datum>(objective: Objective<Datum>, data: readonly Datum[], method = lora({ rank: 4 })) =>
  async (device: "cpu" | "webgpu"): Promise<number[]> => {
    const model = (await loadModel("nano")).attach(method);
    const engine = { device, session: device === "webgpu" ? STRICT : {} };
    const { losses } = await train(model, {
      data,
      objective,
      steps: 2,
      batchSize: 2,
      engine,
      display: false,
    });
    return losses;
  };

export const OBJECTIVES = {
  DPO: objectiveLosses(dpo(), PAIRS),
  "a reward model": objectiveLosses(rewardModel(), PAIRS, lora({ rank: 4, modulesToSave: ["score"] })),
  GRPO: objectiveLosses(
    grpo({ reward: (_prompt, text) => text.length, groupSize: 2, maxTokens: 4, iterations: 2 }),
    PAIRS,
  ),
};

async function main(): Promise<void> {
  if (!(await reportAdapter())) return;
  for (const [name, [method, shape]] of Object.entries(CASES)) {
    await report(name, async () => {
      const [gpu, cpu] = [await losses("webgpu", method, shape), await losses("cpu", method, shape)];
      gpu.forEach((loss, i) => {
        assert.ok(Math.abs(loss - cpu[i]!) < 1e-3 * cpu[i]!, `losses on WebGPU ${gpu}, on the CPU ${cpu}`);
      });
    });
  }
  for (const [name, losses] of Object.entries(OBJECTIVES)) {
    await report(name, async () => {
      const [gpu, cpu] = [await losses("webgpu"), await losses("cpu")];
      gpu.forEach((loss, i) => {
        assert.ok(Math.abs(loss - cpu[i]!) < 1e-3, `losses on WebGPU ${gpu}, on the CPU ${cpu}`);
      });
    });
  }
}

if (require.main === module) void main().then(() => process.exit(0));
