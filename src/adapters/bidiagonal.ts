/**
 * The singular values of an upper bidiagonal matrix, by Golub & Reinsch's implicit QR steps (1970; Golub & Van Loan,
 * Matrix Computations, §8.6): rotations from the right and the left in turns, each chasing the one element that is out of
 * place further down, until the elements right of the diagonal are gone.
 */

/** Elements below this part of their neighbours are zero in float64. */
const EPSILON = 2 ** -52;

/**
 * A matrix whose columns are rotated along: row-major [rows, n]. Of B = U·S·Vᵀ, M becomes M·U or M·V; so the identity
 * becomes the vectors themselves, and a single row of it one element of each.
 */
export interface Columns {
  data: Float64Array;
  rows: number;
}

/**
 * @param diagonal,beside [n] and [n − 1], the elements on the diagonal and right of it
 * @param left,right rotated in place, as M·U and M·V
 * @returns the values, and the places of the columns in their descending order
 */
export function bidiagonalSvd(
  diagonal: ArrayLike<number>,
  beside: ArrayLike<number>,
  { left, right }: { left?: Columns; right?: Columns },
) {
  const n = diagonal.length;
  const elements = [...Array.from(diagonal), ...Array.from(beside)];
  // Of size 1, their squares are in range.
  const size = elements.reduce((most, x) => Math.max(most, Math.abs(x)), 0) || 1;
  const [d, e] = [diagonal, beside].map((x) => Float64Array.from(x, (value) => value / size)) as [
    Float64Array,
    Float64Array,
  ];
  const turns = { left: new Turns(n), right: new Turns(n) };
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
    let zero = start;
    while (zero <= end && Math.abs(d[zero]!) > EPSILON) zero++;
    if (zero > end) {
      step(d, e, turns, start, end);
      turns.left.sweep(left, start, end);
      turns.right.sweep(right, start, end);
    } else if (zero < end) clearRow(d, e, left, zero, end);
    else clearColumn(d, e, right, start, end);
  }
  for (let i = 0; i < n; i++) {
    if (d[i]! >= 0) continue;
    d[i] = -d[i]!;
    for (let r = 0; r < (right?.rows ?? 0); r++) right!.data[r * n + i]! *= -1;
  }
  const order = [...d.keys()].sort((i, j) => d[j]! - d[i]!);
  return { values: order.map((i) => size * d[i]!), order };
}

/** c and s with c·x + s·y = length and −s·x + c·y = 0. */
function rotation(x: number, y: number): [c: number, s: number, length: number] {
  const length = Math.sqrt(x * x + y * y);
  return length === 0 ? [1, 0, 0] : [x / length, y / length, length];
}

/** Rotates columns i and j: xᵢ ← c·xᵢ + s·xⱼ, xⱼ ← c·xⱼ − s·xᵢ. */
function rotate(columns: Columns | undefined, i: number, j: number, n: number, c: number, s: number): void {
  if (!columns) return;
  const { data, rows } = columns;
  for (let at = 0; at < rows * n; at += n) {
    const [x, y] = [data[at + i]!, data[at + j]!];
    data[at + i] = c * x + s * y;
    data[at + j] = c * y - s * x;
  }
}

/** The rotations of one step, of columns k and k + 1 for k = start, start + 1 …, to be done row by row: that is fast. */
class Turns {
  readonly c: Float64Array;
  readonly s: Float64Array;
  constructor(private readonly n: number) {
    this.c = new Float64Array(n);
    this.s = new Float64Array(n);
  }

  sweep(columns: Columns | undefined, start: number, end: number): void {
    if (!columns) return;
    const { c, s, n } = this;
    const { data, rows } = columns;
    let row = 0;
    // Four rows at a time: each rotation has to wait for the one before it.
    for (; row + 3 < rows; row += 4) {
      let i = row * n + start;
      let w = data[i]!;
      let x = data[i + n]!;
      let y = data[i + 2 * n]!;
      let z = data[i + 3 * n]!;
      for (let k = start; k < end; k++, i++) {
        const cos = c[k]!;
        const sin = s[k]!;
        const p = data[i + 1]!;
        const q = data[i + n + 1]!;
        const r = data[i + 2 * n + 1]!;
        const t = data[i + 3 * n + 1]!;
        data[i] = cos * w + sin * p;
        data[i + n] = cos * x + sin * q;
        data[i + 2 * n] = cos * y + sin * r;
        data[i + 3 * n] = cos * z + sin * t;
        w = cos * p - sin * w;
        x = cos * q - sin * x;
        y = cos * r - sin * y;
        z = cos * t - sin * z;
      }
      data[i] = w;
      data[i + n] = x;
      data[i + 2 * n] = y;
      data[i + 3 * n] = z;
    }
    for (; row < rows; row++) {
      let i = row * n + start;
      let x = data[i]!;
      for (let k = start; k < end; k++, i++) {
        const y = data[i + 1]!;
        data[i] = c[k]! * x + s[k]! * y;
        x = c[k]! * y - s[k]! * x;
      }
      data[i] = x;
    }
  }
}

/** One QR step on the rows and columns start … end, shifted by the eigenvalue of BᵀB's last 2×2 nearest to its corner. */
function step(
  d: Float64Array,
  e: Float64Array,
  { left, right }: { left: Turns; right: Turns },
  start: number,
  end: number,
): void {
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
    [right.c[k], right.s[k]] = [c, s];
    [c, s, length] = rotation(d[k]!, z);
    d[k] = length;
    [e[k], d[k + 1]] = [c * e[k]! + s * d[k + 1]!, c * d[k + 1]! - s * e[k]!];
    [left.c[k], left.s[k]] = [c, s];
    if (k === end - 1) return;
    y = e[k]!;
    [z, e[k + 1]] = [s * e[k + 1]!, c * e[k + 1]!];
  }
}

/** Where the diagonal is zero, what is right of it is rotated away into the rows below. */
function clearRow(d: Float64Array, e: Float64Array, left: Columns | undefined, zero: number, end: number) {
  d[zero] = 0;
  let out = e[zero]!;
  e[zero] = 0;
  for (let k = zero + 1; k <= end && out !== 0; k++) {
    const [c, s, length] = rotation(d[k]!, out);
    d[k] = length;
    rotate(left, k, zero, d.length, c, s);
    if (k === end) return;
    out = -s * e[k]!;
    e[k] = c * e[k]!;
  }
}

/** Where the last of the diagonal is zero, what is above it is rotated away into the columns before. */
function clearColumn(
  d: Float64Array,
  e: Float64Array,
  right: Columns | undefined,
  start: number,
  end: number,
) {
  d[end] = 0;
  let out = e[end - 1]!;
  e[end - 1] = 0;
  for (let k = end - 1; k >= start && out !== 0; k--) {
    const [c, s, length] = rotation(d[k]!, out);
    d[k] = length;
    rotate(right, k, end, d.length, c, s);
    if (k === start) return;
    out = -s * e[k - 1]!;
    e[k - 1] = c * e[k - 1]!;
  }
}
