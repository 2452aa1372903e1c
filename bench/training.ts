/** One training step on random tokens: what the benchmarks of steps and methods time. */
import { generator, type TraceOptions, type TypedArray } from "../src/engine";
import type { LanguageModel } from "../src/model/language-model";
import { batch } from "../src/train/data";
import { type BatchShape, batchInputs, languageLoss } from "../src/train/language-loss";
import { adamw } from "../src/train/optimizers";
import { stepProgram, updateInputs } from "../src/train/step";
import { type Timed, timed } from "./measure";

/** 8 × 128 tokens with every position supervised. */
export const SHAPE = supervised(8, 128);

/** A batch of so many rows of so many tokens, with every position supervised. */
export function supervised(rows: number, length: number): BatchShape {
  return { rows, length, capacity: rows * length, packed: false };
}

export const UPDATE = { optimizer: adamw, settings: adamw.defaults, maxGradientNorm: 1 };

/** Random tokens, with one step's learning-rate numbers and seed. */
export function inputs(
  model: LanguageModel,
  random: () => number,
  { rows, length, capacity } = SHAPE,
): Record<string, TypedArray> {
  const { vocabSize } = model.config;
  const texts = Array.from({ length: rows }, () => [
    { ids: Array.from({ length: length + 1 }, () => Math.floor(random() * vocabSize)), from: 0 },
  ]);
  const made = batch(texts, length, capacity, false);
  return { ...batchInputs(made, made.count), ...updateInputs(UPDATE, 1, 1e-4), seed: Int32Array.of(1, 1) };
}

export interface CompiledStep {
  step: Timed;
  compileMilliseconds: number;
  dispose(): Promise<void>;
}

/** The compiled step of a model with an adapter in use: AdamW and clipping included. */
export async function compiledStep(
  model: LanguageModel,
  shape: BatchShape = SHAPE,
  options?: TraceOptions,
): Promise<CompiledStep> {
  const start = performance.now();
  const program = await stepProgram(model, languageLoss(model.config, shape), UPDATE, options);
  const compileMilliseconds = performance.now() - start;
  const random = generator(1);
  const size = model.trainableCount;
  let state: Record<string, TypedArray> = {
    parameters: model.adapter!.parameters.flat,
    first: new Float32Array(size),
    second: new Float32Array(size),
  };
  const step = timed(async () => {
    const { parameters } = await program.run({ ...inputs(model, random, shape), ...state });
    state = { parameters: parameters!.data }; // the optimizer's vectors stay in the program
  });
  return { step, compileMilliseconds, dispose: () => program.dispose() };
}
