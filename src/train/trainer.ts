/**
 * The training loop, the same for every method and every objective: whatever adapter is in use on the model is trained,
 * full fine-tuning included. Everything that is random follows from one seed, so a run can be repeated, and resumed as if
 * never stopped.
 */
import { drawSeed, generator, type Program } from "../engine";
import type { Adapter, TrainingPart } from "../model/adapter";
import { cellSignal } from "../model/generate";
import type { LanguageModel } from "../model/language-model";
import { readTrainingState, writeTrainingState } from "./checkpoint";
import type { Example } from "./data";
import { remember } from "./ingredients";
import type { Lesson, Material, Objective } from "./objective";
import { sft } from "./objectives/sft";
import { beginObserving } from "./observers";
import { OPTIMIZERS } from "./optimizers";
import { originOf } from "./origin";
import { Run } from "./run";
import { scheduleFactor } from "./schedule";
import { complete, type Settings, type TrainOptions } from "./settings";
import {
  gradientProgram,
  metricsOf,
  stepProgram,
  type UpdateSettings,
  updateInputs,
  updateProgram,
} from "./step";
import { beginRecord, type Recorder } from "./store";

/**
 * Trains the adapter in use on `model`, in place, and returns the record of the run.
 *
 * Ends early, keeping the weights reached, when `signal` aborts (status "stopped"); and when a loss or gradient is not a
 * finite number (throws, with the last good weights put back).
 * @throws for empty data, for an example longer than the context, for settings out of range, without an adapter
 */
export function train(model: LanguageModel, options: TrainOptions<Example>): Promise<Run>;
export function train<Datum>(
  model: LanguageModel,
  options: TrainOptions<Datum> & { objective: Objective<Datum> },
): Promise<Run>;
export async function train<Datum>(model: LanguageModel, options: TrainOptions<Datum>): Promise<Run> {
  const objective = objectiveOf(options);
  const settings = complete(model, options, objective);
  const signal = options.signal ?? cellSignal();
  const { engine } = options;
  const { batchSize, seed } = settings;
  const lesson = await objective.prepare(model, options.data, { batchSize, seed, engine, signal });
  return new Trainer(model, { ...options, signal }, settings, objective, lesson).run();
}

/** @throws for settings of the default objective beside another one, which would not heed them */
export function objectiveOf<Datum>(options: TrainOptions<Datum>): Objective<Datum> {
  const { objective, completionOnly, packing, sequenceLength } = options;
  const ofSft = { completionOnly, packing, sequenceLength };
  if (!objective) return sft(ofSft) as unknown as Objective<Datum>;
  const idle = Object.entries(ofSft).find(([, value]) => value !== undefined);
  if (idle) {
    throw new Error(
      `train: ${idle[0]} belongs to the default objective; here the objective is ${objective.name}.`,
    );
  }
  return objective;
}

/** What a step gives, and takes from the programs. */
interface Outcome {
  loss: number;
  gradientNorm: number;
  metrics: Record<string, number>;
  parameters: Float32Array;
  /** Where the method asks for it. */
  gradient?: Float32Array;
}

/** Computes one step from its batches. @param total things that they share the loss among */
type Take = (
  batches: readonly Material[],
  total: number,
  learningRate: number,
  seed: () => Int32Array,
) => Promise<Outcome>;

/** The programs that take steps. */
interface Programs {
  take: Take;
  /** The one that has the optimizer's vectors as its state. */
  updates: Program;
  dispose(): Promise<unknown>;
}

/** What a checkpoint puts before the names of the method's own vectors. */
const OF_METHOD = "method.";

/** Steps that adapters have been trained for. */
const trained = new WeakMap<Adapter, number>();

class Trainer<Datum> {
  private readonly update: UpdateSettings;
  private readonly record: Run;
  /** The optimizer's vectors, until the first step hands them over to its program. */
  private state: Record<string, Float32Array> = {};
  private updates?: Program;
  /** What the method does besides. */
  private readonly part?: TrainingPart;
  /** The parameters with which the last loss was finite. */
  private good: Float32Array;
  private step = 0;

  constructor(
    private readonly model: LanguageModel,
    private readonly options: TrainOptions<Datum>,
    private readonly settings: Settings,
    private readonly objective: Objective<Datum>,
    private readonly lesson: Lesson<Datum>,
  ) {
    const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = settings;
    const optimizer = OPTIMIZERS[settings.optimizer];
    this.part = model.adapter!.training?.({ steps: settings.steps });
    this.update = {
      optimizer,
      settings: { beta1, beta2, epsilon, weightDecay },
      maxGradientNorm,
      gradient: this.part !== undefined,
    };
    // What is gone on with from a checkpoint begins where that run began.
    const earlierSteps = options.resume ? 0 : (trained.get(model.adapter!) ?? 0);
    const origin = originOf(model, options, earlierSteps);
    this.record = new Run(origin, { ...this.fixed(), steps: settings.steps }, objective.panels);
    remember(this.record, {
      model,
      data: options.data,
      heldOut: options.evaluate?.data,
      reward: objective.reward,
    });
    this.good = this.parameters.flat;
    for (const name of this.optimizerNames) this.state[name] = new Float32Array(this.parameters.size);
  }

  async run(): Promise<Run> {
    const { record, options } = this;
    if (options.resume) await this.resume(options.resume);
    const recorder = options.record === false ? undefined : beginRecord(record);
    try {
      await this.train(recorder);
    } catch (error) {
      record.status = "failed";
      record.error = error instanceof Error ? error.message : String(error);
      throw error;
    } finally {
      trained.set(this.model.adapter!, record.origin.earlierSteps + this.step);
      recorder?.end();
    }
    return record;
  }

  private async train(recorder: Recorder | undefined): Promise<void> {
    const { record, settings, options } = this;
    const started = performance.now();
    const { take, updates, dispose } =
      settings.accumulate === 1 ? await this.fusedStep() : await this.accumulatedStep();
    this.updates = updates;
    record.compileMilliseconds = performance.now() - started;
    const displays = settings.display ? beginObserving(record) : [];
    try {
      if (this.step === 0) await this.evaluate();
      while (this.step < settings.steps && !options.signal?.aborted) {
        if (!(await this.advance(take))) break;
        recorder?.update();
        for (const display of displays) await display.step(record);
        options.onStep?.(record);
        const last = this.step === settings.steps;
        if (last || this.step % (options.evaluate?.every ?? Infinity) === 0) await this.evaluate();
        if (this.step % (options.checkpoint?.every ?? Infinity) === 0) await this.save();
      }
      if (!this.parameters.flat.every(Number.isFinite)) this.fail("weight", NaN);
      record.status = this.step < settings.steps ? "stopped" : "finished";
      if (options.checkpoint) await this.save();
    } catch (error) {
      record.status = "failed";
      throw error;
    } finally {
      await dispose();
      for (const display of displays) await display.end(record);
    }
  }

  /** Gradient and update in one program. */
  private async fusedStep(): Promise<Programs> {
    const { model, lesson, update } = this;
    const program = await stepProgram(model, lesson.loss, update, this.options.engine);
    return {
      updates: program,
      dispose: () => program.dispose(),
      take: async ([made], total, learningRate, seed) => {
        const out = await program.run({
          ...made!.inputs(total),
          ...this.state,
          ...updateInputs(update, this.step + 1, learningRate),
          parameters: this.parameters.flat,
          seed: seed(),
        });
        return {
          loss: out.loss!.data[0]!,
          gradientNorm: out.gradientNorm!.data[0]!,
          metrics: metricsOf(out),
          parameters: out.parameters!.data as Float32Array,
          gradient: out.gradient?.data as Float32Array | undefined,
        };
      },
    };
  }

  /** The gradients of several batches added up, then one update; equal to one large batch. */
  private async accumulatedStep(): Promise<Programs> {
    const { model, lesson, update } = this;
    const gradients = await gradientProgram(model, lesson.loss, this.options.engine);
    const updates = await updateProgram(model, update, this.options.engine);
    return {
      updates,
      dispose: () => Promise.all([gradients.dispose(), updates.dispose()]),
      take: async (batches, total, learningRate, seed) => {
        const parameters = this.parameters.flat;
        let gradient: Float32Array = new Float32Array(parameters.length);
        let loss = 0;
        const metrics: Record<string, number> = {};
        for (const made of batches) {
          const out = await gradients.run({
            ...made.inputs(total),
            parameters,
            earlier: gradient,
            share: Float32Array.of(made.count / total),
            seed: seed(),
          });
          gradient = out.gradient!.data as Float32Array;
          loss += out.loss!.data[0]!;
          for (const [name, value] of Object.entries(metricsOf(out)))
            metrics[name] = (metrics[name] ?? 0) + value;
        }
        const numbers = updateInputs(update, this.step + 1, learningRate);
        const out = await updates.run({ ...this.state, ...numbers, parameters, gradient });
        return {
          loss,
          gradientNorm: out.gradientNorm!.data[0]!,
          metrics,
          parameters: out.parameters!.data as Float32Array,
          gradient: out.gradient?.data as Float32Array | undefined,
        };
      },
    };
  }

  /**
   * Takes one step, checks that it gave numbers, and keeps what it gave.
   * @returns false when its batches were interrupted: then nothing has happened
   */
  private async advance(take: Take): Promise<boolean> {
    const { settings, lesson } = this;
    const started = performance.now();
    const step = this.step + 1;
    const learningRate =
      settings.learningRate * scheduleFactor(settings.schedule, step, settings.steps, settings.warmup);
    const random = generator(settings.seed * 1_000_003 + step);
    const batches = await lesson.next(settings.accumulate);
    if (!batches) return false;
    const total = batches.reduce((sum, { count }) => sum + count, 0);
    const { loss, gradientNorm, metrics, parameters, gradient } = await take(
      batches,
      total,
      learningRate,
      () => drawSeed(random),
    );
    if (!Number.isFinite(loss)) this.fail("loss", loss);
    if (!Number.isFinite(gradientNorm)) this.fail("gradient", gradientNorm);
    this.good = this.parameters.flat;
    this.parameters.flat = parameters;
    this.state = {};
    this.part?.afterStep(step, gradient!);
    this.step = step;
    this.record.epoch = lesson.epoch;
    for (const { count, metrics: known = {} } of batches) {
      for (const [name, mean] of Object.entries(known))
        metrics[name] = (metrics[name] ?? 0) + (mean * count) / total;
    }
    const tokens = batches.reduce((sum, made) => sum + made.tokens, 0);
    const milliseconds = performance.now() - started;
    this.record.steps.push({ step, loss, learningRate, gradientNorm, tokens, milliseconds, metrics });
    return true;
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
    const values = evaluate.data ? await this.lesson.evaluate(evaluate.data) : {};
    for (const [name, measure] of Object.entries(evaluate.measures ?? {})) {
      const measured = await measure(this.model);
      Object.assign(values, typeof measured === "number" ? { [name]: measured } : measured);
    }
    const { prompts = [] } = evaluate;
    const { signal } = new AbortController(); // Stop does not cut them short: what is recorded is whole
    const made = prompts.length > 0 ? await this.model.generateBatch(prompts, { signal }) : [];
    const samples = made.map(({ text }, i) => ({ prompt: prompts[i]!, text }));
    const milliseconds = performance.now() - started;
    this.record.evaluations.push({
      ...{ step: this.step, values, ...(samples.length > 0 && { samples }), milliseconds },
    });
  }

  private get optimizerNames(): readonly string[] {
    return this.update.optimizer.state(this.update.settings);
  }

  private get parameters() {
    return this.model.adapter!.parameters;
  }

  /** What decides the course of the run. */
  private fixed(): Record<string, unknown> {
    const { display: _display, steps: _steps, ...course } = this.settings;
    const { name, settings } = this.objective;
    return {
      ...course,
      objective: name,
      ...settings,
      ...this.lesson.fixed,
      method: this.model.adapter!.method,
    };
  }

  /** The same for a checkpoint, where the adapter must be that of the run that is gone on with. */
  private course(): Record<string, unknown> {
    const adapter = Object.entries(this.model.adapter!.settings).map(([name, value]) => [
      `adapter.${name}`,
      value instanceof RegExp ? String(value) : value,
    ]);
    return { ...this.fixed(), ...Object.fromEntries(adapter) };
  }

  private layout(): Record<string, number[]> {
    return Object.fromEntries(this.parameters.entries().map(([name, { shape }]) => [name, shape]));
  }

  private async save(): Promise<void> {
    const ofMethod = Object.entries(this.part?.state() ?? {});
    const ofOptimizer = { ...this.state };
    for (const name of this.optimizerNames)
      ofOptimizer[name] ??= (await this.updates!.read(name)) as Float32Array;
    await writeTrainingState(this.options.checkpoint!.folder, {
      step: this.step,
      vectors: {
        parameters: this.parameters.flat,
        ...ofOptimizer,
        ...Object.fromEntries(ofMethod.map(([name, vector]) => [OF_METHOD + name, vector])),
      },
      layout: this.layout(),
      fixed: this.course(),
      steps: this.record.steps,
      evaluations: this.record.evaluations,
      lesson: this.lesson.state?.(),
    });
  }

  private async resume(folder: string): Promise<void> {
    const { step, vectors, steps, evaluations, lesson } = await readTrainingState(folder, {
      layout: this.layout(),
      fixed: this.course(),
    });
    this.parameters.flat = vectors.parameters!;
    this.good = vectors.parameters!;
    for (const name of this.optimizerNames) this.state[name] = vectors[name]!;
    const ofMethod = Object.entries(vectors).filter(([name]) => name.startsWith(OF_METHOD));
    this.part?.restore(
      Object.fromEntries(ofMethod.map(([name, vector]) => [name.slice(OF_METHOD.length), vector])),
    );
    this.step = step;
    this.record.steps.push(...steps);
    this.record.evaluations.push(...evaluations);
    // The data goes on where it was.
    this.lesson.resume(step, this.settings.accumulate, lesson);
  }
}
