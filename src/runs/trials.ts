/** What a sweep consists of: a trial for each point of the grid and each seed, and how one is done. */
import { chosenDevice } from "../engine";
import type { LanguageModel } from "../model/language-model";
import { hashOf, originOf } from "../train/origin";
import type { Run } from "../train/run";
import { complete, type TrainOptions } from "../train/settings";
import { objectiveOf, train } from "../train/trainer";
import { type Axes, type Cell, cells, inWords, type MethodOf, TRAINING_AXES } from "./grid";
import type { SweepOptions } from "./sweep";

export type Axis = (typeof TRAINING_AXES)[number];

/** One cell with one seed. */
export interface Trial {
  /** A hash of all that decides its numbers. */
  key: string;
  cell: Cell;
  seed: number;
  /** Makes the model to train; only when it is its turn, since a copy of all weights may come with it. */
  student(): LanguageModel;
  options: TrainOptions<any>;
}

/**
 * Does a trial, recorded with notes by which it is known again.
 * @param trial what of it is needed for that
 * @param sweep the id of the sweep that it is done for
 * @throws what `train` throws
 */
export const perform = (
  { key, student, options, seed }: Pick<Trial, "key" | "student" | "options" | "seed">,
  sweep: string,
  how: Pick<TrainOptions, "signal" | "onStep">,
): Promise<Run> =>
  train(student(), { ...options, ...how, seed, display: false, record: { sweep, trial: key } });

/** All trials, seed by seed: what is there after an interruption is of the whole grid. */
export function prepare<G extends Axes, Datum>(
  base: LanguageModel,
  options: SweepOptions<G, Datum>,
): Trial[] {
  const { method, grid = {} as G, seeds = 1, workers, on, display: _display, ...rest } = options;
  const methods = named(method);
  const list = typeof seeds === "number" ? Array.from({ length: seeds }, (_, i) => i) : [...seeds];
  if (list.length === 0 || !list.every(Number.isInteger) || new Set(list).size < list.length) {
    throw new Error(
      `sweep: seeds must be a whole number from 1, or a list of different ones; got ${JSON.stringify(seeds)}.`,
    );
  }
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1))
    throw new Error(`sweep: workers must be a whole number from 1, got ${workers}.`);
  if (workers !== undefined && on !== undefined)
    throw new Error(
      "sweep: workers is for trials that are done here; with on, give each worker its --trials.",
    );
  const both = Object.keys(grid).find((axis) => (rest as Record<string, unknown>)[axis] !== undefined);
  if (both !== undefined)
    throw new Error(`sweep: ${both} is given as an option and as an axis of the grid; leave one out.`);
  const forbidden = ["data", "evaluate", "engine", "signal", "seed", "seeds", "on"].find(
    (name) => name in grid,
  );
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
export function keyOf(student: LanguageModel, options: TrainOptions<any>): string {
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
