/**
 * From texts to batches of fixed shape.
 *
 * A sequence of tokens x₀ … xₙ teaches n predictions: xᵢ₊₁ from x₀ … xᵢ. Of a question with its answer only those in the
 * answer are supervised (by default); only where a prediction is supervised does the model compute logits at all.
 */
import { generator } from "../engine";
import type { Tokenizer } from "../model/tokenizer";

/** A prompt with the completion to learn, a plain text to learn as a whole, or tokens to learn just as they are. */
export type Example =
  | { prompt: string; completion: string }
  | { text: string }
  | { ids: readonly number[] }
  | string;

export interface Sequence {
  ids: number[];
  /** Predictions at positions from here on are supervised: 0 for all, or the last token of the prompt. */
  from: number;
}

/** Number of supervised predictions. */
export const supervised = ({ ids, from }: Sequence): number => ids.length - 1 - from;

/**
 * Tokenizes examples; each ends with the end-of-text token.
 * @param completionOnly whether only the completion is supervised
 * @throws for an empty list, and for an example that is malformed, longer than `context`, or without a token to predict
 *   (names it)
 */
export function encode(
  tokenizer: Tokenizer,
  examples: readonly Example[],
  { context, completionOnly = true }: { context: number; completionOnly?: boolean },
): Sequence[] {
  if (examples.length === 0) throw new Error("The training data is empty: expected at least one example.");
  return examples.map((example, i) => {
    const { ids, from, shown } = tokens(tokenizer, example, i);
    if (ids.length - 1 > context) {
      throw new Error(
        `Example ${i} (${shown}…) has ${ids.length} tokens; the model's context is ${context}. ` +
          "Shorten it, or cut long texts with chunks().",
      );
    }
    const sequence = { ids, from: completionOnly ? from : 0 };
    if (supervised(sequence) < 1) throw new Error(`Example ${i} (${shown}) has no token to predict.`);
    return sequence;
  });
}

/** An example's tokens, the place of its prompt's last one, and its beginning for messages. */
function tokens(tokenizer: Tokenizer, example: Example, i: number): Sequence & { shown: string } {
  if (typeof example === "object" && example !== null && "ids" in example) {
    return { ids: [...example.ids], from: 0, shown: `[${example.ids.slice(0, 8)}]` };
  }
  const [prompt, completion] = parts(example);
  if (typeof prompt !== "string" || typeof completion !== "string") {
    throw new Error(
      `Example ${i} is ${JSON.stringify(example)}: expected a text, { text }, { ids } or { prompt, completion }.`,
    );
  }
  const promptIds = prompt === "" ? [] : tokenizer.encode(prompt);
  const completionIds = tokenizer.encode(completion, { special: prompt === "" });
  return {
    ids: [...promptIds, ...completionIds, ...tokenizer.eosIds.slice(0, 1)],
    from: Math.max(0, promptIds.length - 1),
    shown: JSON.stringify((prompt + completion).slice(0, 40)),
  };
}

/** Prompt and completion; not strings where the example is malformed, as a cell without type checks can make it. */
function parts(example: Example): [unknown, unknown] {
  if (typeof example === "string") return ["", example];
  const { text, prompt, completion } = (example ?? {}) as Record<string, unknown>;
  return text === undefined ? [prompt, completion] : ["", text];
}

/**
 * Cuts a long text into pieces that teach `length` predictions each, as examples. A piece starts with the token that the
 * one before it ended with, so every token but the first is predicted once; the last piece ends with end-of-text.
 */
export function chunks(tokenizer: Tokenizer, text: string, length: number): Example[] {
  if (!Number.isInteger(length) || length < 1) {
    throw new Error(`chunks: length must be a whole number from 1, got ${length}`);
  }
  const ids = [...tokenizer.encode(text, { special: false }), ...tokenizer.eosIds.slice(0, 1)];
  const pieces: Example[] = [];
  for (let at = 0; at + 1 < ids.length; at += length) pieces.push({ ids: ids.slice(at, at + length + 1) });
  return pieces;
}

/** One row of a batch: one sequence, or several packed end to end. */
export type Row = Sequence[];

/** The arrays of one batch, in the shapes that the training program was built for. */
export interface Batch {
  /** int32 [rows, length]; padded with 0. */
  ids: Int32Array;
  /** Places in [rows · length] whose predictions are supervised, the tokens to predict there, and 1 (0 for padding). */
  places: Int32Array;
  targets: Int32Array;
  mask: Float32Array;
  /** Supervised predictions before the padding. */
  count: number;
  /** Tokens that are not padding. */
  tokens: number;
  /** int32 [rows, length], only for packed rows: which sequence a token belongs to (from 1), its position in it. */
  segments?: Int32Array;
  positions?: Int32Array;
}

/**
 * @param length of each row
 * @param capacity room for supervised predictions; when it is rows · length, prediction i stands at place i
 * @throws when there are more
 */
export function batch(rows: readonly Row[], length: number, capacity: number, packed: boolean): Batch {
  const size = rows.length * length;
  const ids = new Int32Array(size);
  const segments = packed ? new Int32Array(size) : undefined;
  const positions = packed ? new Int32Array(size) : undefined;
  const places = new Int32Array(capacity);
  const targets = new Int32Array(capacity);
  const mask = new Float32Array(capacity);
  let count = 0;
  let tokens = 0;
  rows.forEach((row, r) => {
    let at = r * length;
    row.forEach((sequence, s) => {
      for (let i = 0; i + 1 < sequence.ids.length; i++, at++, tokens++) {
        ids[at] = sequence.ids[i]!;
        if (segments) segments[at] = s + 1;
        if (positions) positions[at] = i;
        if (i < sequence.from) continue;
        const slot = capacity === size ? at : count;
        if (slot >= capacity) throw new Error(`batch: more predictions than its capacity of ${capacity}`);
        places[slot] = at;
        targets[slot] = sequence.ids[i + 1]!;
        mask[slot] = 1;
        count++;
      }
    });
  });
  return { ids, places, targets, mask, count, tokens, segments, positions };
}

/** Endless rows in an order that depends on nothing but the seed: every sequence once, shuffled anew, and so on. */
export class Rows {
  private queue: Row[] = [];
  private epochs = 0;

  /** @param packedLength when given, sequences are packed into rows of this length */
  constructor(
    private readonly sequences: readonly Sequence[],
    private readonly seed: number,
    private readonly packedLength?: number,
  ) {}

  /** How many times all sequences have been begun. */
  get epoch(): number {
    return this.epochs;
  }

  next(count: number): Row[] {
    while (this.queue.length < count) {
      const order = shuffle(this.sequences, generator(this.seed + 7919 * this.epochs++));
      const packed = this.packedLength ? pack(order, this.packedLength) : order.map((sequence) => [sequence]);
      this.queue.push(...packed);
    }
    return this.queue.splice(0, count);
  }
}

/** Fisher–Yates. */
export function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/** First fit: each sequence goes into the first row that has room for it. */
export function pack(sequences: readonly Sequence[], length: number): Row[] {
  const rows: { row: Row; free: number }[] = [];
  let open = 0; // rows before this one are too full to look at
  for (const sequence of sequences) {
    const need = sequence.ids.length - 1;
    let fit = rows.slice(open).find(({ free }) => free >= need);
    if (!fit) {
      fit = { row: [], free: length };
      rows.push(fit);
    }
    fit.row.push(sequence);
    fit.free -= need;
    while (open < rows.length && rows[open]!.free < 2) open++;
  }
  return rows.map(({ row }) => row);
}
