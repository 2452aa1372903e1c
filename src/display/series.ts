/** Long series of numbers made readable: smoothed, thinned, and as a line of characters. */

/**
 * Centred moving average over 2·half + 1 values. At the start the window narrows on both sides, so that the curve begins
 * at the first value, where losses are steep; at the end it narrows on the right only, so that the last value is a mean.
 */
export function smooth(values: readonly number[], half: number): number[] {
  const sums = [0];
  for (const value of values) sums.push(sums.at(-1)! + value);
  return values.map((_, i) => {
    const reach = Math.min(half, i);
    const end = Math.min(i + reach + 1, values.length);
    return (sums[end] - sums[i - reach]) / (end - i + reach);
  });
}

/** At most `most` of the items (4 or more), the first and last and every bucket's lowest and highest among them: no peak is lost. */
export function thin<T>(items: readonly T[], most: number, value: (item: T) => number): readonly T[] {
  if (items.length <= most) return items;
  const buckets = Math.floor((most - 2) / 2);
  const inner = items.slice(1, -1);
  const kept: T[] = [items[0]];
  for (let b = 0; b < buckets; b++) {
    const start = Math.floor((b * inner.length) / buckets);
    const end = Math.floor(((b + 1) * inner.length) / buckets);
    let low = start;
    let high = start;
    for (let i = start + 1; i < end; i++) {
      if (value(inner[i]) < value(inner[low])) low = i;
      if (value(inner[i]) > value(inner[high])) high = i;
    }
    kept.push(inner[Math.min(low, high)]);
    if (low !== high) kept.push(inner[Math.max(low, high)]);
  }
  kept.push(items.at(-1)!);
  return kept;
}

const BARS = "▁▂▃▄▅▆▇█";

/** A curve in one line of text: means of `width` equal parts, the lowest as ▁ and the highest as █. */
export function sparkline(values: readonly number[], width = 40): string {
  const parts = Math.min(width, values.length);
  const means = Array.from({ length: parts }, (_, p) => {
    const part = values.slice(
      Math.floor((p * values.length) / parts),
      Math.floor(((p + 1) * values.length) / parts),
    );
    return part.reduce((sum, x) => sum + x, 0) / part.length;
  });
  const low = Math.min(...means);
  const range = Math.max(...means) - low;
  return means
    .map((x) => BARS[range === 0 ? 0 : Math.round(((x - low) / range) * (BARS.length - 1))])
    .join("");
}
