/**
 * The training loop, the same for every method: whatever adapter is in use on the model is trained, full fine-tuning
 * included. Everything that is random follows from one seed, so a run can be repeated, and resumed as if never stopped.
 */
import { drawSeed, generator, type TraceOptions } from "../engine";
import { cellSignal } from "../model/generate";
import type { LanguageModel } from "../model/language-model";
import { readTrainingState, type TrainingState, writeTrainingState } from "./checkpoint";
import { type Batch, batch, type Example, encode, Rows, type Sequence, supervised } from "./data";
import { evaluateLoss } from "./evaluate";
import { OPTIMIZERS, type OptimizerName, type OptimizerSettings } from "./optimizers";
import { Run } from "./run";
import { SCHEDULES, type ScheduleName, scheduleFactor } from "./schedule";
import {
  type BatchShape,
  batchInputs,
  gradientProgram,
  stepProgram,
  type UpdateSettings,
  updateInputs,
  updateProgram,
} from "./step";

export interface TrainOptions {
  /** What to learn. */
  data: readonly Example[];
  /** Optimizer steps; each sees `batchSize · accumulate` rows. */
  steps: number;
  /** Rows of a batch. Default 8. */
  batchSize?: number;
  /** Batches per step, their gradients added. Default 1. */
  accumulate?: number;
  /** Peak learning rate. Default 1e-3 for adapters, 1e-4 for full fine-tuning. */
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
  /** Whether of an example with a prompt only the completion is learned. Default true. */
  completionOnly?: boolean;
  /** Whether several examples share a row, kept apart by the attention mask, in place of padding. Default false. */
  packing?: boolean;
  /** Tokens of a row: by default those of the longest example; with packing the model's context. */
  sequenceLength?: number;
  /** Of the order of the data and of dropout. Default 0. */
  seed?: number;
  /** Evaluation before the first step, every `every` steps, and after the last. */
  evaluate?: {
    every: number;
    /** Examples whose mean loss is reported as "loss". */
    data?: readonly Example[];
    /** Other measures by name. They may generate; they must not train. */
    measures?: Record<string, (model: LanguageModel) => number | Promise<number>>;
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
  /** Where and how the compiled steps run. */
  engine?: TraceOptions;
}

type Observer = (run: Run) => void | Promise<void>;
const observers = new Set<{ begin(run: Run): { step: Observer; end: Observer } }>();

/** Lets a display follow every run. Returns how to stop that. */
export function observeRuns(observer: { begin(run: Run): { step: Observer; end: Observer } }): () => void {
  observers.add(observer);
  return () => observers.delete(observer);
}

const DEFAULTS = {
  batchSize: 8,
  accumulate: 1,
  schedule: "constant" as ScheduleName,
  warmup: 0,
  optimizer: "adamw" as OptimizerName,
  maxGradientNorm: 1,
  completionOnly: true,
  packing: false,
  seed: 0,
  display: true,
};

type Settings = Required<Pick<TrainOptions, keyof typeof DEFAULTS | "steps" | "learningRate">> &
  OptimizerSettings;

/**
 * Trains the adapter in use on `model`, in place, and returns the record of the run.
 *
 * Ends early, keeping the weights reached, when `signal` aborts (status "stopped"); and when a loss or gradient is not a
 * finite number (throws, with the last good weights put back).
 * @throws for empty data, for an example longer than the context, for settings out of range, without an adapter
 */
export async function train(model: LanguageModel, options: TrainOptions): Promise<Run> {
  const settings = complete(model, options);
  const sequences = encode(model.tokenizer, options.data, {
    context: model.config.contextLength,
    completionOnly: settings.completionOnly,
  });
  const shape = batchShape(model, sequences, settings, options.sequenceLength);
  const trainer = new Trainer(model, options, settings, sequences, shape);
  return trainer.run();
}

function complete(model: LanguageModel, options: TrainOptions): Settings {
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
  const learningRate = model.adapter.method === "full" ? 1e-4 : 1e-3;
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

/** The one shape of all batches: long enough for the longest row, with room for the most predictions that may meet. */
function batchShape(
  model: LanguageModel,
  sequences: readonly Sequence[],
  { batchSize, packing }: Settings,
  sequenceLength?: number,
): BatchShape {
  const context = model.config.contextLength;
  const longest = Math.max(...sequences.map(({ ids }) => ids.length - 1));
  const length = sequenceLength ?? (packing ? context : Math.min(context, Math.ceil(longest / 8) * 8));
  if (!Number.isInteger(length) || length > context || length < longest) {
    throw new Error(
      `train: sequenceLength is ${length}: expected a whole number from ${longest} (the longest example) to ` +
        `${context} (the model's context).`,
    );
  }
  const size = batchSize * length;
  if (packing) return { rows: batchSize, length, capacity: size, packed: true };
  // A batch may begin in one pass over the data and end in another, and then has an example more than once.
  const passes = Math.ceil((batchSize - 1) / sequences.length) + 1;
  const counts = sequences.map(supervised).sort((a, b) => b - a);
  const most = Array.from({ length: batchSize }, (_, i) => counts[Math.floor(i / passes)]!);
  const room = most.reduce((sum, count) => sum + count, 0);
  // Where nearly every place is supervised, picking them out costs more than it saves.
  const capacity = room > 0.75 * size ? size : Math.ceil(room / 8) * 8;
  return { rows: batchSize, length, capacity, packed: false };
}

class Trainer {
  private readonly update: UpdateSettings;
  private readonly rows: Rows;
  private readonly record: Run;
  private state: Record<string, Float32Array> = {};
  /** The parameters with which the last loss was finite. */
  private good: Float32Array;
  private step = 0;

  constructor(
    private readonly model: LanguageModel,
    private readonly options: TrainOptions,
    private readonly settings: Settings,
    private readonly sequences: readonly Sequence[],
    private readonly shape: BatchShape,
  ) {
    const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = settings;
    const optimizer = OPTIMIZERS[settings.optimizer];
    this.update = { optimizer, settings: { beta1, beta2, epsilon, weightDecay }, maxGradientNorm };
    this.rows = new Rows(sequences, settings.seed, shape.packed ? shape.length : undefined);
    this.record = new Run(model, { ...this.fixed(), steps: settings.steps });
    this.good = this.parameters.flat;
    for (const name of optimizer.state) this.state[name] = new Float32Array(this.parameters.size);
  }

  async run(): Promise<Run> {
    const { record, settings } = this;
    const signal = this.options.signal ?? cellSignal();
    if (this.options.resume) await this.resume(this.options.resume);
    const started = performance.now();
    const take = settings.accumulate === 1 ? await this.fusedStep() : await this.accumulatedStep();
    record.compileMilliseconds = performance.now() - started;
    const displays = settings.display ? [...observers].map((observer) => observer.begin(record)) : [];
    try {
      if (this.step === 0) await this.evaluate();
      while (this.step < settings.steps && !signal?.aborted) {
        await take();
        for (const display of displays) await display.step(record);
        this.options.onStep?.(record);
        const last = this.step === settings.steps;
        if (last || this.step % (this.options.evaluate?.every ?? Infinity) === 0) await this.evaluate();
        if (this.step % (this.options.checkpoint?.every ?? Infinity) === 0) await this.save();
      }
      if (!this.parameters.flat.every(Number.isFinite)) this.fail("weight", NaN);
      record.status = this.step < settings.steps ? "stopped" : "finished";
      if (this.options.checkpoint) await this.save();
    } catch (error) {
      record.status = "failed";
      throw error;
    } finally {
      await take.dispose();
      for (const display of displays) await display.end(record);
    }
    return record;
  }

  /** Gradient and update in one program. */
  private async fusedStep() {
    const { model, shape, update } = this;
    const program = await stepProgram(model, shape, update, this.options.engine);
    const take = () =>
      this.measured(async (next, seed, learningRate) => {
        const made = next();
        const { loss, gradientNorm, parameters, ...state } = await program.run({
          ...batchInputs(made, made.count),
          ...this.state,
          ...updateInputs(update, this.step + 1, learningRate),
          parameters: this.parameters.flat,
          seed: seed(),
        });
        return { loss: loss!.data[0]!, gradientNorm: gradientNorm!.data[0]!, parameters, state };
      });
    return Object.assign(take, { dispose: () => program.dispose() });
  }

  /** The gradients of several batches added up, then one update; equal to one large batch. */
  private async accumulatedStep() {
    const { model, shape, update, settings } = this;
    const gradients = await gradientProgram(model, shape, this.options.engine);
    const updates = await updateProgram(model, update, this.options.engine);
    const take = () =>
      this.measured(async (next, seed, learningRate) => {
        const batches = Array.from({ length: settings.accumulate }, next);
        const total = batches.reduce((sum, { count }) => sum + count, 0);
        const flat = this.parameters.flat;
        let earlier = new Float32Array(flat.length);
        let sum = 0;
        for (const made of batches) {
          const out = await gradients.run({
            ...batchInputs(made, total),
            parameters: flat,
            earlier,
            seed: seed(),
          });
          earlier = out.gradient!.data as Float32Array;
          sum += out.loss!.data[0]!;
        }
        const inputs = { ...this.state, ...updateInputs(update, this.step + 1, learningRate) };
        const { gradientNorm, parameters, ...state } = await updates.run({
          ...inputs,
          parameters: flat,
          gradient: earlier,
        });
        return { loss: sum, gradientNorm: gradientNorm!.data[0]!, parameters, state };
      });
    return Object.assign(take, { dispose: () => Promise.all([gradients.dispose(), updates.dispose()]) });
  }

  /** Takes one step, checks that it gave numbers, and keeps what it gave. */
  private async measured(
    take: (
      next: () => Batch,
      seed: () => Int32Array,
      learningRate: number,
    ) => Promise<{
      loss: number;
      gradientNorm: number;
      parameters?: { data: unknown };
      state: Record<string, { data: unknown }>;
    }>,
  ): Promise<void> {
    const { settings, shape, rows } = this;
    const started = performance.now();
    const step = this.step + 1;
    const learningRate =
      settings.learningRate * scheduleFactor(settings.schedule, step, settings.steps, settings.warmup);
    const random = generator(settings.seed * 1_000_003 + step);
    let tokens = 0;
    const next = () => {
      const made = batch(rows.next(shape.rows), shape.length, shape.capacity, shape.packed);
      tokens += made.tokens;
      return made;
    };
    const { loss, gradientNorm, parameters, state } = await take(next, () => drawSeed(random), learningRate);
    if (!Number.isFinite(loss)) this.fail("loss", loss);
    if (!Number.isFinite(gradientNorm)) this.fail("gradient", gradientNorm);
    this.good = this.parameters.flat;
    this.parameters.flat = parameters!.data as Float32Array;
    for (const name of this.update.optimizer.state) this.state[name] = state[name]!.data as Float32Array;
    this.step = step;
    this.record.epoch = rows.epoch;
    const milliseconds = performance.now() - started;
    this.record.steps.push({ step, loss, learningRate, gradientNorm, tokens, milliseconds });
  }

  /** Puts the last good weights back and says what happened. */
  private fail(what: "loss" | "gradient" | "weight", value: number): never {
    this.parameters.flat = this.good;
    const where = what === "weight" ? `after step ${this.step}` : `at step ${this.step + 1}`;
    throw new Error(
      `train: the ${what} ${where} is ${value}. The last weights with a finite loss have been put back. A lower ` +
        `learning rate (it was ${this.settings.learningRate}), a warm-up or a smaller maxGradientNorm usually helps.`,
    );
  }

  private async evaluate(): Promise<void> {
    const { evaluate } = this.options;
    if (!evaluate) return;
    const started = performance.now();
    const values: Record<string, number> = {};
    if (evaluate.data) {
      values.loss = await evaluateLoss(this.model, evaluate.data, {
        completionOnly: this.settings.completionOnly,
        engine: this.options.engine,
      });
    }
    for (const [name, measure] of Object.entries(evaluate.measures ?? {}))
      values[name] = await measure(this.model);
    this.record.evaluations.push({ step: this.step, values, milliseconds: performance.now() - started });
  }

  private get parameters() {
    return this.model.adapter!.parameters;
  }

  /** What decides the course of the run. */
  private fixed(): Record<string, unknown> {
    const { display: _display, steps: _steps, ...course } = this.settings;
    return { ...course, examples: this.sequences.length, method: this.model.adapter!.method };
  }

  /** The same for a checkpoint, where the adapter and the rows must be those of the run that is gone on with. */
  private course(): Record<string, unknown> {
    const adapter = Object.entries(this.model.adapter!.settings).map(([name, value]) => [
      `adapter.${name}`,
      value instanceof RegExp ? String(value) : value,
    ]);
    return { ...this.fixed(), sequenceLength: this.shape.length, ...Object.fromEntries(adapter) };
  }

  private layout(): Record<string, number[]> {
    return Object.fromEntries(this.parameters.entries().map(([name, { shape }]) => [name, shape]));
  }

  private async save(): Promise<void> {
    const state: TrainingState = {
      step: this.step,
      vectors: { parameters: this.parameters.flat, ...this.state },
      layout: this.layout(),
      fixed: this.course(),
      steps: this.record.steps,
      evaluations: this.record.evaluations,
    };
    await writeTrainingState(this.options.checkpoint!.folder, state);
  }

  private async resume(folder: string): Promise<void> {
    const { step, vectors, steps, evaluations } = await readTrainingState(folder, {
      layout: this.layout(),
      fixed: this.course(),
    });
    const { parameters, ...state } = vectors;
    this.parameters.flat = parameters!;
    this.good = parameters!;
    this.state = state;
    this.step = step;
    this.record.steps.push(...steps);
    this.record.evaluations.push(...evaluations);
    // The data goes on where it was.
    for (let i = 0; i < step * this.settings.accumulate; i++) this.rows.next(this.shape.rows);
  }
}
