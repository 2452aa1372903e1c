/** Learning from pairs of completions of which one is preferred: what DPO and a reward model share. */
import type { TypedArray } from "../../engine";
import type { LanguageModel } from "../../model/language-model";
import { type EncodeOptions, Endless, type Sequence, shuffle } from "../data";
import type { Lesson, Preparation } from "../objective";
import { type Loss, measureLoss } from "../step";
import { type CompletionShape, encodeCompletion, shapeFor, tokensOf, type Words } from "./completions";

/** A prompt with the completion that is preferred and the one that is not. TRL's names. */
export interface Preference {
  prompt: Words;
  chosen: Words;
  rejected: Words;
}

/** The same in tokens. */
export interface Pair {
  chosen: Sequence;
  rejected: Sequence;
}

/**
 * Tokenizes pairs.
 * @throws for an empty list, a pair of equal completions, and what is malformed or too long (names it)
 */
export function encodePairs(
  model: LanguageModel,
  data: readonly Preference[],
  options?: Partial<EncodeOptions>,
): Pair[] {
  if (!Array.isArray(data) || data.length === 0) {
    throw new Error(
      "The preference data is empty: expected a list of at least one { prompt, chosen, rejected }.",
    );
  }
  const { contextLength, vocabSize } = model.config;
  return data.map((preference, i) => {
    const { prompt, chosen, rejected } = (preference ?? {}) as Preference;
    if (prompt === undefined || chosen === undefined || rejected === undefined) {
      throw new Error(`Pair ${i} is ${JSON.stringify(preference)}: expected { prompt, chosen, rejected }.`);
    }
    const tokens = (words: Words, which: string) =>
      encodeCompletion(model.files.tokenizer, prompt, words, `Pair ${i}, ${which}`, {
        context: contextLength,
        vocabSize,
        ...options,
      });
    const pair = { chosen: tokens(chosen, "chosen"), rejected: tokens(rejected, "rejected") };
    if (`${pair.chosen.ids}` === `${pair.rejected.ids}`) {
      throw new Error(
        `Pair ${i}: chosen and rejected are the same (${JSON.stringify(chosen).slice(0, 60)}), so neither is preferred. ` +
          "Leave the pair out.",
      );
    }
    return pair;
  });
}

/** What a batch of pairs is to an objective. */
export interface PairObjective<P extends Pair> {
  /** Pairs, with what else the objective must know of each. */
  encode(data: readonly Preference[]): Promise<P[]>;
  /** @param shape of the chosen completions with the rejected ones below */
  loss(shape: CompletionShape): Loss;
  inputs(pairs: readonly P[], shape: CompletionShape): Record<string, TypedArray>;
  /** Tokens that a row must have room for beyond the predictions of its sequence. */
  extra?: number;
}

/** Sequences of a batch: all chosen ones, then all rejected ones in the same order, so a program can part them in the middle. */
export const halves = (pairs: readonly Pair[], count: number): Sequence[] => {
  const none: Sequence = { ids: [], from: 0 };
  const filled = (which: "chosen" | "rejected") =>
    Array.from({ length: count }, (_, i) => pairs[i]?.[which] ?? none);
  return [...filled("chosen"), ...filled("rejected")];
};

/** Binds an objective to its pairs. The loss is a mean over pairs, weighted by the input `weights` [rows / 2]. */
export async function pairLesson<P extends Pair>(
  name: string,
  model: LanguageModel,
  data: readonly Preference[],
  { batchSize, seed, engine }: Preparation,
  objective: PairObjective<P>,
): Promise<Lesson<Preference>> {
  const pairs = await objective.encode(data);
  const shapeOf = (some: readonly P[]) => {
    const shape = shapeFor(halves(some, some.length), 2 * batchSize, objective.extra);
    return { ...shape, length: Math.min(shape.length, model.config.contextLength) };
  };
  const shape = shapeOf(pairs);
  const order = new Endless(seed, (random) => shuffle(pairs, random));
  const inputs = (some: readonly P[], shape: CompletionShape, total: number) => ({
    ...objective.inputs(some, shape),
    weights: Float32Array.from({ length: batchSize }, (_, i) => (i < some.length ? 1 / total : 0)),
  });
  const heldOut = new WeakMap<object, Promise<P[]>>();
  return {
    loss: objective.loss(shape),
    fixed: { examples: pairs.length, sequenceLength: shape.length },
    get epoch() {
      return order.epoch;
    },
    async next(count) {
      return Array.from({ length: count }, () => {
        const some = order.next(batchSize);
        return {
          count: some.length,
          tokens: tokensOf(halves(some, some.length)),
          inputs: (total: number) => inputs(some, shape, total),
        };
      });
    },
    async evaluate(data) {
      // The same data at every evaluation: encoded once.
      if (!heldOut.has(data)) heldOut.set(data, objective.encode(data));
      const pairs = await heldOut.get(data)!;
      const shape = shapeOf(pairs);
      const loss = objective.loss(shape);
      const sums: Record<string, number> = {};
      for (let at = 0; at < pairs.length; at += batchSize) {
        const given = inputs(pairs.slice(at, at + batchSize), shape, 1);
        const values = await measureLoss(model, `${name} ${JSON.stringify(shape)}`, loss, given, engine);
        for (const [metric, value] of Object.entries(values)) sums[metric] = (sums[metric] ?? 0) + value;
      }
      return Object.fromEntries(Object.entries(sums).map(([metric, sum]) => [metric, sum / pairs.length]));
    },
    resume(steps, count) {
      for (let i = 0; i < steps * count; i++) order.next(batchSize);
    },
  };
}
