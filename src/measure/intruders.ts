/**
 * Intruder dimensions (Shuttleworth et al., arXiv:2410.21228): directions that a fine-tuned weight uses strongly and the
 * pre-trained one did not have. The j-th left singular vector u_j of W + ΔW is an intruder when
 *
 *   maxᵢ |cos(u_j, xᵢ)| < ε        over all left singular vectors xᵢ of W,  j ≤ k
 *
 * In few dimensions any direction is near some xᵢ by chance, so counts mean nothing without two others beside them: of
 * random directions, and of an update of the very same singular values whose directions are random.
 */

import { normal } from "../adapters/low-rank";
import { qr } from "../adapters/qr";
import { svd } from "../adapters/svd";
import { generator } from "../engine";
import { similarity } from "./spectra";
import { type Adapted, svdOfUpdate, svdOfWeight, type Update, updatesOf } from "./updates";

export interface IntruderSettings {
  /** How many of the largest singular vectors of the fine-tuned weight are looked at. Default 10, as in the paper. */
  k?: number;
  /** Default 0.5, as in most of the paper's figures. */
  epsilon?: number;
  /** Of the random directions. */
  seed?: number;
}

export interface Intruders {
  path: string;
  /** maxᵢ |cos(u_j, xᵢ)| for j = 1 … k. */
  closest: readonly number[];
  /** The same of an update of the same size in random directions: what that much change does by itself. */
  control: readonly number[];
  /** The same of directions drawn at random, as many as there are draws. */
  random: readonly number[];
}

/** Counts for any ε come from the same cosines, so a slider need not compute them anew. */
export class IntruderReport {
  constructor(
    readonly all: readonly Intruders[],
    readonly k: number,
    readonly epsilon: number,
  ) {}

  /** Intruders in all matrices. */
  get count(): number {
    return this.all.reduce((sum, { closest }) => sum + below(closest, this.epsilon), 0);
  }

  /** Intruders of the update of the same size in random directions. */
  get controlCount(): number {
    return this.all.reduce((sum, { control }) => sum + below(control, this.epsilon), 0);
  }

  /** How many of as many random directions would pass for intruders. */
  get randomCount(): number {
    return this.all.reduce(
      (sum, { random }) => sum + (below(random, this.epsilon) / random.length) * this.k,
      0,
    );
  }

  /** The same report for another ε. */
  at(epsilon: number): IntruderReport {
    return new IntruderReport(this.all, this.k, checkEpsilon(epsilon));
  }
}

const below = (cosines: readonly number[], epsilon: number) =>
  cosines.filter((cosine) => cosine < epsilon).length;

/** Random directions drawn for each matrix. */
const DRAWS = 100;

/**
 * Intruder dimensions of each matrix that the adapter in use changes, with the two comparisons. The first call for a base
 * decomposes its weights, which takes a while; after that they are known.
 * @throws when no adapter is in use, and for k or ε out of range
 */
export function intruders(
  model: Adapted,
  { k = 10, epsilon = 0.5, seed = 0 }: IntruderSettings = {},
): IntruderReport {
  if (!Number.isInteger(k) || k < 1) throw new Error(`intruders: k must be a whole number from 1, got ${k}`);
  const random = generator(seed);
  const all = updatesOf(model).map((update) => intrudersOf(update, k, random));
  return new IntruderReport(all, k, checkEpsilon(epsilon));
}

function checkEpsilon(epsilon: number): number {
  if (!(epsilon > 0 && epsilon <= 1))
    throw new Error(`intruders: epsilon must be above 0 and at most 1, got ${epsilon}`);
  return epsilon;
}

function intrudersOf(update: Update, k: number, random: () => number): Intruders {
  const { before, path } = update;
  const [out, inputs] = before.shape as [number, number];
  const count = Math.min(k, out, inputs);
  const { left: known } = svdOfWeight(before);
  const closestOf = (directions: readonly Float64Array[]) =>
    similarity(directions, known).map((cosines) => Math.max(...cosines));
  const tuned = (delta: ArrayLike<number>) => {
    const data = Float64Array.from(before.data as Float32Array, (w, i) => w + delta[i]!);
    return svd({ data, shape: [out, inputs] }, count).left;
  };
  const { values } = svdOfUpdate(update);
  return {
    path,
    closest: closestOf(tuned(update.delta().data as Float32Array)),
    control: closestOf(tuned(randomUpdate(values, out, inputs, random))),
    random: closestOf(Array.from({ length: DRAWS }, () => direction(out, random))),
  };
}

/** Σ σ_k·u_k·v_kᵀ with orthonormal u and v drawn at random: [out, in] */
function randomUpdate(
  values: readonly number[],
  out: number,
  inputs: number,
  random: () => number,
): Float64Array {
  const strong = values.filter((value) => value > 1e-7 * values[0]!);
  const [us, vs] = [orthonormal(out, strong.length, random), orthonormal(inputs, strong.length, random)];
  const sum = new Float64Array(out * inputs);
  for (const [k, value] of strong.entries()) {
    for (let i = 0; i < out; i++) {
      const factor = value * us[k]![i]!;
      for (let j = 0; j < inputs; j++) sum[i * inputs + j]! += factor * vs[k]![j]!;
    }
  }
  return sum;
}

const orthonormal = (length: number, count: number, random: () => number): Float64Array[] =>
  count === 0
    ? []
    : qr({
        data: Float64Array.from({ length: length * count }, () => normal(random)),
        shape: [length, count],
      }).q;

/** A unit vector, all directions alike. */
function direction(length: number, random: () => number): Float64Array {
  const x = Float64Array.from({ length }, () => normal(random));
  const norm = Math.hypot(...x);
  return x.map((value) => value / norm);
}
