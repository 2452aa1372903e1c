/**
 * QR decomposition by Householder's reflections (1958), with LAPACK's signs: W = Q·R, Q with orthonormal columns and R
 * zero below its diagonal.
 */
import type { Matrix } from "./svd";

/**
 * The first `count` columns of Q and rows of R; for the wanted ones alone the others need not be computed.
 * @param matrix [rows, columns]
 * @param count at most the smaller side, which is the default
 * @returns q: count columns, each [rows]; r: count rows, each [columns]
 * @throws for a count that the matrix does not have
 */
export function qr({ data, shape }: Matrix, count = Math.min(...shape)) {
  const [rows, columns] = shape as [number, number];
  if (!Number.isInteger(count) || count < 1 || count > Math.min(rows, columns)) {
    throw new Error(`qr: expected a count from 1 to the smaller side of [${rows}, ${columns}], got ${count}`);
  }
  // Column by column: a reflection works on columns.
  const w = Array.from({ length: columns }, (_, j) =>
    Float64Array.from({ length: rows }, (_, i) => data[i * columns + j]!),
  );
  /** The k-th reflects along v, which is zero before k: x − τ·v·(v·x). */
  const reflections: { v: Float64Array; tau: number }[] = [];
  for (let k = 0; k < count; k++) {
    const v = new Float64Array(rows);
    v.set(w[k]!.subarray(k), k);
    const below = Math.hypot(...v.subarray(k + 1));
    const length = Math.hypot(v[k]!, below);
    let tau = 0;
    if (below > 0) {
      const onto = v[k]! < 0 ? length : -length;
      v[k]! -= onto;
      tau = -1 / (onto * v[k]!);
    }
    reflections.push({ v, tau });
    for (const column of w.slice(k)) reflect(column, v, tau, k);
  }
  const q = Array.from({ length: count }, (_, j) => {
    const column = new Float64Array(rows);
    column[j] = 1;
    for (let k = count - 1; k >= 0; k--) reflect(column, reflections[k]!.v, reflections[k]!.tau, k);
    return column;
  });
  const r = Array.from({ length: count }, (_, i) =>
    Float64Array.from({ length: columns }, (_, j) => (j < i ? 0 : w[j]![i]!)),
  );
  return { q, r };
}

function reflect(x: Float64Array, v: Float64Array, tau: number, from: number): void {
  if (tau === 0) return;
  let along = 0;
  for (let i = from; i < x.length; i++) along += v[i]! * x[i]!;
  for (let i = from; i < x.length; i++) x[i]! -= tau * along * v[i]!;
}
