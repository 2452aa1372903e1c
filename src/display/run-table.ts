/** A run's steps as a danfo DataFrame. */
import type { Run } from "../train/run";
import { type DataFrame, dataFrame } from "./data-frame";

const COLUMNS = ["step", "loss", "learningRate", "gradientNorm", "tokens", "milliseconds"] as const;

/**
 * One row per step: step, loss, learningRate, gradientNorm, tokens, milliseconds, and the objective's metrics under their
 * names. Evaluations are in `run.evaluations`.
 */
export function runTable(run: Run): DataFrame {
  const metrics = [...new Set(run.steps.flatMap((step) => Object.keys(step.metrics)))];
  const rows = run.steps.map((step) => [
    ...COLUMNS.map((name) => step[name]),
    ...metrics.map((name) => step.metrics[name] ?? Number.NaN),
  ]);
  return dataFrame(rows, [...COLUMNS, ...metrics]);
}
