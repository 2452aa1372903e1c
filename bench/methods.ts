/**
 * Every method beside LoRA, on `small` and on a random model of 30 million parameters: time of a training step over LoRA's,
 * measured in turns; trainable parameters; bytes of the weights as they are held; and the largest resident memory of a
 * process that loads the model, attaches the method and takes a few steps.
 */
import { fork } from "node:child_process";
import { join } from "node:path";
import { adalora, dora, full, houlsby, lora, mixture, pissa, qalora, vera } from "../src/adapters";
import { sizeOf } from "../src/engine";
import type { LanguageModel } from "../src/model/language-model";
import { bytesHeld } from "../src/model/quantized";
import { inTurns, peakMemory, ratio } from "./measure";
import { benchModel } from "./models";
import { compiledStep } from "./training";

/** A method is one line: how a base becomes a model that trains it. What AdaLoRA does after a step is not in the time. */
export const METHODS: Record<string, (base: LanguageModel) => LanguageModel> = {
  lora: (base) => base.attach(lora({ rank: 8 })),
  "lora+": (base) => base.attach(lora({ rank: 8, loraPlusRatio: 16 })),
  pissa: (base) => base.attach(lora({ rank: 8, init: pissa })),
  dora: (base) => base.attach(dora({ rank: 8 })),
  adalora: (base) => base.attach(adalora({ totalSteps: 1000 })),
  vera: (base) => base.attach(vera()),
  houlsby: (base) => base.attach(houlsby()),
  mixture: (base) => base.attach(mixture({ experts: 4, topK: 2, rank: 8, targets: "all-linear" })),
  qlora: (base) => base.quantize().attach(lora({ rank: 8 })),
  "qlora, double quantization": (base) =>
    base.quantize({ doubleQuantization: true }).attach(lora({ rank: 8 })),
  "qlora, group-wise integers": (base) => base.quantize({ type: "int4" }).attach(lora({ rank: 8 })),
  qalora: (base) => base.quantize({ type: "int4" }).attach(qalora({ rank: 8 })),
  full: (base) => base.attach(full()),
};

/** A base, and how often its steps are timed: rounds, and steps in a row in each. */
const MODELS: Record<string, { load(): Promise<LanguageModel>; rounds: number; times: number }> = {
  small: { load: () => benchModel("small"), rounds: 7, times: 3 },
  "30M": { load: () => benchModel("30M"), rounds: 4, times: 1 },
};

export interface Resources {
  trainable: number;
  /** Bytes of all weights as they are held, and of the matrices inside the layers over float32's. */
  weightBytes: number;
  matricesOfFloat32: number;
  /** Bytes. */
  peakRss: number;
}

/** What a process needs that does nothing else: for `methods.child.ts`. */
export async function resources(model: string, method: string): Promise<Resources> {
  const student = METHODS[method]!(await MODELS[model]!.load());
  const { step, dispose } = await compiledStep(student);
  for (let i = 0; i < 3; i++) await step();
  await dispose();
  const held = [...student.weights].map(([name, weight]) => ({
    inside: name.startsWith("model.layers.") && weight.shape.length === 2,
    bytes: bytesHeld(weight),
    float32: 4 * sizeOf(weight.shape),
  }));
  const inside = held.filter((weight) => weight.inside);
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  return {
    trainable: student.trainableCount,
    weightBytes: sum(held.map(({ bytes }) => bytes)),
    matricesOfFloat32: sum(inside.map(({ bytes }) => bytes)) / sum(inside.map(({ float32 }) => float32)),
    peakRss: peakMemory(),
  };
}

export async function methodsBench(): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {};
  const { BENCH_MODEL } = process.env;
  for (const [model, { load, ...turns }] of Object.entries(MODELS)) {
    if (BENCH_MODEL && BENCH_MODEL !== model) continue;
    const base = await load();
    const reference = await compiledStep(METHODS.lora!(base));
    for (const [method, make] of Object.entries(METHODS)) {
      const own = await compiledStep(make(base));
      const times = await inTurns({ lora: reference.step, method: own.step }, turns);
      await own.dispose();
      const name = model === "small" ? method : `${method} (${model})`;
      results[name] = { ratioLora: ratio(times, "method", "lora"), ...(await inOwnProcess(model, method)) };
    }
    await reference.dispose();
  }
  return results;
}

function inOwnProcess(model: string, method: string): Promise<Resources> {
  const child = fork(join(__dirname, "methods.child.ts"), [model, method]);
  return new Promise((resolve, reject) => {
    child.on("message", (message) => resolve(message as Resources));
    child.on("error", reject);
    child.on(
      "exit",
      (code) => code !== 0 && reject(new Error(`${method} on ${model} ended with code ${code}`)),
    );
  });
}
