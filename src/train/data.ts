/**
 * From texts to batches of fixed shape.
 *
 * A sequence of tokens x₀ … xₙ teaches n predictions: xᵢ₊₁ from x₀ … xᵢ. Of a question with its answer only those in the
 * answer are supervised (by default); only where a prediction is supervised does the model compute logits at all.
 */
import { generator } from "../engine";
import type { Message } from "../model/chat";
import type { Tokenizer } from "../model/tokenizer";

/**
 * A prompt with the completion to learn, a conversation of which the assistant's turns are learned, a plain text to learn
 * as a whole, or tokens to learn just as they are.
 */
export type Example =
  | { prompt: string; completion: string }
  | { messages: readonly Message[] }
  | { text: string }
  | { ids: readonly number[] }
  | string;

export interface Sequence {
  ids: number[];
  /** Predictions at positions from here on are supervised: 0 for all, or the last token of the prompt. */
  from: number;
  /** Where only some of them are, as in a conversation: whether the prediction at each position is. */
  mask?: readonly boolean[];
}

/** Whether the prediction at position `i`, of token i + 1, is supervised. */
export const isSupervised = ({ from, mask }: Sequence, i: number): boolean =>
  i >= from && (mask?.[i] ?? true);

/** Number of supervised predictions. */
export const supervised = ({ ids, from, mask }: Sequence): number =>
  mask ? mask.filter((learned, i) => learned && i >= from).length : ids.length - 1 - from;

/**
 * Tokenizes examples; each ends with the end-of-text token, but for conversations, which end as their template says.
 * @param tokenizer may be absent when all examples are token ids
 * @param context the most predictions of an example
 * @param vocabSize when given, ids must be below it
 * @param completionOnly whether only completions and the assistant's turns are supervised
 * @throws for an empty list, and for an example that is malformed, longer than `context`, or without a token to predict
 *   (names it)
 */
export function encode(
  tokenizer: Tokenizer | undefined,
  examples: readonly Example[],
  { context, vocabSize, completionOnly = true }: EncodeOptions,
): Sequence[] {
  if (!Array.isArray(examples)) {
    throw new Error(`The data must be a list of examples, got ${JSON.stringify(examples)?.slice(0, 80)}.`);
  }
  if (examples.length === 0) throw new Error("The training data is empty: expected at least one example.");
  return examples.map((example, i) =>
    encodeOne(tokenizer, example, `Example ${i}`, { context, vocabSize, completionOnly }),
  );
}

/** One example. @param name what errors call it */
export function encodeOne(
  tokenizer: Tokenizer | undefined,
  example: Example,
  name: string,
  { context, vocabSize, completionOnly = true }: EncodeOptions,
): Sequence {
  const { ids, from, mask, shown } = tokens(tokenizer, example, name);
  const unknown = vocabSize === undefined ? undefined : ids.find((id) => id >= vocabSize);
  if (unknown !== undefined) {
    throw new Error(`${name} (${shown}) has the token ${unknown}; the model's vocabulary has ${vocabSize}.`);
  }
  if (ids.length - 1 > context) {
    throw new Error(
      `${name} (${shown}…) has ${ids.length} tokens; the model's context is ${context}. ` +
        "Shorten it, or cut long texts with chunks().",
    );
  }
  const sequence = completionOnly ? { ids, from, ...(mask && { mask }) } : { ids, from: 0 };
  if (supervised(sequence) < 1) throw new Error(`${name} (${shown}) has no token to predict.`);
  return sequence;
}

export interface EncodeOptions {
  context: number;
  vocabSize?: number;
  completionOnly?: boolean;
}

/** An example's tokens, the place of its prompt's last one, and its beginning for messages. */
function tokens(
  tokenizer: Tokenizer | undefined,
  example: Example,
  name: string,
): Sequence & { shown: string } {
  if (typeof example === "object" && example !== null && "ids" in example) {
    const ids: unknown = example.ids;
    const isToken = (id: unknown) => Number.isInteger(id) && (id as number) >= 0;
    if (!(Array.isArray(ids) || ArrayBuffer.isView(ids)) || !Array.from(ids as number[]).every(isToken)) {
      throw new Error(
        `${name}: ids must be a list of token ids, whole numbers from 0, got ${JSON.stringify(ids)?.slice(0, 60)}.`,
      );
    }
    const list = Array.from(ids as number[]);
    return { ids: list, from: 0, shown: `[${list.slice(0, 8)}]` };
  }
  if (typeof example === "object" && example !== null && "messages" in example) {
    return conversation(textTokenizer(tokenizer, name), example.messages, name);
  }
  const [prompt, completion] = parts(example);
  if (typeof prompt !== "string" || typeof completion !== "string") {
    throw new Error(
      `${name} is ${JSON.stringify(example)}: expected a text, { text }, { ids }, { messages } or { prompt, completion }.`,
    );
  }
  const words = textTokenizer(tokenizer, name);
  const promptIds = prompt === "" ? [] : words.encode(prompt);
  const completionIds = words.encode(completion, { special: prompt === "" });
  return {
    ids: [...promptIds, ...completionIds, ...words.eosIds.slice(0, 1)],
    from: Math.max(0, promptIds.length - 1),
    shown: JSON.stringify((prompt + completion).slice(0, 40)),
  };
}

/** The tokenizer, or why there must be one. */
function textTokenizer(tokenizer: Tokenizer | undefined, name: string): Tokenizer {
  if (tokenizer) return tokenizer;
  throw new Error(
    `${name} is a text, and the model has no tokenizer: its folder has no tokenizer.json. Give token ids, { ids }.`,
  );
}

function conversation(
  tokenizer: Tokenizer,
  messages: readonly Message[],
  name: string,
): Sequence & { shown: string } {
  try {
    const { ids, assistant } = tokenizer.encodeChat(messages);
    // A prediction is of the token after its place.
    const mask = assistant.slice(1);
    return { ids, from: 0, mask, shown: JSON.stringify(messages[0]!.content.slice(0, 40)) };
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`);
  }
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
 * @throws when there are more, and for a row that is longer
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
    const filled = row.reduce((sum, sequence) => sum + sequence.ids.length - 1, 0);
    if (filled > length) {
      throw new Error(`batch: row ${r} has ${filled} tokens to read, and rows have room for ${length}`);
    }
    row.forEach((sequence, s) => {
      for (let i = 0; i + 1 < sequence.ids.length; i++, at++, tokens++) {
        ids[at] = sequence.ids[i]!;
        if (segments) segments[at] = s + 1;
        if (positions) positions[at] = i;
        if (!isSupervised(sequence, i)) continue;
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

/** Endless items in an order that depends on nothing but the seed: all of them once, arranged anew, and so on. */
export class Endless<T> {
  private queue: T[] = [];
  private epochs = 0;

  /** @param arrange all items once */
  constructor(
    private readonly seed: number,
    private readonly arrange: (random: () => number) => readonly T[],
  ) {}

  /** How many times all items have been begun. */
  get epoch(): number {
    return this.epochs;
  }

  next(count: number): T[] {
    while (this.queue.length < count) {
      this.queue.push(...this.arrange(generator(this.seed + 7919 * this.epochs++)));
    }
    return this.queue.splice(0, count);
  }
}

/** Endless rows of one sequence each, or of several packed. */
export class Rows extends Endless<Row> {
  /** @param packedLength when given, sequences are packed into rows of this length */
  constructor(sequences: readonly Sequence[], seed: number, packedLength?: number) {
    super(seed, (random) => {
      const order = shuffle(sequences, random);
      return packedLength ? pack(order, packedLength) : order.map((sequence) => [sequence]);
    });
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

/**
 * First fit: each sequence goes into the first row that has room for it. Rows are the leaves of a tree in which every
 * node knows the most room below it, so a row is found in as many looks as the tree is deep.
 * @throws for a sequence that no row can hold
 */
export function pack(sequences: readonly Sequence[], length: number): Row[] {
  const leaves = 2 ** Math.ceil(Math.log2(Math.max(1, sequences.length)));
  // Node n is above 2n and 2n + 1; the leaves are the last half. All rows are empty at first.
  const room = new Int32Array(2 * leaves).fill(length);
  const rows: Row[] = [];
  for (const sequence of sequences) {
    const need = sequence.ids.length - 1;
    if (need > length)
      throw new Error(`pack: a sequence of ${need} predictions is longer than a row, ${length}`);
    let node = 1;
    while (node < leaves) node = room[2 * node]! >= need ? 2 * node : 2 * node + 1;
    const row = node - leaves;
    rows[row] ??= [];
    rows[row].push(sequence);
    room[node]! -= need;
    for (node >>= 1; node > 0; node >>= 1) room[node] = Math.max(room[2 * node]!, room[2 * node + 1]!);
  }
  return rows;
}
