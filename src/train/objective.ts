/**
 * What training is for. The loop, the optimizer and the checkpoints are the same for every objective; an objective says
 * what its data look like, which batch comes next, and what the loss of a batch is.
 */
import type { TraceOptions, TypedArray } from "../engine";
import type { LanguageModel } from "../model/language-model";
import type { Loss } from "./step";

export interface Objective<Datum> {
  /** Its name in a run's settings: "sft", "dpo" … */
  readonly name: string;
  /** Its settings, complete with defaults. A checkpoint goes on only with the same ones. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** What judges completions, where something does: a function or a model. Recorded with a run. */
  readonly reward?: object;
  /** Peak learning rates that suit it, for adapters and for full fine-tuning. */
  readonly learningRate: { readonly adapter: number; readonly full: number };
  /** Which of its metrics are shown together, the telling ones first. */
  readonly panels: readonly (readonly string[])[];
  /**
   * Binds it to a model and its data.
   * @throws for empty or malformed data, and for data that does not fit the model (names the example)
   */
  prepare(model: LanguageModel, data: readonly Datum[], how: Preparation): Promise<Lesson<Datum>>;
}

export interface Preparation {
  /** Examples of a batch. */
  batchSize: number;
  seed: number;
  engine?: TraceOptions;
  signal?: AbortSignal;
}

/** An objective with its data, as the training loop uses it. */
export interface Lesson<Datum> {
  readonly loss: Loss;
  /** What follows from the data and must be the same for a checkpoint to go on, such as the length of a row. */
  readonly fixed: Readonly<Record<string, unknown>>;
  /** How many times all data have been begun. */
  readonly epoch: number;
  /**
   * The batches of the next step.
   * @param count how many
   * @returns undefined when it was interrupted
   */
  next(count: number): Promise<readonly Material[] | undefined>;
  /** Means over held-out data: "loss", and metrics by name. */
  evaluate(data: readonly Datum[]): Promise<Record<string, number>>;
  /** What else a checkpoint must hold, as JSON. */
  state?(): unknown;
  /** Goes on after `steps` steps of `count` batches, with the state that was saved then. */
  resume(steps: number, count: number, state: unknown): void;
}

/** One batch. */
export interface Material {
  /** How many things the loss is a mean over: predictions, pairs, completions. */
  count: number;
  /** Tokens that are not padding. */
  tokens: number;
  /** Of the loss. @param total things that share the loss: of this batch, or of all batches of a step */
  inputs(total: number): Record<string, TypedArray>;
  /** Means over this batch that are known before the step. */
  metrics?: Readonly<Record<string, number>>;
}
