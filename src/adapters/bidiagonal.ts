/**
 * The singular value decomposition of an upper bidiagonal matrix, by Golub & Reinsch's implicit QR steps (1970; Golub &
 * Van Loan, Matrix Computations, §8.6): rotations from the right and the left in turns, each chasing the one element that
 * is out of place further down, until the elements right of the diagonal are gone.
 */

/** Elements below this part of their neighbours are zero in float64. */
const EPSILON = 2 ** -52;

/**
 * @param diagonal,right [n] and [n − 1], the elements on the diagonal and right of it
 * @returns the values, descending, and the vectors, each [n], in their order
 */
export function bidiagonalSvd(diagonal: readonly number[], right: readonly number[]) {
  const n = diagonal.length;
  const [d, e] = [[...diagonal], [...right]];
  const [us, vs] = [identity(n), identity(n)];
  const largest = Math.max(...d.map(Math.abs), ...e.map(Math.abs));
  for (let end = n - 1; end > 0; ) {
    for (let i = 0; i < end; i++) {
      if (Math.abs(e[i]!) <= EPSILON * (Math.abs(d[i]!) + Math.abs(d[i + 1]!))) e[i] = 0;
    }
    if (e[end - 1] === 0) {
      end--;
      continue;
    }
    let start = end - 1;
    while (start > 0 && e[start - 1] !== 0) start--;
    const zero = d.findIndex((x, i) => i >= start && i <= end && Math.abs(x) <= EPSILON * largest);
    if (zero < 0) step(d, e, us, vs, start, end);
    else if (zero < end) clearRow(d, e, us, zero, end);
    else clearColumn(d, e, vs, start, end);
  }
  for (const [i, value] of d.entries()) {
    if (value >= 0) continue;
    d[i] = -value;
    vs[i] = vs[i]!.map((x) => -x);
  }
  const order = [...d.keys()].sort((i, j) => d[j]! - d[i]!);
  return {
    values: order.map((i) => d[i]!),
    left: order.map((i) => us[i]!),
    right: order.map((i) => vs[i]!),
  };
}

const identity = (n: number) =>
  Array.from({ length: n }, (_, i) => {
    const row = new Float64Array(n);
    row[i] = 1;
    return row;
  });

/** c and s with c·x + s·y = length and −s·x + c·y = 0. */
function rotation(x: number, y: number): [c: number, s: number, length: number] {
  const length = Math.hypot(x, y);
  return length === 0 ? [1, 0, 0] : [x / length, y / length, length];
}

function rotate(vectors: Float64Array[], i: number, j: number, c: number, s: number): void {
  const [a, b] = [vectors[i]!, vectors[j]!];
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [a[k]!, b[k]!];
    a[k] = c * x + s * y;
    b[k] = c * y - s * x;
  }
}

/** One QR step on the rows and columns start … end, shifted by the eigenvalue of BᵀB's last 2×2 nearest to its corner. */
function step(d: number[], e: number[], us: Float64Array[], vs: Float64Array[], start: number, end: number) {
  const before = end - 2 >= start ? e[end - 2]! : 0;
  const first = d[end - 1]! ** 2 + before ** 2;
  const corner = d[end]! ** 2 + e[end - 1]! ** 2;
  const across = d[end - 1]! * e[end - 1]!;
  const half = (first - corner) / 2;
  const shift = corner - across ** 2 / (half + (half < 0 ? -1 : 1) * Math.hypot(half, across));
  let [y, z] = [d[start]! ** 2 - shift, d[start]! * e[start]!];
  for (let k = start; k < end; k++) {
    let [c, s, length] = rotation(y, z);
    if (k > start) e[k - 1] = length;
    [d[k], e[k]] = [c * d[k]! + s * e[k]!, c * e[k]! - s * d[k]!];
    [z, d[k + 1]] = [s * d[k + 1]!, c * d[k + 1]!];
    rotate(vs, k, k + 1, c, s);
    [c, s, length] = rotation(d[k]!, z);
    d[k] = length;
    [e[k], d[k + 1]] = [c * e[k]! + s * d[k + 1]!, c * d[k + 1]! - s * e[k]!];
    rotate(us, k, k + 1, c, s);
    if (k === end - 1) return;
    y = e[k]!;
    [z, e[k + 1]] = [s * e[k + 1]!, c * e[k + 1]!];
  }
}

/** Where the diagonal is zero, what is right of it is rotated away into the rows below. */
function clearRow(d: number[], e: number[], us: Float64Array[], zero: number, end: number) {
  d[zero] = 0;
  let out = e[zero]!;
  e[zero] = 0;
  for (let k = zero + 1; k <= end && out !== 0; k++) {
    const [c, s, length] = rotation(d[k]!, out);
    d[k] = length;
    rotate(us, k, zero, c, s);
    if (k === end) return;
    out = -s * e[k]!;
    e[k] = c * e[k]!;
  }
}

/** Where the last of the diagonal is zero, what is above it is rotated away into the columns before. */
function clearColumn(d: number[], e: number[], vs: Float64Array[], start: number, end: number) {
  d[end] = 0;
  let out = e[end - 1]!;
  e[end - 1] = 0;
  for (let k = end - 1; k >= start && out !== 0; k--) {
    const [c, s, length] = rotation(d[k]!, out);
    d[k] = length;
    rotate(vs, k, end, c, s);
    if (k === start) return;
    out = -s * e[k - 1]!;
    e[k - 1] = c * e[k - 1]!;
  }
}
