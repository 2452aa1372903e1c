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
import { cellSignal } from "../model/generate";
import type { LanguageModel } from "../model/language-model";
import type { Example } from "../train/data";
import { hashOf } from "../train/origin";
import type { Run } from "../train/run";
import type { TrainOptions } from "../train/settings";
import { loadRuns } from "../train/store";
import type { Axes, Cell, MethodOf, Point } from "./grid";
import { shown } from "./progress";
import { pool } from "./side-by-side";
import { Sweep, type Trials } from "./sweep-result";
import { type Axis, perform, prepare, type Trial } from "./trials";

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
  /**
   * The address of a Redis, "redis://host:6379": trials are not done here but by the workers there, `npx loralab worker`.
   * Default: here.
   */
  on?: string;
};

/**
 * Trains `base` anew at every point of the grid, with every method and every seed, and returns the table of what came of it.
 *
 * Every trial is recorded. A second call with the same arguments goes on where the first was stopped or killed; a trial is
 * known again by its model, method, settings, data, seed, evaluation and versions. Of a measure, its name and its source text
 * are known, and not the values of variables that it uses: give it another name when those change. A trial that fails, as one
 * whose loss is no number, is kept with its reason and ends nothing; it is tried again next time. Stop, or an abort of
 * `signal`, ends the sweep early: its result holds the trials that are done.
 *
 * With `on`, workers do the trials, on this computer or others; numbers are the same on processors of the same kind. What is
 * done while nobody waits for it stays in Redis for a week, where the next call with the same arguments finds it. Functions
 * cannot travel, so measures, rewards and methods of your own are for sweeps here. A worker that ends in the midst of a trial,
 * even Redis, costs time and no trial.
 *
 * @example
 *   await sweep(base, { method: lora, grid: { rank: [1, 8, 64], learningRate: [1e-4, 1e-3] }, seeds: 3, data, steps: 100 });
 *   await sweep(base, { method: { lora, dora, full }, grid: { learningRate: [1e-4, 1e-3] }, seeds: 3, data, steps: 100 });
 * @example await sweep(base, { method: lora, grid: { rank: [1, 8, 64] }, seeds: 3, data, steps: 1000, on: "redis://localhost:6379" });
 * @throws before anything is trained, for an axis that is empty or that nothing heeds, for an option that is fixed and an
 *   axis as well, for settings that a method or `train` refuses (names the point), for no data and no steps; with
 *   `on`, for what cannot travel, when no Redis answers, and when the workers there have other versions
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
  const attempt = async (trial: Trial): Promise<void> => {
    try {
      const run = await perform(trial, id, { signal });
      if (run.status === "finished") done.set(trial.key, run);
    } catch (error) {
      failures.set(trial.key, error instanceof Error ? error.message : String(error));
    }
  };
  const finished = options.on === undefined ? here() : there(options.on);
  function here(): AsyncGenerator<Trial> {
    return pool(missing, attempt, { workers: options.workers, device: options.engine?.device, signal });
  }
  async function* there(url: string): AsyncGenerator<Trial> {
    const { elsewhere } = require("./submit") as typeof import("./submit"); // BullMQ is for those alone who use it
    yield* elsewhere(missing, {
      ...{ url, sweep: id, base, signal, display: options.display !== false },
      done({ key }, outcome) {
        if (typeof outcome === "string") failures.set(key, outcome);
        else done.set(key, outcome);
      },
    });
  }
  const known = trials.length - missing.length;
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
