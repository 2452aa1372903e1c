/**
 * The largest singular values of a matrix with their vectors, by Lanczos's method (1950): where a few are wanted of many,
 * it takes a part of the time that all of them take.
 *
 * The right singular vectors of W are the eigenvectors of G = WᵀW. From a random v₁, each step multiplies once by G and
 * makes the result orthogonal to all before it, without which rounding would let found vectors come back (Paige, 1971):
 * G·V = V·T with T tridiagonal. The largest eigenvalues of the small T are soon those of G; how far a vector is from being
 * one is known exactly, β·|its last element|, and the steps go on until the wanted ones are.
 *
 * G holds squares, so of a singular value that is 10⁻ⁿ of the largest 2n digits are lost: fine for those that matter, and
 * those that do not are left to the decomposition of the whole.
 */
import { generator } from "../engine";
import { bidiagonalSvd } from "./bidiagonal";
import { add, combination, dot, products, rowsOf } from "./dense";

/** How far G·v may be from σ²·v, in parts of the largest: far below what float32 holds. */
const TOLERANCE = 1e-10;

/** The least that the smallest wanted value may be of the largest. */
const LEAST = 1e-3;

/** Steps between two looks at what has been found. */
const STRIDE = 8;

/**
 * @param columns of W, not more than they have elements
 * @returns undefined where it would be inaccurate: the whole is to be decomposed then
 */
export function largest(columns: readonly Float64Array[], count: number) {
  const random = generator(1);
  const square = gram(columns);
  const vs: Float64Array[] = [];
  /** T's diagonal, and what is beside it. */
  const [alpha, beta]: [number[], number[]] = [[], []];
  let next: Float64Array = Float64Array.from(columns, () => random() - 0.5);
  let length = orthogonalize(next, vs);
  while (vs.length < columns.length) {
    const vector = next.map((value) => value / length);
    vs.push(vector);
    next = products(square, vector);
    alpha.push(dot(next, vector));
    length = orthogonalize(next, vs);
    beta.push(length);
    // All directions that the start has a part in are found; values that come several times would be missing.
    if (!(length > 1e-14 * alpha[0]!)) return undefined;
    if (vs.length < 2 * count || vs.length % STRIDE > 0) continue;
    const factor = bidiagonalFactor(alpha, beta);
    if (converged(factor, length, count)) return singularVectors(columns, vs, factor, count);
  }
  return undefined;
}

/** G = WᵀW by its rows. Two by two, which needs half as many loads. */
function gram(columns: readonly Float64Array[]): Float64Array[] {
  const n = columns.length;
  const out = rowsOf(new Float64Array(n * n), n, n);
  for (let i = 0; i < n; i += 2) {
    const [x, y] = [columns[i]!, columns[i + 1] ?? columns[i]!];
    for (let j = i; j < n; j += 2) {
      const [p, q] = [columns[j]!, columns[j + 1] ?? columns[j]!];
      let xp = 0;
      let xq = 0;
      let yp = 0;
      let yq = 0;
      for (let k = 0; k < x.length; k++) {
        xp += x[k]! * p[k]!;
        xq += x[k]! * q[k]!;
        yp += y[k]! * p[k]!;
        yq += y[k]! * q[k]!;
      }
      set(i, j, xp);
      set(i, j + 1, xq);
      set(i + 1, j, yp);
      set(i + 1, j + 1, yq);
    }
  }
  function set(i: number, j: number, value: number): void {
    if (i >= n || j >= n) return;
    out[i]![j] = value;
    out[j]![i] = value;
  }
  return out;
}

/** The upper bidiagonal B with T = BᵀB (Cholesky): T's eigenvectors are B's right singular vectors. */
function bidiagonalFactor(alpha: readonly number[], beta: readonly number[]) {
  const [diagonal, beside]: [number[], number[]] = [[], []];
  for (const [i, a] of alpha.entries()) {
    const above = beside.at(-1) ?? 0;
    const pivot = Math.sqrt(Math.max(0, a - above ** 2));
    diagonal.push(pivot);
    if (i < alpha.length - 1) beside.push(pivot === 0 ? 0 : beta[i]! / pivot);
  }
  return { diagonal, beside };
}

type Factor = ReturnType<typeof bidiagonalFactor>;

/** Whether T's largest are G's. Of T's eigenvectors their last elements are enough to tell. */
function converged({ diagonal, beside }: Factor, rest: number, count: number): boolean {
  const last = new Float64Array(diagonal.length);
  last[diagonal.length - 1] = 1;
  const { values, order } = bidiagonalSvd(diagonal, beside, { right: { data: last, rows: 1 } });
  return order.slice(0, count).every((at) => Math.abs(rest * last[at]!) <= TOLERANCE * values[0]! ** 2);
}

function singularVectors(
  columns: readonly Float64Array[],
  basis: readonly Float64Array[],
  { diagonal, beside }: Factor,
  count: number,
) {
  const n = basis.length;
  const turned = new Float64Array(n * n);
  for (let i = 0; i < n; i++) turned[i * n + i] = 1;
  const found = bidiagonalSvd(diagonal, beside, { right: { data: turned, rows: n } });
  if (!(found.values[count - 1]! > LEAST * found.values[0]!)) return undefined;
  const right = found.order.slice(0, count).map((at) =>
    combination(
      basis,
      Float64Array.from({ length: n }, (_, i) => turned[i * n + at]!),
    ),
  );
  const images = right.map((v) => combination(columns, v));
  const values = images.map((image) => Math.sqrt(dot(image, image)));
  return { values, left: images.map((image, k) => image.map((x) => x / values[k]!)), right };
}

/**
 * Takes what lies along the others out of x, in place; returns what length is left. A second time where much was taken
 * out, since then what is left is mostly rounding; twice is enough (Giraud et al., 2005).
 * @param others orthonormal
 */
function orthogonalize(x: Float64Array, others: readonly Float64Array[]): number {
  let length = Math.sqrt(dot(x, x));
  if (others.length === 0) return length;
  // Most of it lies along the last two.
  for (const other of others.slice(-2)) add(x, other, -dot(x, other));
  for (let pass = 0; pass < 2; pass++) {
    const before = Math.sqrt(dot(x, x));
    add(x, combination(others, products(others, x)), -1);
    length = Math.sqrt(dot(x, x));
    if (length > 0.5 * before) break;
  }
  return length;
}
