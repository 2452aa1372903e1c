/**
 * The largest singular values of a matrix with their vectors, W ≈ U·S·Vᵀ, by Golub & Kahan's bidiagonalization (1965).
 *
 * From a random v₁, each step multiplies once by W and once by Wᵀ and keeps the results orthonormal: W·V = U·B with B
 * bidiagonal. The extreme singular values of the small B are soon those of W; how far a pair is from being one is known
 * exactly, β·|last element of B's left vector|, and the steps go on until the wanted ones are. Each new vector is made
 * orthogonal to all before it, without which rounding would let found ones come back (Paige, 1971). After as many steps
 * as W's smaller side the result is complete, whatever the spectrum.
 *
 * In float64 throughout, and only for what is done once: an initialisation, an analysis.
 */
import { generator } from "../engine";
import { bidiagonalSvd } from "./bidiagonal";
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

/** How far W·v may be from σ·u, in parts of the largest singular value: far below what float32 holds. */
const TOLERANCE = 1e-9;

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
  if (rows >= columns) return bidiagonalize(Float64Array.from(matrix.data), rows, columns, count);
  const { values, left, right } = bidiagonalize(transposed(matrix), columns, rows, count);
  return { values, left: right, right: left };
}

/**
 * The singular value decomposition of a product b·a, which is never formed: that of the small product of the triangular
 * factors of b and aᵀ, turned back by the orthogonal ones.
 * @param b,a [rows, r] and [r, columns], r at most the smaller of rows and columns
 */
export function svdOfProduct(b: Matrix, a: Matrix, count = b.shape[1]!): SingularVectors {
  const [rank, columns] = checkMatrix(a);
  const [left, right] = [qr(b), qr({ data: transposed(a), shape: [columns, rank] })];
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

function transposed({ data, shape }: Matrix): Float64Array {
  const [rows, columns] = shape as [number, number];
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  return out;
}

/** @param w [rows, columns], not wider than high */
function bidiagonalize(w: Float64Array, rows: number, columns: number, count: number): SingularVectors {
  const random = generator(1);
  const [us, vs]: [Float64Array[], Float64Array[]] = [[], []];
  /** B's diagonal, and what is right of it. */
  const [alpha, beta]: [number[], number[]] = [[], []];
  const row = (i: number) => w.subarray(i * columns, (i + 1) * columns);
  let next = direction(new Float64Array(columns), vs, random).vector;
  for (let size = Math.min(columns, 2 * count + 20); ; size = Math.min(columns, Math.ceil(1.5 * size))) {
    while (us.length < size) {
      vs.push(next);
      const image = new Float64Array(rows);
      for (let i = 0; i < rows; i++) image[i] = dot(row(i), next);
      const u = direction(image, us, random);
      us.push(u.vector);
      alpha.push(u.length);
      const back = new Float64Array(columns);
      for (let i = 0; i < rows; i++) add(back, row(i), u.vector[i]!);
      const v = direction(back, vs, random);
      beta.push(v.length);
      next = v.vector;
    }
    const { values, left, right } = bidiagonalSvd(alpha, beta.slice(0, -1));
    const rest = beta.at(-1)!;
    const converged = left
      .slice(0, count)
      .every((weights) => Math.abs(rest * weights[size - 1]!) <= TOLERANCE * values[0]!);
    if (!converged && size < columns) continue;
    return {
      values: values.slice(0, count),
      left: left.slice(0, count).map((weights) => combination(us, weights)),
      right: right.slice(0, count).map((weights) => combination(vs, weights)),
    };
  }
}

/**
 * x less what lies along the others, normalised, with its length. Where nothing is left, a direction that none of the
 * others has, of length 0; of zeros when they have all.
 */
function direction(x: Float64Array, others: readonly Float64Array[], random: () => number) {
  const before = Math.sqrt(dot(x, x));
  const length = orthogonalize(x, others);
  if (length > 1e-13 * before) return { vector: x.map((value) => value / length), length };
  if (others.length === x.length) return { vector: new Float64Array(x.length), length: 0 };
  const other = x.map(() => random() - 0.5);
  const norm = orthogonalize(other, others);
  return { vector: other.map((value) => value / norm), length: 0 };
}

/** Takes what lies along the others out of x, twice, which is enough (Giraud et al., 2005); returns what length is left. */
function orthogonalize(x: Float64Array, others: readonly Float64Array[]): number {
  for (let pass = 0; pass < 2; pass++) for (const other of others) add(x, other, -dot(x, other));
  return Math.sqrt(dot(x, x));
}

/** Σₖ weightsₖ · vectorsₖ */
function combination(vectors: readonly Float64Array[], weights: Float64Array): Float64Array {
  const sum = new Float64Array(vectors[0]!.length);
  for (const [k, vector] of vectors.entries()) add(sum, vector, weights[k]!);
  return sum;
}

/** Σ xᵢ·yᵢ */
export function dot(x: Float64Array, y: Float64Array): number {
  // Four sums, since each addition has to wait for the one before it.
  let [a, b, c, d] = [0, 0, 0, 0];
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
function add(to: Float64Array, x: Float64Array, factor: number): void {
  for (let i = 0; i < to.length; i++) to[i]! += factor * x[i]!;
}
