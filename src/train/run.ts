/**
 * The record of a training run: what was asked for, what happened at each step, and how it ended. Plain values alone, so
 * that a run that is read from a file is the same as the live one.
 */
import type { Prompt } from "../model/generate";
import type { Origin } from "./origin";

/** One optimizer step. */
export interface StepRecord {
  /** From 1. */
  step: number;
  /** The objective's loss before the update; of sft the mean over supervised predictions, in nats per token. */
  loss: number;
  learningRate: number;
  /** Norm of the whole gradient before clipping. */
  gradientNorm: number;
  /** Tokens that the model read, padding not counted. */
  tokens: number;
  /** Wall time of the step in milliseconds. */
  milliseconds: number;
  /** The objective's metrics of the step's data, before the update, by name. */
  metrics: Record<string, number>;
}

/** One evaluation during training. */
export interface EvaluationRecord {
  /** After which step; 0 is before the first. */
  step: number;
  /** Value by name: "loss" for held-out data, others for measures of the user's own. */
  values: Record<string, number>;
  /** How the model continued each of the prompts, where there were any. */
  samples?: readonly Sample[];
  milliseconds: number;
}

/** What a model made of a prompt. */
export interface Sample {
  prompt: Prompt;
  text: string;
}

/**
 * How a run ended: all steps done, stopped by its signal, or ended by an error such as a loss that is not a number; of a
 * recorded one also: its process ended before it did.
 */
export type RunStatus = "running" | "finished" | "stopped" | "failed" | "interrupted";

/** Names of losses among what a run came to. */
export const TRAINING = "training loss";
export const HELD_OUT = "held-out loss";

export class Run {
  /** When it began, and what it is called in the store of runs. */
  time = new Date();
  id = newId();
  readonly steps: StepRecord[] = [];
  readonly evaluations: EvaluationRecord[] = [];
  status: RunStatus = "running";
  /** What a failed run ended with. */
  error?: string;
  /** Time to trace the step and build its program, in milliseconds. */
  compileMilliseconds = 0;

  constructor(
    readonly origin: Origin,
    /** The settings of training, complete with defaults. */
    readonly settings: Readonly<Record<string, unknown>> & { readonly steps: number },
    /** Which metrics of the steps are shown together. */
    readonly panels: readonly (readonly string[])[] = [],
    /** Times that the data has been gone through, begun ones included. */
    public epoch = 0,
  ) {}

  get losses(): number[] {
    return this.steps.map(({ loss }) => loss);
  }

  /**
   * What the run came to, by name: "training loss", the mean of the last ten steps (of the last tenth, when there are fewer
   * than a hundred); "held-out loss" and the other measures of the last evaluation under their names.
   */
  get outcome(): Record<string, number> {
    const last = this.losses.slice(-Math.min(10, Math.ceil(this.steps.length / 10)));
    const evaluated = Object.entries(this.evaluations.at(-1)?.values ?? {});
    return {
      ...(last.length > 0 && { [TRAINING]: last.reduce((sum, loss) => sum + loss, 0) / last.length }),
      ...Object.fromEntries(evaluated.map(([name, value]) => [name === "loss" ? HELD_OUT : name, value])),
    };
  }

  /** How the model continued the prompts of `evaluate` during training, by the step after which it did. */
  get samples(): ({ step: number } & Sample)[] {
    return this.evaluations.flatMap(({ step, samples = [] }) =>
      samples.map((sample) => ({ step, ...sample })),
    );
  }

  /** Training time without compiling and evaluating, in seconds. */
  get seconds(): number {
    return this.steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000;
  }

  /** Over the last ten steps, so that a slow start does not linger in it; 0 before the first. */
  get tokensPerSecond(): number {
    const last = this.steps.slice(-10);
    const milliseconds = last.reduce((sum, step) => sum + step.milliseconds, 0);
    return milliseconds === 0 ? 0 : (1000 * last.reduce((sum, { tokens }) => sum + tokens, 0)) / milliseconds;
  }

  /** Seconds that the remaining steps will take at the pace of the last ten; 0 when none remain. */
  get secondsLeft(): number {
    const last = this.steps.slice(-10);
    const done = this.steps.at(-1)?.step ?? 0;
    if (this.status !== "running" || last.length === 0) return 0;
    const pace = last.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / last.length;
    return ((this.settings.steps - done) * pace) / 1000;
  }
}

/** Eight letters and digits without those that look alike: short enough to type, and never the same twice. */
function newId(): string {
  const letters = "23456789abcdefghjkmnpqrstuvwxyz";
  const fits = 256 - (256 % letters.length); // so that no letter is likelier than another
  let id = "";
  while (id.length < 8) {
    for (const byte of crypto.getRandomValues(new Uint8Array(8 - id.length)))
      if (byte < fits) id += letters[byte % letters.length];
  }
  return id;
}
