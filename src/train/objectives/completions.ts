/**
 * Log-probabilities of completions, token by token: what preferences and rewards are learned through.
 *
 * Rows of a batch are sequences; what is supervised of each, its completion, has its own row in a matrix [rows, width] of
 * equal shape for all, filled up at the end.
 */
import * as tf from "@tensorflow/tfjs";
import { crossEntropy, type InputSpec, type Tensors, type TraceOptions, type TypedArray } from "../../engine";
import type { Message } from "../../model/chat";
import type { ModelConfig } from "../../model/config";
import type { LanguageModel } from "../../model/language-model";
import type { Tokenizer } from "../../model/tokenizer";
import { hiddenStates, type Layers, logits } from "../../model/transformer";
import { type EncodeOptions, encodeOne, isSupervised, type Sequence, supervised } from "../data";

/** A text or the turns of a conversation. */
export type Words = string | readonly Message[];

/**
 * Tokens of a completion behind its prompt, of which the completion is supervised. Behind a conversation a text is the
 * assistant's next turn.
 * @param name what errors call it
 * @throws what `encode` throws for one example
 */
export function encodeCompletion(
  tokenizer: Tokenizer | undefined,
  prompt: Words,
  completion: Words,
  name: string,
  options: EncodeOptions,
): Sequence {
  if (!Array.isArray(prompt)) {
    const example = { prompt, completion } as { prompt: string; completion: string };
    return encodeOne(tokenizer, example, name, options);
  }
  const reply = typeof completion === "string" ? [{ role: "assistant", content: completion }] : completion;
  const messages = [...prompt, ...(Array.isArray(reply) ? reply : [reply])];
  const sequence = encodeOne(tokenizer, { messages }, name, options);
  const before = tokenizer!.applyChatTemplate(prompt, { addGenerationPrompt: true });
  const prefix = tokenizer!.encode(before, { special: false });
  const parted = prefix.findIndex((id, i) => id !== sequence.ids[i]);
  const length = parted < 0 ? prefix.length : parted;
  return { ...sequence, from: Math.max(0, length - 1) };
}

/** The shape that all batches of a program share. */
export interface CompletionShape {
  rows: number;
  length: number;
  /** Room for the supervised predictions of a row. */
  width: number;
}

/** The smallest shape for these sequences, its length a multiple of eight. @param extra places of a row beyond its predictions */
export function shapeFor(sequences: readonly Sequence[], rows: number, extra = 0): CompletionShape {
  const longest = (value: (sequence: Sequence) => number) =>
    sequences.reduce((most, sequence) => Math.max(most, value(sequence)), 1);
  return {
    rows,
    length: 8 * Math.ceil((longest(({ ids }) => ids.length - 1) + extra) / 8),
    width: longest(supervised),
  };
}

export function completionSpecs({ rows, length, width }: CompletionShape): Record<string, InputSpec> {
  const list: InputSpec = { shape: [rows * width], dtype: "int32" };
  return {
    ids: { shape: [rows, length], dtype: "int32" },
    places: list,
    targets: list,
    mask: { shape: [rows, width], dtype: "float32" },
  };
}

/** @param sequences at most `rows` of them; rows beyond are empty */
export function completionInputs(
  sequences: readonly Sequence[],
  { rows, length, width }: CompletionShape,
): Record<"ids" | "places" | "targets" | "mask", TypedArray> {
  const ids = new Int32Array(rows * length);
  const places = new Int32Array(rows * width);
  const targets = new Int32Array(rows * width);
  const mask = new Float32Array(rows * width);
  for (const [row, sequence] of sequences.entries()) {
    let slot = row * width;
    for (let i = 0; i + 1 < sequence.ids.length; i++) {
      ids[row * length + i] = sequence.ids[i]!;
      if (!isSupervised(sequence, i)) continue;
      places[slot] = row * length + i;
      targets[slot] = sequence.ids[i + 1]!;
      mask[slot++] = 1;
    }
  }
  return { ids, places, targets, mask };
}

/** Number of tokens that a model reads of these sequences. */
export const tokensOf = (sequences: readonly Sequence[]): number =>
  sequences.reduce((sum, { ids }) => sum + ids.length - 1, 0);

/** Logits of the supervised predictions, [rows · width, vocabSize]; those of slots that are not filled mean nothing. */
export function completionLogits(config: ModelConfig, layers: Layers, x: Tensors): tf.Tensor2D {
  const { hidden } = hiddenStates(config, layers, x.ids as tf.Tensor2D);
  return logits(layers, tf.gather(hidden, x.places as tf.Tensor1D));
}

/** log p of each supervised token, [rows, width], zero in slots that are not filled. */
export function logProbabilities(logits: tf.Tensor2D, x: Tensors): tf.Tensor2D {
  const nats = crossEntropy(logits, x.targets as tf.Tensor1D);
  return tf.neg(tf.mul(tf.reshape(nats, x.mask!.shape), x.mask!)) as tf.Tensor2D;
}

/** Rows that are computed at once where nothing is trained. */
const AT_ONCE = 16;

/**
 * log p of each supervised token of each sequence, with the adapter in use and without dropout.
 * @param temperature that the logits are divided by
 */
export async function completionLogProbabilities(
  model: LanguageModel,
  sequences: readonly Sequence[],
  { temperature = 1, engine }: { temperature?: number; engine?: TraceOptions } = {},
): Promise<Float32Array[]> {
  const result: Float32Array[] = new Array(sequences.length);
  // Similar lengths together: less padding. Widths and lengths in few sizes: few programs.
  const order = [...sequences.keys()].sort((a, b) => sequences[a]!.ids.length - sequences[b]!.ids.length);
  const size = (n: number) => 2 ** Math.ceil(Math.log2(Math.max(16, n)));
  for (let at = 0; at < order.length; at += AT_ONCE) {
    const some = order.slice(at, at + AT_ONCE);
    const batch = some.map((i) => sequences[i]!);
    const least = shapeFor(batch, AT_ONCE);
    const length = Math.min(model.config.contextLength, size(least.length));
    const shape = { rows: AT_ONCE, length, width: Math.min(length, size(least.width)) };
    const { logp } = await model.run(
      `log probabilities ${temperature}`,
      (layers, x) => {
        const scores = completionLogits(model.config, layers, x);
        return { logp: logProbabilities(atTemperature(scores, temperature), x) };
      },
      completionSpecs(shape),
      completionInputs(batch, shape),
      engine,
    );
    for (const [row, i] of some.entries()) {
      const from = row * shape.width;
      result[i] = (logp!.data as Float32Array).slice(from, from + supervised(batch[row]!));
    }
  }
  return result;
}

/** Logits of the distribution that is sampled from at a temperature. */
export const atTemperature = (logits: tf.Tensor2D, temperature: number): tf.Tensor2D =>
  temperature === 1 ? logits : tf.div(logits, temperature);
