/** Learning-rate schedules, as factors of the peak rate. */
export const SCHEDULES = ["constant", "linear", "cosine"] as const;
export type ScheduleName = (typeof SCHEDULES)[number];

/**
 * The factor at `step` (from 1) of `steps`. A warm-up of `warmup` steps rises linearly to 1; then "constant" stays,
 * "linear" falls to 0 after the last step, "cosine" falls to 0 along half a cosine (as in transformers).
 */
export function scheduleFactor(name: ScheduleName, step: number, steps: number, warmup: number): number {
  if (step <= warmup) return step / warmup;
  const progress = (step - 1 - warmup) / Math.max(1, steps - warmup);
  if (name === "linear") return 1 - progress;
  if (name === "cosine") return 0.5 * (1 + Math.cos(Math.PI * progress));
  return 1;
}
