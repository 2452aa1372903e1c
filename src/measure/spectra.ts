/**
 * The singular spectrum of an update: how large it is, how many directions it uses, and whether they are directions that
 * the weight used before.
 */

import { dot } from "../adapters/dense";
import { qr } from "../adapters/qr";
import { svd } from "../adapters/svd";
import { type Adapted, type Update, updatesOf, valuesOfUpdates } from "./updates";

export interface Spectrum {
  path: string;
  /** Singular values of ΔW, descending. */
  values: readonly number[];
  /** ‖ΔW‖, Frobenius. */
  norm: number;
  /** ‖ΔW‖ / ‖W‖ */
  relativeNorm: number;
  effectiveRank: number;
  /** How many of the largest directions hold 90 % of ‖ΔW‖². */
  rank90: number;
}

/** Spectra of all changed matrices. */
export class Spectra {
  constructor(readonly all: readonly Spectrum[]) {}

  /** The matrices by how much they changed, in parts of their own norm; the most changed first. */
  get mostChanged(): Spectrum[] {
    return [...this.all].sort((a, b) => b.relativeNorm - a.relativeNorm);
  }
}

/**
 * Singular values of ΔW for each matrix that the adapter in use changes, with what follows from them. Of a low-rank update
 * they are those of a small matrix, by QR of both factors: ΔW itself is never formed.
 * @throws when no adapter is in use
 */
export function spectra(model: Adapted): Spectra {
  const updates = updatesOf(model);
  const values = valuesOfUpdates(updates);
  return new Spectra(updates.map((update, i) => spectrumFrom(update, values[i]!)));
}

export const spectrumOf = (update: Update): Spectrum => spectrumFrom(update, valuesOfUpdates([update])[0]!);

function spectrumFrom(update: Update, values: number[]): Spectrum {
  const norm = Math.hypot(...values);
  return {
    path: update.path,
    values,
    norm,
    relativeNorm: norm / lengthOf(update.before.data),
    effectiveRank: effectiveRank(values),
    rank90: rankFor(values, 0.9),
  };
}

/** How many directions a matrix uses, as exp(−Σ pᵢ·ln pᵢ) with pᵢ = σᵢ/Σσ (Roy & Vetterli, 2007); 0 of a zero matrix. */
export function effectiveRank(values: readonly number[]): number {
  const total = values.reduce((sum, value) => sum + value, 0);
  if (total === 0) return 0;
  const entropy = values.reduce(
    (sum, value) => (value > 0 ? sum - (value / total) * Math.log(value / total) : sum),
    0,
  );
  return Math.exp(entropy);
}

/** Part of Σσ² that the k largest values hold, for k = 1, 2 …; all 1 for a zero matrix. */
export function energy(values: readonly number[]): number[] {
  const total = values.reduce((sum, value) => sum + value ** 2, 0);
  let held = 0;
  return values.map((value) => {
    held += value ** 2;
    return total === 0 ? 1 : held / total;
  });
}

/** The fewest directions that hold a part of the energy: Biderman et al. (arXiv:2405.09673) compare ranks by it. */
export function rankFor(values: readonly number[], part: number): number {
  return energy(values).findIndex((held) => held >= part - 1e-12) + 1;
}

/**
 * The principal angles between two subspaces (Björck & Golub, 1973), ascending, in radians: 0 where they share a direction,
 * π/2 where one has a direction that is orthogonal to all of the other.
 * @param a,b vectors that span them, each list independent
 * @throws for lists that are empty or of vectors of different lengths
 */
export function principalAngles(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number[] {
  const length = a[0]?.length;
  if (!length || !b[0] || [...a, ...b].some((vector) => vector.length !== length)) {
    throw new Error(
      `principalAngles: expected two lists of vectors of one length, got ${a.length} and ${b.length} vectors of ` +
        `${[...new Set([...a, ...b].map((vector) => vector.length))].join(", ") || "no"} elements`,
    );
  }
  const orthonormal = (vectors: readonly ArrayLike<number>[]) => {
    const data = Float64Array.from({ length: length * vectors.length }, (_, i) =>
      Number(vectors[i % vectors.length]![Math.floor(i / vectors.length)]),
    );
    return qr({ data, shape: [length, vectors.length] }).q;
  };
  const [p, q] = [orthonormal(a), orthonormal(b)];
  const cosines = p.flatMap((x) => q.map((y) => dot(x, y)));
  const { values } = svd({ data: cosines, shape: [p.length, q.length] });
  return values.map((cosine) => Math.acos(Math.min(1, cosine)));
}

const lengthOf = (x: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! ** 2;
  return Math.sqrt(sum);
};
