/** Numbers as people read them. */

/** 4194304 → "4,194,304" */
export const integer = (n: number): string => Math.round(n).toLocaleString("en-US");

/** 0.00123 → "0.00123", 0.000012 → "1.2e-5", 12345 → "12,345": about three digits that matter. */
export function short(x: number): string {
  const size = Math.abs(x);
  if (!Number.isFinite(x) || x === 0) return String(x);
  if (size >= 1000) return integer(x);
  if (size >= 1e-3) return String(Number(x.toPrecision(3)));
  return Number(x.toPrecision(2)).toExponential();
}

/** A loss in nats: three decimals, more for very small ones. */
export const nats = (x: number): string => (Math.abs(x) >= 0.1 ? x.toFixed(3) : short(x));

/** Decimal units, as on disks and in model hubs: 11,010,048 → "11.0 MB". */
export function bytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  // 999,950 bytes would round to "1000.0 kB".
  while (n >= 999.95 && unit < units.length - 1) {
    n /= 1000;
    unit++;
  }
  return `${unit === 0 ? n : n.toFixed(1)} ${units[unit]}`;
}

/** 0.0042 → "0.42 %" */
export const percent = (fraction: number): string => `${short(100 * fraction)} %`;

/** 256 → "256×", 12.34 → "12.3×" */
export const times = (factor: number): string => `${short(factor)}×`;

/** Seconds → "0.8 s", "42 s", "2 min 05 s", "1 h 02 min" */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const padded = (n: number) => String(n).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${padded(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${padded(minutes % 60)} min`;
}

/** 2 → "2 steps", 1 → "1 step" */
export const counted = (n: number, noun: string): string => `${integer(n)} ${noun}${n === 1 ? "" : "s"}`;

/** Rows of cells in aligned columns. @param align "l" or "r" for each column */
export function columns(rows: readonly (readonly string[])[], align: string): string {
  const widths = [...align].map((_, c) => Math.max(0, ...rows.map((row) => row[c]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, c) => (align[c] === "r" ? cell.padStart(widths[c]) : cell.padEnd(widths[c])))
      .join("  ")
      .trimEnd();
  return rows.map(line).join("\n");
}
