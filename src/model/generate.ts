/**
 * Continuing a text: read the prompt, then again and again choose a token and read it, until the model ends the text,
 * a stop string appears, or there is no room left. Text is handed out as it grows, whole characters at a time.
 */
import { generator } from "../engine";
import type { Message } from "./chat";
import { capacityFor, type Decodable, Decoder } from "./decoder";
import { checkSampling, type SamplingOptions, sample } from "./sample";
import type { StreamDecoder, Tokenizer } from "./tokenizer";

export interface GenerateOptions extends SamplingOptions {
  /** At most this many new tokens; 64 by default. The model's context is a limit as well. */
  maxTokens?: number;
  /** Same seed, same text. */
  seed?: number;
  /** Ends the text before the first of these strings. */
  stop?: string | string[];
  /** Ends the text at the first of these tokens; by default the model's own end-of-text tokens. */
  stopTokens?: number[];
  /** Called with each new piece of text; the pieces together are the result's text. */
  onText?: (piece: string) => void;
  /** Stops after the current token; by default the signal of the running notebook cell. */
  signal?: AbortSignal;
}

export class Generation {
  constructor(
    readonly prompt: string,
    /** The continuation, without the prompt, special tokens and stop string. */
    readonly text: string,
    /** All tokens that were generated, a final stop token excepted. */
    readonly ids: number[],
    /** Why it ended: the model or a stop string; maxTokens or the context; the signal. */
    readonly finish: "stop" | "length" | "aborted",
    /** The stop token that ended it, if one did. */
    readonly stopToken?: number,
  ) {}
}

/** What is to be continued: a text, token ids, or a conversation of which the assistant's next turn is asked for. */
export type Prompt = string | number[] | readonly Message[];

/** A model that generates text, not only token ids. */
export interface TextModel extends Decodable {
  readonly tokenizer: Tokenizer;
}

/**
 * Continues a text.
 * @param prompt text, token ids, or a conversation, which the tokenizer's chat template turns into a text
 * @throws for an empty prompt, one that fills the context, and sampling settings outside their range
 */
export async function generate(
  model: TextModel,
  prompt: Prompt,
  options: GenerateOptions = {},
): Promise<Generation> {
  const pieces = stream(model, prompt, options);
  for (let next = await pieces.next(); ; next = await pieces.next()) {
    if (next.done) return next.value;
    options.onText?.(next.value);
  }
}

/**
 * The same, as an async iterator over the pieces of text; it returns the whole. Leaving the loop ends generation.
 * @throws what `generate` throws, when the first piece is asked for
 */
export async function* stream(
  model: TextModel,
  prompt: Prompt,
  options: GenerateOptions = {},
): AsyncGenerator<string, Generation> {
  const ids = promptIds(model, prompt);
  const writer = new Writer(model.tokenizer, ids, options);
  const signal = options.signal ?? cellSignal();
  const isDone = () => writer.finish !== undefined;
  for await (const [id] of tokenRounds(model, [ids], { ...options, signal }, isDone)) {
    const piece = writer.write(id!);
    if (piece) yield piece;
  }
  const rest = writer.close(signal?.aborted);
  if (rest) yield rest;
  return writer.result;
}

/**
 * Continues several texts at once, each as `generate` would alone: much faster than one by one. Each row draws its own
 * random numbers, seeded by seed + row.
 * @returns in the order of the prompts
 * @throws what `generate` throws
 */
export async function generateBatch(
  model: TextModel,
  prompts: readonly Prompt[],
  options: Omit<GenerateOptions, "onText"> = {},
): Promise<Generation[]> {
  const ids = prompts.map((prompt) => promptIds(model, prompt));
  const writers = ids.map((prompt) => new Writer(model.tokenizer, prompt, options));
  const signal = options.signal ?? cellSignal();
  const isDone = (row: number) => writers[row].finish !== undefined;
  for await (const round of tokenRounds(model, ids, { ...options, signal }, isDone)) {
    for (const [row, id] of round.entries()) if (id !== undefined) writers[row].write(id);
  }
  return writers.map((writer) => {
    writer.close(signal?.aborted);
    return writer.result;
  });
}

/**
 * One token per row and round, as long as a row is not done and there is room; undefined in rows that are done.
 * Ends early when the signal is aborted.
 */
async function* tokenRounds(
  model: Decodable,
  prompts: number[][],
  options: GenerateOptions,
  isDone: (row: number) => boolean,
): AsyncGenerator<(number | undefined)[]> {
  checkSampling(options);
  const { maxTokens = 64, seed = 0 } = options;
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new Error(`maxTokens must be a whole number ≥ 1, got ${maxTokens}`);
  }
  if (prompts.length === 0) return;
  const { contextLength, vocabSize } = model.config;
  for (const ids of prompts) checkPrompt(ids, contextLength, vocabSize);
  const room = prompts.map((ids) => Math.min(maxTokens, contextLength - ids.length));
  const longest = Math.max(...prompts.map((ids, row) => ids.length + room[row]));
  const random = prompts.map((_, row) => generator(seed + row));
  const { signal } = options;
  if (signal?.aborted) return;

  // A prompt that several rows share is read once.
  const texts = prompts.map((ids) => ids.join());
  const unique = [...new Set(texts)];
  const reader = new Decoder(model, unique.length, capacityFor(longest, contextLength));
  const read = await reader.feed(unique.map((text) => prompts[texts.indexOf(text)]));
  const rows = texts.map((text) => unique.indexOf(text));
  const decoder = unique.length < prompts.length ? reader.spread(rows) : reader;
  let logits = rows.map((row) => read[row]);

  for (let round = 0; !signal?.aborted; round++) {
    const chosen = logits.map((z, row) => z && sample(z, options, random[row]));
    yield chosen;
    const open = prompts.map((_, row) => round + 1 < room[row] && !isDone(row));
    if (!open.includes(true) || signal?.aborted) return;
    logits = await decoder.feed(chosen.map((id, row) => (open[row] && id !== undefined ? [id] : [])));
  }
}

/** Turns a row's tokens into text, and knows when the text is at its end. */
class Writer {
  finish?: Generation["finish"];
  private stopToken?: number;
  private text = "";
  private emitted = 0;
  private cut = false;
  private readonly ids: number[] = [];
  private readonly decoder: StreamDecoder;
  private readonly stops: string[];
  private readonly stopTokens: number[];

  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly prompt: number[],
    { stop = [], stopTokens }: GenerateOptions,
  ) {
    this.decoder = tokenizer.stream(prompt);
    this.stops = typeof stop === "string" ? [stop] : stop;
    this.stopTokens = stopTokens ?? tokenizer.eosIds;
    if (this.stops.includes("")) throw new Error("a stop string must not be empty");
  }

  /** Takes the next token; returns the text that is certain by now and was not before. */
  write(id: number): string {
    if (this.stopTokens.includes(id)) {
      this.finish = "stop";
      this.stopToken = id;
      return "";
    }
    this.ids.push(id);
    return this.append(this.decoder.push(id));
  }

  /** Ends the text where it stands; returns what was held back. */
  close(aborted = false): string {
    const rest = this.cut ? "" : this.append(this.decoder.end(), true);
    this.finish ??= aborted ? "aborted" : "length";
    return rest;
  }

  get result(): Generation {
    const prompt = this.tokenizer.decode(this.prompt, { special: false });
    return new Generation(prompt, this.text, this.ids, this.finish!, this.stopToken);
  }

  /** Adds text, cuts it at a stop string, and returns what may be shown of it: `all`, or all that cannot become one. */
  private append(piece: string, all = false): string {
    this.text += piece;
    const ends = this.stops.map((stop) => this.text.indexOf(stop)).filter((at) => at >= 0);
    if (ends.length > 0) {
      this.text = this.text.slice(0, Math.min(...ends));
      this.finish = "stop";
      this.cut = true;
    }
    const certain = all || this.cut ? this.text.length : this.text.length - this.heldBack();
    const shown = this.text.slice(this.emitted, certain);
    this.emitted = certain;
    return shown;
  }

  /** Length of the longest end of the text that could still grow into a stop string. */
  private heldBack(): number {
    let longest = 0;
    for (const stop of this.stops) {
      for (let n = Math.min(stop.length - 1, this.text.length); n > longest; n--) {
        if (this.text.endsWith(stop.slice(0, n))) longest = n;
      }
    }
    return longest;
  }
}

/** Token ids of a prompt. */
export function promptIds({ tokenizer }: Pick<TextModel, "tokenizer">, prompt: Prompt): number[] {
  if (typeof prompt === "string") return tokenizer.encode(prompt);
  if (typeof prompt[0] !== "object") return prompt as number[];
  const text = tokenizer.applyChatTemplate(prompt as readonly Message[], { addGenerationPrompt: true });
  return tokenizer.encode(text, { special: false });
}

function checkPrompt(ids: number[], contextLength: number, vocabSize: number): void {
  if (ids.length === 0) {
    throw new Error("the prompt is empty: there is nothing to continue. Give at least one token.");
  }
  if (ids.length >= contextLength) {
    throw new Error(
      `the prompt has ${ids.length} tokens and the model's context is ${contextLength}: shorten it to ` +
        `${contextLength - 1} or less, to leave room for an answer`,
    );
  }
  checkTokens(ids, vocabSize);
}

/** @throws for an id that is not a whole number in 0 … vocabSize − 1 */
export function checkTokens(ids: number[], vocabSize: number): void {
  const unknown = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (unknown !== undefined) throw new Error(`token id ${unknown} is not in the vocabulary of ${vocabSize}`);
}

/** The signal of the notebook cell that is running, if one is: aborted when its user interrupts it. */
export function cellSignal(): AbortSignal | undefined {
  return (globalThis as Record<symbol, unknown>)[Symbol.for("Jupyter.signal")] as AbortSignal | undefined;
}
