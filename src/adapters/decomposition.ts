/**
 * How a fine-tuned weight differs from the pre-trained one: in the length of its rows and in their direction, the analysis
 * of DoRA's paper (Liu et al., arXiv:2402.09353, section 3.2).
 */
import type { HostArray } from "../engine";

export interface WeightChange {
  /** ΔM: mean over rows of | ‖w′‖ − ‖w‖ |. */
  magnitude: number;
  /** ΔD: mean over rows of 1 − cos(w′, w), 0 … 2. */
  direction: number;
}

/**
 * ΔM and ΔD of a weight. Plotted against each other, layer by layer and step by step, they show how a method learns: the
 * paper finds them to rise together with LoRA and against each other with full fine-tuning and DoRA.
 * @param before,after [out, in]; rows of zeros count as not turned
 * @throws for matrices of different shapes
 */
export function weightChange(before: HostArray, after: HostArray): WeightChange {
  const [rows, columns] = before.shape as [number, number];
  if (before.shape.length !== 2 || `${before.shape}` !== `${after.shape}`) {
    throw new Error(
      `weightChange: expected two matrices of one shape, got [${before.shape}] and [${after.shape}]`,
    );
  }
  let [magnitude, direction] = [0, 0];
  for (let i = 0; i < rows; i++) {
    let [ww, vv, wv] = [0, 0, 0];
    for (let j = i * columns; j < (i + 1) * columns; j++) {
      const [w, v] = [before.data[j]!, after.data[j]!];
      ww += w * w;
      vv += v * v;
      wv += w * v;
    }
    magnitude += Math.abs(Math.sqrt(vv) - Math.sqrt(ww));
    if (ww > 0 && vv > 0) direction += 1 - wv / Math.sqrt(ww * vv);
  }
  return { magnitude: magnitude / rows, direction: direction / rows };
}
