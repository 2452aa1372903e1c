/**
 * The points of a grid. An axis is a training option of that name, or an argument of the method; a method that does not
 * read an axis (full fine-tuning knows no rank) is not tried again and again along it.
 */
import type { Method } from "../model";
import { said } from "./groups";

/** Values to try, by the name of a training option or of what the method is given. */
export type Axes = Readonly<Record<string, readonly unknown[]>>;

/** One value of each axis. */
export type Point<G extends Axes> = { [Axis in keyof G]: G[Axis][number] };

/** A method as it is, or made for each point: `lora` itself, or ({ rank }) => lora({ rank, alpha: 2 * rank }). */
export type MethodOf<P> = Method | ((point: P) => Method);

/** One point of the grid for one method. */
export interface Cell {
  /** The method's name. */
  method: string;
  /** Its value on each axis; undefined where the method does not heed the axis. */
  point: Readonly<Record<string, unknown>>;
}

/** Training options that can be axes. */
export const TRAINING_AXES = [
  "steps",
  "batchSize",
  "accumulate",
  "learningRate",
  "schedule",
  "warmup",
  "optimizer",
  "weightDecay",
  "beta1",
  "beta2",
  "epsilon",
  "maxGradientNorm",
  "objective",
  "completionOnly",
  "packing",
  "sequenceLength",
] as const;

const ofTraining: readonly string[] = TRAINING_AXES;

/** A cell with what is tried in it. */
export interface Prepared extends Cell {
  made: Method;
}

/**
 * All cells, in the order of the methods and then of the axes, the last axis fastest.
 * @throws for an empty axis, for one that twice has the same value, and for one that nobody heeds; what a method throws,
 *   with the point at which it did
 */
export function cells<G extends Axes>(
  methods: Readonly<Record<string, MethodOf<Point<G>>>>,
  grid: G,
): Prepared[] {
  for (const [axis, values] of Object.entries(grid)) {
    if (!Array.isArray(values) || values.length === 0) {
      throw new Error(`sweep: axis ${axis} must be a list of values to try, got ${label(values)}.`);
    }
    const labels = values.map(label);
    const twice = labels.find((one, i) => labels.indexOf(one) !== i);
    if (twice !== undefined) throw new Error(`sweep: axis ${axis} has ${twice} twice.`);
  }
  const heeded = new Set<string>(Object.keys(grid).filter((axis) => ofTraining.includes(axis)));
  const prepared = Object.entries(methods).flatMap(([name, method]) => {
    const seen = new Set<string>();
    return points(grid).flatMap((point): Prepared[] => {
      const { made, read } = make(name, method, point);
      for (const axis of read) heeded.add(axis);
      const own = Object.fromEntries(
        Object.entries(point).map(([axis, value]) => [
          axis,
          ofTraining.includes(axis) || read.has(axis) ? value : undefined,
        ]),
      );
      const key = JSON.stringify(Object.values(own).map((value) => value !== undefined && label(value)));
      if (seen.has(key)) return [];
      seen.add(key);
      return [{ method: name || made.method, point: own, made }];
    });
  });
  const idle = Object.keys(grid).find((axis) => !heeded.has(axis));
  if (idle !== undefined) {
    throw new Error(
      `sweep: nothing heeds the axis ${idle}: it is no training option (${TRAINING_AXES.join(", ")}), and ` +
        `${Object.keys(methods).filter(Boolean).join(", ") || "method"} did not read it. An axis of a method needs a function: ` +
        `method: lora, or ({ ${idle} }) => …`,
    );
  }
  return prepared;
}

/** The product of the axes. */
function points<G extends Axes>(grid: G): Point<G>[] {
  let all: Record<string, unknown>[] = [{}];
  for (const [axis, values] of Object.entries(grid))
    all = all.flatMap((point) => values.map((value) => ({ ...point, [axis]: value })));
  return all as Point<G>[];
}

/** Makes the method of a point, and tells which axes it read for that. */
function make<P extends object>(
  name: string,
  method: MethodOf<P>,
  point: P,
): { made: Method; read: Set<string> } {
  const read = new Set<string>();
  if (typeof method !== "function") return { made: checked(name, method), read };
  const watched = new Proxy(point, {
    get(target, axis) {
      if (typeof axis === "string" && axis in target) read.add(axis);
      return Reflect.get(target, axis);
    },
  });
  try {
    return { made: checked(name, method(watched)), read };
  } catch (error) {
    throw new Error(
      `sweep: ${name || "method"} at ${inWords(point as Cell["point"])}: ${(error as Error).message}`,
    );
  }
}

function checked(name: string, method: Method): Method {
  if (typeof method?.bind === "function" && typeof method.method === "string") return method;
  throw new Error(
    `${name || "method"} is no method: expected lora(…), or a function that returns one; got ${said(method)}.`,
  );
}

/** "rank 8, learningRate 0.001"; axes that are not heeded are left out. */
export const inWords = (point: Cell["point"]): string =>
  Object.entries(point)
    .filter(([, value]) => value !== undefined)
    .map(([axis, value]) => `${axis} ${label(value)}`)
    .join(", ");

/** An axis value in a word: numbers and texts as they are, objects such as an objective or an initialisation by name. */
export function label(value: unknown): string {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const { name, method } = value as { name?: unknown; method?: unknown };
    if (typeof name === "string") return name;
    if (typeof method === "string") return method;
  }
  return said(value);
}
