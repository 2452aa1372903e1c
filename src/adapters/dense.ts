/**
 * Products of matrices and vectors in float64, as fast as plain JavaScript makes them: row by row, four rows or sums at a
 * time, since each addition has to wait for the one before it, and without destructuring, which allocates. Matrices are
 * row-major.
 */

/** Σ xᵢ·yᵢ */
export function dot(x: Float64Array, y: Float64Array): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = 0;
  for (; i + 3 < x.length; i += 4) {
    a += x[i]! * y[i]!;
    b += x[i + 1]! * y[i + 1]!;
    c += x[i + 2]! * y[i + 2]!;
    d += x[i + 3]! * y[i + 3]!;
  }
  for (; i < x.length; i++) a += x[i]! * y[i]!;
  return a + b + c + d;
}

/** to += factor · x */
export function add(to: Float64Array, x: Float64Array, factor: number): void {
  let i = 0;
  for (; i + 3 < to.length; i += 4) {
    to[i]! += factor * x[i]!;
    to[i + 1]! += factor * x[i + 1]!;
    to[i + 2]! += factor * x[i + 2]!;
    to[i + 3]! += factor * x[i + 3]!;
  }
  for (; i < to.length; i++) to[i]! += factor * x[i]!;
}

/** toₖ += factor · weightsₖ · x, for each of several vectors */
export function addMultiples(
  to: readonly Float64Array[],
  x: Float64Array,
  weights: Float64Array,
  factor: number,
): void {
  let k = 0;
  for (; k + 3 < to.length; k += 4) {
    const p = to[k]!;
    const q = to[k + 1]!;
    const r = to[k + 2]!;
    const t = to[k + 3]!;
    const a = factor * weights[k]!;
    const b = factor * weights[k + 1]!;
    const c = factor * weights[k + 2]!;
    const d = factor * weights[k + 3]!;
    for (let i = 0; i < x.length; i++) {
      const y = x[i]!;
      p[i]! += a * y;
      q[i]! += b * y;
      r[i]! += c * y;
      t[i]! += d * y;
    }
  }
  for (; k < to.length; k++) add(to[k]!, x, factor * weights[k]!);
}

/** Σₖ weightsₖ · vectorsₖ */
export function combination(vectors: readonly Float64Array[], weights: Float64Array): Float64Array {
  const sum = new Float64Array(vectors[0]!.length);
  let k = 0;
  for (; k + 3 < vectors.length; k += 4) {
    const p = vectors[k]!;
    const q = vectors[k + 1]!;
    const r = vectors[k + 2]!;
    const t = vectors[k + 3]!;
    const a = weights[k]!;
    const b = weights[k + 1]!;
    const c = weights[k + 2]!;
    const d = weights[k + 3]!;
    for (let i = 0; i < sum.length; i++) sum[i]! += a * p[i]! + b * q[i]! + (c * r[i]! + d * t[i]!);
  }
  for (; k < vectors.length; k++) add(sum, vectors[k]!, weights[k]!);
  return sum;
}

/** x · y of each of the vectors y. */
export function products(vectors: readonly Float64Array[], x: Float64Array): Float64Array {
  const out = new Float64Array(vectors.length);
  let k = 0;
  for (; k + 3 < vectors.length; k += 4) {
    const p = vectors[k]!;
    const q = vectors[k + 1]!;
    const r = vectors[k + 2]!;
    const t = vectors[k + 3]!;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = 0; i < x.length; i++) {
      const factor = x[i]!;
      a += p[i]! * factor;
      b += q[i]! * factor;
      c += r[i]! * factor;
      d += t[i]! * factor;
    }
    out[k] = a;
    out[k + 1] = b;
    out[k + 2] = c;
    out[k + 3] = d;
  }
  for (; k < vectors.length; k++) out[k] = dot(vectors[k]!, x);
  return out;
}

/** The rows of a matrix, as views into it. */
export const rowsOf = (matrix: Float64Array, rows: number, columns: number): Float64Array[] =>
  Array.from({ length: rows }, (_, i) => matrix.subarray(i * columns, (i + 1) * columns));

/** The matrix with rows and columns exchanged, a copy: [columns, rows]. */
export function transposed(matrix: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out[j * rows + i] = matrix[i * columns + j]!;
  return out;
}
