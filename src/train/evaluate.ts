/** Measuring a model on held-out data. */
import type { TraceOptions } from "../engine";
import type { LanguageModel } from "../model/language-model";
import { batch, type Example, encode, supervised } from "./data";
import { batchInputs, languageLoss } from "./language-loss";
import { measureLoss } from "./step";

export interface EvaluateOptions {
  /** Whether of an example with a prompt only the completion counts. Default true. */
  completionOnly?: boolean;
  /** Rows that are computed at once. Default 8. */
  batchSize?: number;
  engine?: TraceOptions;
}

/** The smallest power of two from 32 on that holds n, so that few programs serve all batches. */
const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(32, n)));

/**
 * Mean loss over all supervised predictions of the examples, −(1/n)·Σ log p(token | what stands before), in nats per
 * token, with the adapter in use and without dropout. Its exponential is the perplexity.
 * @throws for no examples, and for one that `train` would refuse too
 */
export async function evaluateLoss(
  model: LanguageModel,
  examples: readonly Example[],
  { completionOnly = true, batchSize = 8, engine }: EvaluateOptions = {},
): Promise<number> {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new Error(`evaluateLoss: batchSize must be a whole number from 1, got ${batchSize}.`);
  }
  const sequences = encode(model.files.tokenizer, examples, {
    context: model.config.contextLength,
    vocabSize: model.config.vocabSize,
    completionOnly,
  });
  // Similar lengths together: less padding, few shapes.
  sequences.sort((a, b) => a.ids.length - b.ids.length);
  let nats = 0;
  let count = 0;
  for (let at = 0; at < sequences.length; at += batchSize) {
    const rows = sequences.slice(at, at + batchSize);
    const longest = Math.max(...rows.map(({ ids }) => ids.length - 1));
    const length = Math.min(model.config.contextLength, powerOfTwo(longest));
    const most = rows.reduce((sum, row) => sum + supervised(row), 0);
    const capacity = Math.min(batchSize * length, powerOfTwo(most));
    const shape = { rows: batchSize, length, capacity, packed: false };
    const padded = [
      ...rows.map((row) => [row]),
      ...Array.from({ length: batchSize - rows.length }, () => []),
    ];
    const made = batch(padded, length, capacity, false);
    const loss = languageLoss(model.config, shape);
    nats += (await measureLoss(model, JSON.stringify(shape), loss, batchInputs(made, 1), engine)).loss;
    count += made.count;
  }
  return nats / count;
}
