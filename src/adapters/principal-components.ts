/**
 * The principal components of rows that come batch by batch (Ross et al., "Incremental learning for robust visual tracking",
 * IJCV 2008): the singular vectors so far, each times its value, stand for all rows seen, and are decomposed anew together
 * with the next batch less its mean, and one row for how the mean has moved.
 */
import type { HostArray } from "../engine";
import { svd } from "./svd";

export class PrincipalComponents {
  /** Unit vectors, by the variance along them; of each the largest element is positive. */
  vectors: Float64Array[] = [];
  /** The parts of the whole variance along them. */
  explained: number[] = [];
  private values: number[] = [];
  private cosines: number[] = [];
  private seen = 0;
  private mean = new Float64Array(0);
  /** Σ (x − mean)² over all rows and columns. */
  private scatter = 0;

  /** @param count how many components are kept */
  constructor(readonly count: number) {}

  /** Takes in rows [n, width], of which there must be as many as components. */
  add({ data, shape }: HostArray): void {
    const [n, width] = shape as [number, number];
    if (this.seen === 0) this.mean = new Float64Array(width);
    const mean = new Float64Array(width);
    for (let i = 0; i < n * width; i++) mean[i % width]! += data[i]! / n;
    const kept = this.seen === 0 ? 0 : this.vectors.length;
    const stack = new Float64Array((kept + n + 1) * width);
    for (const [k, vector] of this.vectors.entries()) {
      for (let j = 0; j < width; j++) stack[k * width + j] = this.values[k]! * vector[j]!;
    }
    for (let i = 0; i < n * width; i++) stack[kept * width + i] = data[i]! - mean[i % width]!;
    const total = this.seen + n;
    const weight = Math.sqrt((this.seen / total) * n);
    for (let j = 0; j < width; j++) {
      stack[(kept + n) * width + j] = weight * (this.mean[j]! - mean[j]!);
      this.mean[j]! += (n / total) * (mean[j]! - this.mean[j]!);
    }
    for (const x of stack.subarray(kept * width)) this.scatter += x * x;
    this.seen = total;

    const { values, right } = svd({ data: stack, shape: [kept + n + 1, width] }, this.count);
    const vectors = right.map(upright);
    this.cosines = vectors.map((vector, k) => cosine(vector, this.vectors[k]));
    this.vectors = vectors;
    this.values = values;
    this.explained = values.map((value) => value ** 2 / this.scatter);
  }

  /** Whether the first components turned less than this cosine says with the last batch. */
  settled(count: number, tau: number): boolean {
    return this.cosines.slice(0, count).every((x) => x >= tau);
  }
}

/** The vector or its opposite, so that the largest element is positive. */
function upright(vector: Float64Array): Float64Array {
  const largest = vector.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most), 0);
  return largest < 0 ? vector.map((x) => -x) : vector;
}

/** Of two unit vectors; with none it is 0. */
const cosine = (x: Float64Array, y?: Float64Array): number =>
  y ? x.reduce((sum, value, i) => sum + value * y[i]!, 0) : 0;
