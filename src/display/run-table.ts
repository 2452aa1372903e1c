/** A run's steps as a danfo DataFrame. danfo is heavy, so it is loaded when first asked for. */
import type { DataFrame } from "danfojs-node";
import type { Run } from "../train/run";

const COLUMNS = ["step", "loss", "learningRate", "gradientNorm", "tokens", "milliseconds"] as const;

/**
 * One row per step: step, loss, learningRate, gradientNorm, tokens, milliseconds, and the objective's metrics under their
 * names. Evaluations are in `run.evaluations`.
 */
export function runTable(run: Run): DataFrame {
  const danfo = require("danfojs-node") as typeof import("danfojs-node");
  const metrics = [...new Set(run.steps.flatMap((step) => Object.keys(step.metrics)))];
  const rows = run.steps.map((step) => [
    ...COLUMNS.map((name) => step[name]),
    ...metrics.map((name) => step.metrics[name] ?? Number.NaN),
  ]);
  return new danfo.DataFrame(rows, { columns: [...COLUMNS, ...metrics] });
}
