/**
 * Intruder dimensions (Shuttleworth et al., arXiv:2410.21228): directions that a fine-tuned weight uses strongly and the
 * pre-trained one did not have. The j-th left singular vector u_j of W + ΔW is an intruder when
 *
 *   maxᵢ |cos(u_j, xᵢ)| < ε        over all left singular vectors xᵢ of W,  j ≤ k
 *
 * In few dimensions any direction is near some xᵢ by chance, so counts mean nothing without two others beside them: of
 * random directions, and of an update of the very same singular values whose directions are random.
 */

import { add, combination, rowsOf, transposed } from "../adapters/dense";
import { reflectionOf, timesReflections } from "../adapters/householder";
import { normal } from "../adapters/low-rank";
import { coordinates, type SingularVectors, svd } from "../adapters/svd";
import { generator, type HostArray, mapOnCores } from "../engine";
import { type Adapted, basesOf, tunedWeights } from "./updates";

export interface IntruderSettings {
  /** How many of the largest singular vectors of the fine-tuned weight are looked at. Default 10, as in the paper. */
  k?: number;
  /** Default 0.5, as in most of the paper's figures. */
  epsilon?: number;
  /** Of the random directions. */
  seed?: number;
}

/** |cos(u_j, xᵢ)|: a list for each u_j, the strongest first, of as many as W has directions. */
export type Cosines = readonly Float64Array[];

/** One matrix. */
export class Intruders {
  /** maxᵢ |cos(u_j, xᵢ)| for j = 1, 2 … */
  readonly closest: readonly number[];
  private randomized?: { cosines: Cosines; closest: readonly number[] };

  constructor(
    readonly path: string,
    /** σ_j, u_j and v_j of the fine-tuned weight, the strongest first. */
    readonly directions: SingularVectors,
    /** Of the u_j with the directions that the weight had before. */
    readonly cosines: Cosines,
    /** maxᵢ |cos| of directions drawn at random. */
    readonly random: readonly number[],
    private readonly randomize: () => Cosines,
  ) {
    this.closest = cosines.map(largest);
  }

  /** The same cosines of an update of the same size in random directions; computed when they are asked for. */
  get controlCosines(): Cosines {
    return this.atRandom.cosines;
  }

  /** `closest` of an update of the same size in random directions: what that much change does by itself. */
  get control(): readonly number[] {
    return this.atRandom.closest;
  }

  private get atRandom() {
    if (!this.randomized) {
      const cosines = this.randomize();
      this.randomized = { cosines, closest: cosines.map(largest) };
    }
    return this.randomized;
  }
}

const largest = (values: Float64Array): number => values.reduce((most, x) => Math.max(most, x), 0);

/** Intruders of one matrix, of the update of the same size in random directions, and of as many random directions. */
export interface IntruderCounts {
  path: string;
  count: number;
  controlCount: number;
  randomCount: number;
  /** Directions that were looked at. */
  looked: number;
}

/** Counts for any ε and smaller k come from the same cosines, so a slider need not compute them anew. */
export class IntruderReport {
  constructor(
    readonly all: readonly Intruders[],
    readonly k: number,
    readonly epsilon: number,
  ) {}

  /** The largest k that there are cosines for. */
  get mostDirections(): number {
    return Math.max(0, ...this.all.map(({ cosines }) => cosines.length));
  }

  /** Counts of each matrix. */
  get each(): IntruderCounts[] {
    return this.all.map((one) => ({
      path: one.path,
      count: this.below(one.closest),
      controlCount: this.below(one.control),
      randomCount: this.atRandom(one),
      looked: this.lookedAt(one),
    }));
  }

  /** Intruders in all matrices. */
  get count(): number {
    return this.sum(({ closest }) => this.below(closest));
  }

  /** Intruders of the update of the same size in random directions. */
  get controlCount(): number {
    return this.sum(({ control }) => this.below(control));
  }

  /** How many of as many random directions would pass for intruders. */
  get randomCount(): number {
    return this.sum((one) => this.atRandom(one));
  }

  /** How many directions are looked at, of all matrices together. */
  get looked(): number {
    return this.sum((one) => this.lookedAt(one));
  }

  /**
   * The same report for another ε, and another k.
   * @throws for ε out of range, and for a k above `mostDirections`
   */
  at(epsilon: number, k = this.k): IntruderReport {
    if (k > Math.max(this.k, this.mostDirections))
      throw new Error(
        `at: cosines are known for ${this.mostDirections} directions, got k = ${k}: intruders(model, { k: ${k} })`,
      );
    return new IntruderReport(this.all, checkCount(k), checkEpsilon(epsilon));
  }

  private below(closest: readonly number[]): number {
    return closest.slice(0, this.k).filter((cosine) => cosine < this.epsilon).length;
  }

  private lookedAt({ closest }: Intruders): number {
    return Math.min(this.k, closest.length);
  }

  private atRandom(one: Intruders): number {
    const share = one.random.filter((cosine) => cosine < this.epsilon).length / one.random.length;
    return share * this.lookedAt(one);
  }

  private sum(of: (one: Intruders) => number): number {
    return this.all.reduce((total, one) => total + of(one), 0);
  }
}

/** Random directions drawn for each shape. */
const DRAWS = 400;

/** So many directions of each weight are computed at least, for k to be moved among. */
const DIRECTIONS = 20;

/**
 * Intruder dimensions of each matrix that the adapter in use changes, with the two comparisons. The first call for a base
 * decomposes its weights, which takes some seconds; after that they are known.
 * @throws when no adapter is in use, and for k or ε out of range
 */
export function intruders(
  model: Adapted,
  { k = 10, epsilon = 0.5, seed = 0 }: IntruderSettings = {},
): IntruderReport {
  checkCount(k);
  checkEpsilon(epsilon);
  const nulls = new Map<string, number[]>();
  const tuned = tunedWeights(model, Math.max(k, DIRECTIONS));
  const bases = basesOf(tuned.map(({ update }) => update.before));
  const cosinesOf = (i: number, vectors: readonly Float64Array[]) =>
    vectors.map((u) => coordinates(bases[i]!, u).map(Math.abs));
  let controls: Cosines[] | undefined;
  const control = (i: number): Cosines => {
    controls ??= mapOnCores(
      directionsAtRandom,
      () => __filename,
      tuned.map(({ update, directions }, i) => ({
        before: update.before,
        change: update.factors ?? update.delta(),
        count: directions.values.length,
        seed: seed * 1009 + i,
      })),
    ).map((vectors, i) => (vectors ? cosinesOf(i, vectors) : all[i]!.cosines));
    return controls[i]!;
  };
  const all = tuned.map(({ update, directions }, i) => {
    const { before, path } = update;
    const [out, inputs] = before.shape as [number, number];
    const shape = `${[out, inputs]}`;
    const random = nulls.get(shape) ?? randomClosest(out, Math.min(out, inputs), generator(seed));
    nulls.set(shape, random);
    return new Intruders(path, directions, cosinesOf(i, directions.left), random, () => control(i));
  });
  return new IntruderReport(all, k, epsilon);
}

/**
 * Intruders over training: `train(student, { …, evaluate: { every: 25, measures: intruderMeasures() } })` counts them at
 * those steps, with both comparisons. `run.curves` shows the counts below the loss, `intruderCurve(run)` by themselves.
 * @throws for k or ε out of range
 */
export function intruderMeasures(
  settings: IntruderSettings = {},
): Record<string, (model: Adapted) => number> {
  checkCount(settings.k ?? 1);
  checkEpsilon(settings.epsilon ?? 1);
  return {
    [INTRUDER_MEASURES.adapter]: (model) => intruders(model, settings).count,
    [INTRUDER_MEASURES.control]: (model) => intruders(model, settings).controlCount,
    [INTRUDER_MEASURES.random]: (model) => intruders(model, settings).randomCount,
  };
}

/** Names under which a run keeps them. */
export const INTRUDER_MEASURES = {
  adapter: "intruders",
  control: "intruders, same size at random",
  random: "intruders, random directions",
};

function checkEpsilon(epsilon: number): number {
  if (!(epsilon > 0 && epsilon <= 1))
    throw new Error(`intruders: epsilon must be above 0 and at most 1, got ${epsilon}`);
  return epsilon;
}

function checkCount(k: number): number {
  if (!Number.isInteger(k) || k < 1) throw new Error(`intruders: k must be a whole number from 1, got ${k}`);
  return k;
}

/**
 * maxᵢ |cos| of random directions with some orthonormal vectors. All bases are alike to directions drawn at random, so the
 * first axes stand for any vectors.
 */
function randomClosest(length: number, vectors: number, random: () => number): number[] {
  return Array.from({ length: DRAWS }, () => {
    const x = Float64Array.from({ length }, () => normal(random));
    return largest(x.subarray(0, vectors).map(Math.abs)) / Math.hypot(...x);
  });
}

/**
 * The strongest left singular vectors of W + P·ΔW·Q with P and Q orthogonal and drawn at random: the update keeps its
 * singular values, and its directions become any.
 * @returns undefined where nothing was changed, so that there is nothing to turn
 */
export function directionsAtRandom({
  before,
  change,
  count,
  seed,
}: {
  before: HostArray;
  change: HostArray | { b: HostArray; a: HostArray };
  count: number;
  seed: number;
}): Float64Array[] | undefined {
  const isZero = ("data" in change ? change : change.b).data.every((x) => x === 0);
  if (isZero) return undefined;
  const random = generator(seed);
  const [out, inputs] = before.shape as [number, number];
  const data = Float64Array.from(before.data as Float32Array);
  if ("data" in change) {
    const left = turned(Float64Array.from(change.data), out, random);
    const right = turned(transposed(left, out, inputs), inputs, random);
    for (let i = 0; i < out; i++)
      for (let j = 0; j < inputs; j++) data[i * inputs + j]! += right[j * out + i]!;
  } else {
    const rank = change.a.shape[0]!;
    const b = rowsOf(turned(Float64Array.from(change.b.data), out, random), out, rank);
    const across = turned(transposed(change.a.data, rank, inputs), inputs, random);
    const a = rowsOf(transposed(across, inputs, rank), rank, inputs);
    for (const [i, weights] of b.entries())
      add(data.subarray(i * inputs, (i + 1) * inputs), combination(a, weights), 1);
  }
  return svd({ data, shape: before.shape }, count).left;
}

/**
 * P·M, with P any orthogonal matrix, all alike: a product of reflections of random vectors, and of signs (Stewart, 1980).
 * @param matrix row-major [length, any]; is used up
 */
function turned(matrix: Float64Array, length: number, random: () => number): Float64Array {
  for (const row of rowsOf(matrix, length, matrix.length / length)) if (random() < 0.5) add(row, row, -2);
  const reflections = Array.from({ length: length - 1 }, (_, k) =>
    reflectionOf(Float64Array.from({ length: length - k }, () => normal(random))),
  );
  return timesReflections(reflections, matrix, length);
}
