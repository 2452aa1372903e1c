/**
 * Sweeps: the same experiment at every point of a grid, with several seeds each.
 *
 * Every trial is a recorded run (src/train/store.ts) that carries a hash of all that decides its numbers. So a sweep that
 * was interrupted needs no file of its own to go on: a second call finds the finished trials in the store, does the others,
 * and gives the table that one call would have given.
 *
 * Trials run side by side, as many as there are cores, each computing on one thread of its own, which wastes less than
 * several threads for one small model. All else is this thread's, so user functions, as measures are, work as always. A trial
 * has one thread however many run beside it, so its numbers do not depend on that.
 */
import { chosenDevice } from "../engine";
import { cellSignal } from "../model/generate";
import type { LanguageModel } from "../model/language-model";
import type { Example } from "../train/data";
import { hashOf, originOf } from "../train/origin";
import type { Run } from "../train/run";
import { complete, type TrainOptions } from "../train/settings";
import { loadRuns } from "../train/store";
import { objectiveOf, train } from "../train/trainer";
import { type Axes, type Cell, cells, inWords, type MethodOf, type Point, TRAINING_AXES } from "./grid";
import { shown } from "./progress";
import { pool } from "./side-by-side";
import { Sweep, type Trials } from "./sweep-result";

type Axis = (typeof TRAINING_AXES)[number];

/** Training options, of which an axis of the grid may stand in for `steps` too. */
export type SweepOptions<G extends Axes, Datum = Example> = Omit<
  TrainOptions<Datum>,
  "steps" | "seed" | "resume" | "checkpoint" | "onStep" | "record"
> & {
  /** A method, a function from a point of the grid to one, or several by names of your own. */
  method: MethodOf<Point<G>> | Readonly<Record<string, MethodOf<Point<G>>>>;
  /**
   * Values to try, by axis: training options (learningRate, batchSize, steps …) by their names; every other axis is for
   * `method` to read.
   */
  grid?: G & { readonly [A in Axis]?: readonly TrainOptions<Datum>[A][] };
  steps?: number;
  /** How many seeds, from 0 on, or which. Default 1, which says nothing about chance; 3 give an interval. */
  seeds?: number | readonly number[];
  /** Trials at a time. Default: as many as the processor has cores, 8 at most; 1 on a GPU. */
  workers?: number;
};

/**
 * Trains `base` anew at every point of the grid, with every method and every seed, and returns the table of what came of it.
 *
 * Every trial is recorded. A second call with the same arguments goes on where the first was stopped or killed; a trial is
 * known again by its model, method, settings, data, seed, evaluation (measures by name and source text) and versions. A
 * trial that fails, as one whose loss is no number, is kept with its reason and ends nothing; it is tried again next time.
 * Stop, or an abort of `signal`, ends the sweep early: its result holds the trials that are done.
 *
 * @example
 *   await sweep(base, { method: lora, grid: { rank: [1, 8, 64], learningRate: [1e-4, 1e-3] }, seeds: 3, data, steps: 100 });
 *   await sweep(base, { method: { lora, dora, full }, grid: { learningRate: [1e-4, 1e-3] }, seeds: 3, data, steps: 100 });
 * @throws before anything is trained, for an axis that is empty or that nothing heeds, for an option that is fixed and an
 *   axis as well, for settings that a method or `train` refuses (names the point), for no data and no steps
 */
export async function sweep<const G extends Axes = Record<never, never>, Datum = Example>(
  base: LanguageModel,
  options: SweepOptions<G, Datum>,
): Promise<Sweep> {
  const trials = prepare(base, options);
  const signal = options.signal ?? cellSignal();
  const id = hashOf(trials.map(({ key }) => key))!.slice(0, 8);
  const done = new Map(
    loadRuns().flatMap((run): [string, Run][] =>
      run.status === "finished" && run.origin.notes.trial ? [[run.origin.notes.trial, run]] : [],
    ),
  );
  const failures = new Map<string, string>();

  const missing = trials.filter(({ key }) => !done.has(key));
  const attempt = async ({ key, student, options, seed }: Trial): Promise<void> => {
    try {
      const run = await train(student(), {
        ...options,
        seed,
        signal,
        display: false,
        record: { sweep: id, trial: key },
      });
      if (run.status === "finished") done.set(key, run);
    } catch (error) {
      failures.set(key, error instanceof Error ? error.message : String(error));
    }
  };
  const known = trials.length - missing.length;
  const { device } = options.engine ?? {};
  const finished = pool(missing, attempt, { workers: options.workers, device, signal });
  const label = known > 0 ? `sweep, after ${known} known` : "sweep";
  for await (const _ of options.display === false ? finished : shown(finished, missing.length, label));

  const byCell = new Map<Cell, Trials>();
  for (const { cell, key, seed } of trials) {
    const { method, point } = cell;
    const some = byCell.get(cell) ?? { method, point, runs: [], failures: [] };
    byCell.set(cell, some);
    if (done.has(key)) some.runs.push(done.get(key)!);
    else if (failures.has(key)) some.failures.push({ seed, reason: failures.get(key)! });
  }
  return new Sweep(id, Object.keys(options.grid ?? {}), [...byCell.values()], trials.length);
}

/** One cell with one seed. */
interface Trial {
  /** A hash of all that decides its numbers. */
  key: string;
  cell: Cell;
  seed: number;
  /** Makes the model to train; only when it is its turn, since a copy of all weights may come with it. */
  student(): LanguageModel;
  options: TrainOptions<any>;
}

/** All trials, seed by seed: what is there after an interruption is of the whole grid. */
function prepare<G extends Axes, Datum>(base: LanguageModel, options: SweepOptions<G, Datum>): Trial[] {
  const { method, grid = {} as G, seeds = 1, workers, display: _display, ...rest } = options;
  const methods = named(method);
  const list = typeof seeds === "number" ? Array.from({ length: seeds }, (_, i) => i) : [...seeds];
  if (list.length === 0 || !list.every(Number.isInteger) || new Set(list).size < list.length) {
    throw new Error(
      `sweep: seeds must be a whole number from 1, or a list of different ones; got ${JSON.stringify(seeds)}.`,
    );
  }
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1))
    throw new Error(`sweep: workers must be a whole number from 1, got ${workers}.`);
  const both = Object.keys(grid).find((axis) => (rest as Record<string, unknown>)[axis] !== undefined);
  if (both !== undefined)
    throw new Error(`sweep: ${both} is given as an option and as an axis of the grid; leave one out.`);
  const forbidden = ["data", "evaluate", "engine", "signal", "seed", "seeds"].find((name) => name in grid);
  if (forbidden !== undefined) {
    const how = forbidden.startsWith("seed") ? "Give seeds beside the grid." : "Make a sweep for each.";
    throw new Error(`sweep: ${forbidden} cannot be an axis of the grid. ${how}`);
  }
  if (!Array.isArray(rest.data) || rest.data.length === 0)
    throw new Error("sweep: the training data is empty: expected a list of examples as data.");
  if (rest.steps === undefined && !("steps" in grid))
    throw new Error("sweep: expected steps, how many each trial takes, or an axis of that name.");
  const plain = base.detach(); // adapters do not add up: a trial has its own alone
  const prepared = cells(methods, grid as G);
  const onCpu = chosenDevice(options.engine?.device) === "cpu";
  return list.flatMap((seed) =>
    prepared.map((cell): Trial => {
      const { made, method, point } = cell;
      const ofTraining = Object.entries(point).filter(([axis]) => TRAINING_AXES.includes(axis as Axis));
      const own = {
        ...rest,
        ...Object.fromEntries(ofTraining),
        engine: { ...rest.engine, ...(onCpu && { threads: 1 }) },
      } as unknown as TrainOptions<any>;
      const student = () => plain.attach(made, { seed });
      try {
        return { key: keyOf(student(), { ...own, seed }), cell, seed, student, options: own };
      } catch (error) {
        const where = [method, inWords(point)].filter(Boolean).join(", ");
        throw new Error(`sweep: at ${where}: ${(error as Error).message}`);
      }
    }),
  );
}

/** A single method goes without a name here, and gets the one that it has itself. */
function named<P>(
  method: MethodOf<P> | Readonly<Record<string, MethodOf<P>>>,
): Readonly<Record<string, MethodOf<P>>> {
  if (typeof method === "function") return { "": method };
  if (typeof method === "object" && method !== null) {
    if (typeof method.bind === "function") return { "": method as MethodOf<P> };
    if (Object.keys(method).length > 0) return method as Readonly<Record<string, MethodOf<P>>>;
  }
  throw new Error(
    "sweep: expected a method: lora, lora({ rank: 8 }), ({ rank }) => lora({ rank }), or several by name.",
  );
}

/** A hash of all that decides what a trial comes to. @throws for settings out of range, for data without JSON */
function keyOf(student: LanguageModel, options: TrainOptions<any>): string {
  const objective = objectiveOf(options);
  const { display: _display, ...settings } = complete(student, options, objective);
  const { notes: _notes, device, ...origin } = originOf(student, options, 0);
  const { engine } = options;
  if (origin.data === undefined)
    throw new Error("the data cannot be written as JSON, so the trial could not be known again.");
  return hashOf({
    ...origin,
    // Where the adapter starts: its seed, and what an initialisation has computed.
    start: hashOf(student.adapter!.parameters.flat),
    settings,
    objective: { name: objective.name, settings: objective.settings },
    device: device.name,
    engine: { threads: engine?.threads, session: engine?.session },
    ofSft: [options.completionOnly, options.packing, options.sequenceLength],
  })!;
}
