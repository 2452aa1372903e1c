/**
 * Whether an update writes along directions that the weight used strongly before (Hu et al., arXiv:2106.09685, section
 * 7.3, ask it of LoRA): the part of ΔW that lies within W's strongest left singular directions, beside what a random ΔW
 * would have there.
 */
import { combination, dot, rowsOf } from "../adapters/dense";
import { type SingularVectors, svd } from "../adapters/svd";
import type { HostArray } from "../engine";
import { type Adapted, svdOfUpdate, type Update, updatesOf } from "./updates";

export interface Alignment {
  path: string;
  /** ‖Xᵀ·ΔW‖²/‖ΔW‖², X the strongest left singular vectors of W; NaN where ΔW = 0. */
  share: number;
  /** What directions drawn at random have on average: as many as X has, of all. */
  chance: number;
}

/** Directions of W that count as its strongest. */
const STRONGEST = 8;

/**
 * How much of each update lies within the strongest directions of its weight.
 * @param count how many directions of W; of a smaller matrix all
 * @throws when no adapter is in use
 */
export function alignments(model: Adapted, count = STRONGEST): Alignment[] {
  return updatesOf(model).map((update) => {
    const [out, inputs] = update.before.shape as [number, number];
    const rows = rowsOf(Float64Array.from(update.delta().data as Float32Array), out, inputs);
    const all = rows.reduce((sum, row) => sum + dot(row, row), 0);
    const { left } = strongestOf(update.before, count);
    const within = left.reduce((sum, x) => {
      const along = combination(rows, x);
      return sum + dot(along, along);
    }, 0);
    return { path: update.path, share: within / all, chance: left.length / out };
  });
}

/**
 * |cos| between directions that the update uses and directions that the weight used before: rows for the `count` largest
 * left singular vectors of ΔW, columns for those of W. Near zero everywhere: ΔW writes where W did not.
 */
export function alignment(update: Update, count = STRONGEST): number[][] {
  const most = update.factors?.b.shape[1] ?? Math.min(...update.before.shape);
  const ofUpdate = svdOfUpdate(update, Math.min(count, most)).left;
  const ofWeight = strongestOf(update.before, count).left;
  return ofUpdate.map((x) => ofWeight.map((y) => Math.abs(dot(x, y))));
}

const known = new WeakMap<HostArray, SingularVectors>();

/** Of a frozen weight, computed once. */
function strongestOf(weight: HostArray, count: number): SingularVectors {
  const wanted = Math.min(count, ...weight.shape);
  const before = known.get(weight);
  if (before && before.values.length === wanted) return before;
  const vectors = svd(weight, wanted);
  known.set(weight, vectors);
  return vectors;
}
