/**
 * Householder's reflections (1958), x − τ·v·(v·x), with LAPACK's signs: each turns a vector onto one axis. A few of them
 * make a matrix triangular (`qr`) or bidiagonal, and their product is the orthogonal matrix that did it.
 */
import { add, addMultiples, combination, dot, rowsOf } from "./dense";

export interface Reflection {
  /** From the axis on that a vector is turned onto. */
  v: Float64Array;
  tau: number;
}

/**
 * The reflection that turns x onto its first axis.
 * @returns with it the first element of what x becomes; the others become zero
 */
export function reflectionOf(x: Float64Array): Reflection & { onto: number } {
  const v = x.slice();
  const rest = v.subarray(1);
  const below = dot(rest, rest);
  if (below === 0) return { v, tau: 0, onto: v[0]! };
  const length = Math.sqrt(v[0]! ** 2 + below);
  const onto = v[0]! < 0 ? length : -length;
  v[0]! -= onto;
  return { v, tau: -1 / (onto * v[0]!), onto };
}

/** Reflects the columns of a matrix, given by its rows: as many as v has elements. */
export function reflectColumns(rows: readonly Float64Array[], { v, tau }: Reflection): void {
  if (tau === 0) return;
  addMultiples(rows, combination(rows, v), v, -tau);
}

/**
 * The product of reflections, the k-th of which leaves the first k elements as they are, times a matrix.
 * @param matrix row-major [length, any]; is used up
 */
export function timesReflections(
  reflections: readonly Reflection[],
  matrix: Float64Array,
  length: number,
): Float64Array {
  const rows = rowsOf(matrix, length, matrix.length / length);
  for (let k = reflections.length - 1; k >= 0; k--) reflectColumns(rows.slice(k), reflections[k]!);
  return matrix;
}

/**
 * The first columns of the product of reflections, the k-th of which leaves the first k + offset elements as they are.
 * @returns row-major [length, count]
 */
export function productOf(
  reflections: readonly Reflection[],
  length: number,
  count: number,
  offset = 0,
): Float64Array {
  const out = new Float64Array(length * count);
  for (let i = 0; i < count; i++) out[i * count + i] = 1;
  const rows = rowsOf(out, length, count);
  for (let k = reflections.length - 1; k >= 0; k--) {
    // Left of its own axis all is still zero.
    const from = k + offset;
    reflectColumns(
      rows.slice(from).map((row) => row.subarray(from)),
      reflections[k]!,
    );
  }
  return out;
}

/** A vector after all reflections, the k-th of which leaves its first k elements as they are: Qᵀ·x of W = Q·R. */
export function reflected(reflections: readonly Reflection[], x: Float64Array): Float64Array {
  const out = x.slice();
  for (const [k, { v, tau }] of reflections.entries()) {
    const rest = out.subarray(k);
    add(rest, v, -tau * dot(v, rest));
  }
  return out;
}

/**
 * Makes a matrix triangular in its first columns, in place; below the diagonal stays what rounding leaves of zeros.
 * @param w row-major [rows, columns]
 */
export function triangularize(w: Float64Array, rows: number, columns: number, count: number): Reflection[] {
  const all = rowsOf(w, rows, columns);
  return Array.from({ length: count }, (_, k) => {
    const reflection = reflectionOf(Float64Array.from({ length: rows - k }, (_, i) => all[k + i]![k]!));
    reflectColumns(
      all.slice(k).map((row) => row.subarray(k)),
      reflection,
    );
    return reflection;
  });
}

/**
 * W = U·B·Vᵀ with B upper bidiagonal, by reflections from the left and the right in turns (Golub & Kahan, 1965).
 * @param w row-major [rows, columns], not wider than high; is used up
 */
export function bidiagonalize(w: Float64Array, rows: number, columns: number) {
  const all = rowsOf(w, rows, columns);
  const [left, right]: [Reflection[], Reflection[]] = [[], []];
  const diagonal = new Float64Array(columns);
  const beside = new Float64Array(columns - 1);
  for (let k = 0; k < columns; k++) {
    const column = Float64Array.from({ length: rows - k }, (_, i) => all[k + i]![k]!);
    const { onto, ...onColumn } = reflectionOf(column);
    diagonal[k] = onto;
    left.push(onColumn);
    if (k === columns - 1) break;
    const rest = all.slice(k).map((row) => row.subarray(k + 1));
    const along = combination(rest, onColumn.v);
    // The first row decides the reflection from the right; the others then have both in one go.
    add(rest[0]!, along, -onColumn.tau * onColumn.v[0]!);
    const { onto: next, ...onRow } = reflectionOf(rest[0]!);
    beside[k] = next;
    right.push(onRow);
    for (let i = 1; i < rest.length; i++) {
      const row = rest[i]!;
      add(row, along, -onColumn.tau * onColumn.v[i]!);
      add(row, onRow.v, -onRow.tau * dot(row, onRow.v));
    }
  }
  return {
    diagonal,
    beside,
    /** Row-major [rows, columns]. */
    left: () => productOf(left, rows, columns),
    /** Row-major [columns, columns]. */
    right: () => productOf(right, columns, columns, 1),
  };
}
