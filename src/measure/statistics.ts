/**
 * What a few repetitions say of the mean that many would give: Student's t interval ("The probable error of a mean",
 * Biometrika 6, 1908).
 *
 *   mean ± t · s/√n        s² = Σ(xᵢ − mean)²/(n − 1),   P(|T| ≤ t) = 95 % for T of n − 1 degrees of freedom
 *
 * It holds for repetitions that are independent and about normal, as runs are that differ in their seed alone. With three
 * of them t is 4.30, not the 1.96 of many: few seeds say little, and the interval says how little.
 */

export interface Statistics {
  /** How many values. */
  n: number;
  mean: number;
  /** Sample standard deviation s, with n − 1 in the denominator; NaN for a single value. */
  deviation: number;
  /** Half the width of the 95 % interval, t·s/√n; NaN for a single value. */
  margin: number;
  /** The 95 % interval: mean − margin and mean + margin. */
  interval: [low: number, high: number];
}

/**
 * Mean, sample standard deviation and 95 % confidence interval of the mean (Student's t) of some values, such as the
 * final losses of runs with several seeds. Of a single value the mean is known and nothing else: the rest is NaN.
 * @throws for no values, and for one that is not a finite number
 */
export function statistics(values: readonly number[]): Statistics {
  const n = values.length;
  if (n === 0) throw new Error("statistics: expected at least one value, got none.");
  const odd = values.findIndex((value) => !Number.isFinite(value));
  if (odd >= 0) throw new Error(`statistics: value ${odd} is ${values[odd]}: expected a finite number.`);
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = n > 1 ? Math.sqrt(squares / (n - 1)) : Number.NaN;
  const margin = n > 1 ? (studentT(0.95, n - 1) * deviation) / Math.sqrt(n) : Number.NaN;
  return { n, mean, deviation, margin, interval: [mean - margin, mean + margin] };
}

/**
 * The t with P(|T| ≤ t) = `level`, for Student's distribution of whole degrees of freedom: the two-sided critical value.
 * @param level in (0, 1)
 */
export function studentT(level: number, freedom: number): number {
  // P rises with the angle, so halving the bracket finds it to the last bit.
  let [low, high] = [0, Math.PI / 2];
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return Math.sqrt(freedom) * Math.tan(middle);
    if (within(middle, freedom) < level) low = middle;
    else high = middle;
  }
}

/** P(|T| ≤ √ν·tan θ), a finite sum for whole ν (Abramowitz & Stegun, 1964, 26.7.3 and 26.7.4). */
function within(angle: number, freedom: number): number {
  const cosine = Math.cos(angle);
  const isOdd = freedom % 2 === 1;
  // 1, 1/2, (1·3)/(2·4) … times even powers of the cosine; for odd ν 1, 2/3, (2·4)/(3·5) … times odd ones.
  let term = isOdd ? cosine : 1;
  let sum = 0;
  for (let k = isOdd ? 1 : 0; k <= freedom - 2; k += 2) {
    sum += term;
    term *= ((k + 1) / (k + 2)) * cosine ** 2;
  }
  return isOdd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}
