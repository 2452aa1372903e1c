/**
 * The singular value decomposition W = U·S·Vᵀ of a matrix, all of it or the part with the largest values: all by
 * Householder's reflections to a bidiagonal matrix and QR steps on that (Golub & Reinsch, 1970), a small part by Lanczos's
 * method.
 *
 * In float64 throughout, and only for what is done once: an initialisation, an analysis.
 */
import { bidiagonalSvd } from "./bidiagonal";
import { combination, dot, products, rowsOf, transposed } from "./dense";
import { bidiagonalize, type Reflection, reflected, timesReflections, triangularize } from "./householder";
import { largest } from "./lanczos";
import { qr } from "./qr";

/** A matrix on the host, row-major. */
export interface Matrix {
  data: ArrayLike<number>;
  shape: readonly number[];
}

export interface SingularVectors {
  /** The largest singular values, descending. */
  values: number[];
  /** Left vectors, each [rows], and right vectors, each [columns], in the order of the values. */
  left: Float64Array[];
  right: Float64Array[];
}

/** Above this part of all, all of them take less time. */
const PART = 1 / 8;

/**
 * The singular value decomposition of a matrix, or the part of it with the largest values.
 * @param matrix [rows, columns]
 * @param count how many; by default all, as many as the smaller side
 * @throws for an array that is no matrix, for a count that it does not have, and for values that are not finite
 */
export function svd(matrix: Matrix, count = Math.min(...matrix.shape)): SingularVectors {
  const [rows, columns] = checkMatrix(matrix);
  const most = Math.min(rows, columns);
  if (!Number.isInteger(count) || count < 1 || count > most) {
    throw new Error(
      `svd: a [${rows}, ${columns}] matrix has ${most} singular values, got a count of ${count}`,
    );
  }
  // The columns of the matrix, or of its transpose where that is the higher one.
  const high = rows >= columns;
  const across = high ? transposed(matrix.data, rows, columns) : Float64Array.from(matrix.data);
  const found =
    count <= PART * most ? largest(rowsOf(across, most, Math.max(rows, columns)), count) : undefined;
  const { values, left, right } =
    found ?? whole(transposed(across, most, Math.max(rows, columns)), Math.max(rows, columns), most, count);
  return high ? { values, left, right } : { values, left: right, right: left };
}

/** All singular values of a matrix, descending, without vectors: a fraction of the time. */
export function singularValues(matrix: Matrix): number[] {
  const [rows, columns] = checkMatrix(matrix);
  const [most, least] = [Math.max(rows, columns), Math.min(rows, columns)];
  const high = rows >= columns ? Float64Array.from(matrix.data) : transposed(matrix.data, rows, columns);
  return whole(high, most, least, least, { left: false, right: false }).values;
}

/** All left singular vectors of a matrix, in the order of the values; of a high one as they are before the reflections. */
export interface LeftBasis {
  vectors: Float64Array[];
  reflections?: Reflection[];
}

/**
 * The basis of a matrix's left singular vectors. Takes a third of the time of the whole decomposition.
 * @param matrix [rows, columns]
 */
export function leftBasis(matrix: Matrix): LeftBasis {
  const [rows, columns] = checkMatrix(matrix);
  const most = Math.min(rows, columns);
  if (rows < columns) {
    const across = transposed(matrix.data, rows, columns);
    return { vectors: whole(across, columns, rows, most, { left: false, right: true }).right };
  }
  const w = Float64Array.from(matrix.data);
  if (rows <= HIGH * columns)
    return { vectors: whole(w, rows, columns, most, { left: true, right: false }).left };
  const { reflections, triangle } = triangleOf(w, rows, columns);
  const { left } = whole(triangle, columns, columns, columns, { left: true, right: false });
  return { vectors: left, reflections };
}

/** The coordinates of a vector in a basis: its dot products with the vectors. */
export function coordinates({ vectors, reflections }: LeftBasis, x: Float64Array): Float64Array {
  return products(vectors, reflections ? reflected(reflections, x).subarray(0, vectors.length) : x);
}

/**
 * @param w row-major [rows, columns], not wider than high; is used up
 * @returns empty lists of vectors that are not wanted
 */
function whole(
  w: Float64Array,
  rows: number,
  columns: number,
  count: number,
  wanted = { left: true, right: true },
): SingularVectors {
  if (rows > HIGH * columns) return byTriangle(w, rows, columns, count, wanted);
  const { diagonal, beside, ...turned } = bidiagonalize(w, rows, columns);
  const left = wanted.left ? { data: turned.left(), rows } : undefined;
  const right = wanted.right ? { data: turned.right(), rows: columns } : undefined;
  const { values, order } = bidiagonalSvd(diagonal, beside, { left, right });
  const vectors = (of: typeof left) =>
    of
      ? order
          .slice(0, count)
          .map((at) => Float64Array.from({ length: of.rows }, (_, i) => of.data[i * columns + at]!))
      : [];
  return { values: values.slice(0, count), left: vectors(left), right: vectors(right) };
}

/** From this ratio of its sides on, a matrix is decomposed by way of its triangular factor (Chan, 1982). */
const HIGH = 3 / 2;

function byTriangle(
  ...[w, rows, columns, count, wanted]: Required<Parameters<typeof whole>>
): SingularVectors {
  const { reflections, triangle } = triangleOf(w, rows, columns);
  const { values, left, right } = whole(triangle, columns, columns, count, wanted);
  if (!wanted.left) return { values, left, right };
  const high = new Float64Array(rows * count);
  for (const [k, vector] of left.entries())
    for (let i = 0; i < columns; i++) high[i * count + k] = vector[i]!;
  const turned = transposed(timesReflections(reflections, high, rows), rows, count);
  return { values, left: rowsOf(turned, count, rows), right };
}

/** The triangular factor, [columns, columns], with the reflections that lead to it. */
function triangleOf(w: Float64Array, rows: number, columns: number) {
  const reflections = triangularize(w, rows, columns, columns);
  const triangle = w.slice(0, columns * columns);
  for (let i = 1; i < columns; i++) triangle.fill(0, i * columns, i * columns + i);
  return { reflections, triangle };
}

/**
 * The singular value decomposition of a product b·a, which is never formed: that of the small product of the triangular
 * factors of b and aᵀ, turned back by the orthogonal ones.
 * @param b,a [rows, r] and [r, columns], r at most the smaller of rows and columns
 */
export function svdOfProduct(b: Matrix, a: Matrix, count = b.shape[1]!): SingularVectors {
  const [rank, columns] = checkMatrix(a);
  const [left, right] = [qr(b), qr({ data: transposed(a.data, rank, columns), shape: [columns, rank] })];
  const core = new Float64Array(rank * rank);
  for (let i = 0; i < rank; i++) {
    for (let j = 0; j < rank; j++) core[i * rank + j] = dot(left.r[i]!, right.r[j]!);
  }
  const small = svd({ data: core, shape: [rank, rank] }, count);
  return {
    values: small.values,
    left: small.left.map((weights) => combination(left.q, weights)),
    right: small.right.map((weights) => combination(right.q, weights)),
  };
}

/** Σₖ valuesₖ · leftₖ · rightₖᵀ: the matrix of the values given, the best of its rank where they are the largest. */
export function fromSingular({ values, left, right }: SingularVectors): Float32Array {
  const [rows, columns] = [left[0]!.length, right[0]!.length];
  const sum = new Float64Array(rows * columns);
  for (const [k, value] of values.entries()) {
    for (let i = 0; i < rows; i++) {
      const factor = value * left[k]![i]!;
      for (let j = 0; j < columns; j++) sum[i * columns + j]! += factor * right[k]![j]!;
    }
  }
  return Float32Array.from(sum);
}

function checkMatrix({ data, shape }: Matrix): [number, number] {
  if (shape.length !== 2) throw new Error(`svd: expected a matrix [rows, columns], got [${shape}]`);
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i]!))
      throw new Error(`svd: element ${i} is ${data[i]}: expected finite numbers`);
  }
  return shape as unknown as [number, number];
}
