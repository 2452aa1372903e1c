/**
 * The values that 4-bit and 8-bit codes stand for, equal to bitsandbytes' tables bit for bit.
 *
 * A codebook is a list of float32 numbers in [−1, 1]; a weight is stored as the index of the nearest one. What differs
 * between data types is only where those numbers lie.
 */

export type Type4bit = "nf4" | "fp4";

/**
 * NF4, "4-bit NormalFloat" (Dettmers et al., arXiv:2305.14314, appendix E): quantiles of a normal distribution, scaled
 * to [−1, 1] and with an exact zero, so that normally distributed weights use all codes about equally often.
 */
const NF4 = Float32Array.of(
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
);

/** FP4 as bitsandbytes has it: a sign bit, then eight magnitudes that are not in order, here over the largest, 12. */
const MAGNITUDES = [0, 0.0625, 8, 12, 4, 6, 2, 3];
const FP4 = Float32Array.from([...MAGNITUDES, ...MAGNITUDES.map((x) => (x === 0 ? 0 : -x))], (x) => x / 12);

/** The 16 values of a 4-bit type, by code. */
export const CODES: Record<Type4bit, Float32Array> = { nf4: NF4, fp4: FP4 };

/**
 * The 256 values of the signed dynamic 8-bit type (Dettmers, arXiv:1511.04561), ascending: 0, 1, and for each i = 0 … 6
 * the 2^i midpoints of an even division of [0.1, 1], times 10^(i−6), with both signs. Small numbers get an exponent of
 * their own, large ones more digits.
 */
export function dynamicMap(): Float32Array {
  const { fround } = Math;
  const values = [0, 1];
  for (let i = 0; i < 7; i++) {
    const parts = 2 ** i;
    // float32 all the way, the upper half of the division counted from its end: the rounding is part of the table.
    const start = fround(0.1);
    const step = fround(fround(1 - start) / parts);
    const boundary = (j: number) =>
      fround(j < Math.floor((parts + 1) / 2) ? start + step * j : 1 - step * (parts - j));
    for (let j = 0; j < parts; j++) {
      const midpoint = fround(fround(boundary(j) + boundary(j + 1)) / 2);
      const value = midpoint * fround(10 ** (i - 6));
      values.push(value, -value);
    }
  }
  return Float32Array.from(values).sort();
}

/** Many enough that, of a 4-bit codebook, no two midpoints share a cell. */
const CELLS = 4096;

/**
 * Rounds to the nearest value of a codebook.
 * @returns x in [−1, 1] → code; at the midpoint of two values, the lower one
 */
export function nearestCode(codes: Float32Array): (x: number) => number {
  // FP4 has two codes for zero. The sort is stable, so anything above zero that rounds to it gets the later one.
  const order = [...codes.keys()].sort((a, b) => codes[a]! - codes[b]!);
  const midpoints = Float32Array.from({ length: codes.length - 1 }, (_, i) =>
    Math.fround((codes[order[i]!]! + codes[order[i + 1]!]!) / 2),
  );
  // How many midpoints lie in the cells before each cell of [−1, 1]: from there it is a step or none.
  const cellOf = (x: number) => Math.floor((x + 1) * (CELLS / 2));
  const before = new Uint8Array(CELLS + 1);
  for (const midpoint of midpoints) for (let c = cellOf(midpoint) + 1; c <= CELLS; c++) before[c]!++;
  const byRank = Uint8Array.from(order);
  return (x) => {
    let rank = before[cellOf(x)]!;
    while (midpoints[rank]! < x) rank++;
    return byRank[rank]!;
  };
}
