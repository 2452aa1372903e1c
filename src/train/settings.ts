/** What a training run can be told, the defaults of what it is not told, and what it refuses. */
import type { TraceOptions } from "../engine";
import type { Prompt } from "../model/generate";
import type { LanguageModel } from "../model/language-model";
import type { Example } from "./data";
import type { Objective } from "./objective";
import type { SftSettings } from "./objectives/sft";
import { OPTIMIZERS, type OptimizerName, type OptimizerSettings } from "./optimizers";
import type { Run } from "./run";
import { SCHEDULES, type ScheduleName } from "./schedule";

/** A value of the model as it is, or several with names of their own. */
export type Measure = (
  model: LanguageModel,
) => number | Record<string, number> | Promise<number | Record<string, number>>;

export interface TrainOptions<Datum = Example> extends SftSettings {
  /** What to learn from: examples, or what the objective asks for. */
  data: readonly Datum[];
  /** What to learn of it. Default `sft`: to predict the next token. */
  objective?: Objective<Datum>;
  /** Optimizer steps; each sees `batchSize · accumulate` examples. */
  steps: number;
  /** Examples of a batch. Default 8. */
  batchSize?: number;
  /** Batches per step, their gradients added. Default 1. */
  accumulate?: number;
  /** Peak learning rate. By default what suits the objective: of sft 1e-3 for adapters, 1e-4 for full fine-tuning. */
  learningRate?: number;
  schedule?: ScheduleName;
  /** Steps in which the learning rate rises to its peak. Default 0. */
  warmup?: number;
  optimizer?: OptimizerName;
  /** Decoupled weight decay on matrices. Default 0. */
  weightDecay?: number;
  /** Adam's decay rates; SGD's momentum is `beta1`. */
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  /** Largest norm of the gradient; longer ones are scaled down. Default 1; Infinity for none. */
  maxGradientNorm?: number;
  /** Of the order of the data, of dropout and of sampling. Default 0. */
  seed?: number;
  /** Evaluation before the first step, every `every` steps, and after the last. */
  evaluate?: {
    every: number;
    /** Held-out data: its mean loss is reported as "loss", and the objective's metrics under their names. */
    data?: readonly Datum[];
    /** Other measures by name. They may generate; they must not train. */
    measures?: Record<string, Measure>;
    /** Texts or conversations that the model then continues, greedily by up to 64 tokens, recorded as `run.samples`. */
    prompts?: readonly Prompt[];
  };
  /** Saves the run to this folder every `every` steps, and when it finishes or is stopped. */
  checkpoint?: { folder: string; every?: number };
  /** Goes on from the checkpoint in this folder. */
  resume?: string;
  /** Ends the run after the step that is being taken. By default the signal of the running notebook cell, if any. */
  signal?: AbortSignal;
  /** Called after each step. */
  onStep?: (run: Run) => void;
  /** Whether displays may show the run while it goes on. Default true. */
  display?: boolean;
  /**
   * Whether the run is recorded in the store of runs, see `runs()`. Default true. Notes by name, such as
   * { note: "first try" }, are recorded with it and become columns of its table.
   */
  record?: boolean | Readonly<Record<string, string>>;
  /** Where and how the compiled steps run. */
  engine?: TraceOptions;
}

const DEFAULTS = {
  batchSize: 8,
  accumulate: 1,
  schedule: "constant" as ScheduleName,
  warmup: 0,
  optimizer: "adamw" as OptimizerName,
  maxGradientNorm: 1,
  seed: 0,
  display: true,
};

export type Settings = Required<Pick<TrainOptions, keyof typeof DEFAULTS | "steps" | "learningRate">> &
  OptimizerSettings;

/**
 * The settings of a run, complete with defaults.
 * @throws naming the one that is out of range, and without an adapter
 */
export function complete<Datum>(
  model: LanguageModel,
  options: TrainOptions<Datum>,
  objective: Objective<Datum>,
): Settings {
  if (!model.adapter) {
    throw new Error(
      "train: the model has no adapter in use, so there is nothing to train. Attach one, for instance " +
        "model.attach(lora({ rank: 8 })), or model.attach(full()) for full fine-tuning.",
    );
  }
  const { optimizer: name = DEFAULTS.optimizer } = options;
  const optimizer = OPTIMIZERS[name];
  if (!optimizer) {
    throw new Error(
      `train: optimizer "${name}" is not known: expected ${Object.keys(OPTIMIZERS).join(", ")}.`,
    );
  }
  const learningRate = objective.learningRate[model.adapter.method === "full" ? "full" : "adapter"];
  const defaults = { steps: 0, learningRate, ...DEFAULTS, ...optimizer.defaults };
  const given = options as unknown as Partial<Settings>;
  const settings = Object.fromEntries(
    Object.entries(defaults).map(([key, value]) => [key, given[key as keyof Settings] ?? value]),
  ) as unknown as Settings;
  const whole = (name: "steps" | "batchSize" | "accumulate" | "warmup", least: number) => {
    const value = settings[name];
    if (!Number.isInteger(value) || value < least) {
      throw new Error(`train: ${name} must be a whole number from ${least}, got ${value}.`);
    }
  };
  whole("steps", 1);
  whole("batchSize", 1);
  whole("accumulate", 1);
  whole("warmup", 0);
  const within = (name: keyof Settings, holds: (value: number) => boolean, expected: string) => {
    const value = settings[name];
    if (!holds(value as number)) throw new Error(`train: ${name} must be ${expected}, got ${value}.`);
  };
  within("learningRate", (x) => x > 0 && x < Infinity, "above 0");
  within("maxGradientNorm", (x) => x > 0, "above 0 (Infinity for none)");
  within("weightDecay", (x) => x >= 0 && x < Infinity, "at least 0");
  within("beta1", (x) => x >= 0 && x < 1, "in [0, 1)");
  within("beta2", (x) => x >= 0 && x < 1, "in [0, 1)");
  within("epsilon", (x) => x >= 0 && x < Infinity, "at least 0");
  within("seed", Number.isInteger, "a whole number");
  if (!SCHEDULES.includes(settings.schedule)) {
    throw new Error(`train: schedule "${settings.schedule}" is not known: expected ${SCHEDULES.join(", ")}.`);
  }
  return settings;
}
