/** QR decomposition by Householder's reflections: W = Q·R, Q with orthonormal columns and R zero below its diagonal. */
import { rowsOf, transposed } from "./dense";
import { productOf, triangularize } from "./householder";
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
  const w = Float64Array.from(data);
  const reflections = triangularize(w, rows, columns, count);
  const q = rowsOf(transposed(productOf(reflections, rows, count), rows, count), count, rows);
  // Below the diagonal is what rounding left of zeros.
  const r = rowsOf(w, count, columns).map((row, i) => row.map((x, j) => (j < i ? 0 : x)));
  return { q, r };
}
