/** A training run in one line of words and one of characters. */

import { counted, duration, integer, nats, short } from "../measure/format";
import type { Run } from "../train/run";
import { sparkline } from "./series";

/** How far a running run is and how fast; of an ended one how it ended, and the loss before and after. */
export function headline(run: Run): string {
  const done = run.steps.at(-1)?.step ?? 0;
  const asked = run.settings.steps;
  if (run.status === "running") {
    if (done === 0)
      return `step 0/${integer(asked)} · ready after ${duration(run.compileMilliseconds / 1000)}`;
    return [
      `step ${integer(done)}/${integer(asked)}`,
      `loss ${nats(run.steps.at(-1)!.loss)}`,
      ...leading(run).map(([name, values]) => `${name} ${short(values.at(-1)!)}`),
      `${integer(run.tokensPerSecond)} tokens/s`,
      `${duration(run.secondsLeft)} left`,
      `epoch ${run.epoch}`,
    ].join(" · ");
  }
  const how = {
    finished: counted(done, "step"),
    stopped: `stopped after ${integer(done)} of ${counted(asked, "step")}`,
    interrupted: `interrupted after ${integer(done)} of ${counted(asked, "step")}`,
    failed: `ended by an error after ${integer(done)} of ${counted(asked, "step")}`,
  }[run.status];
  if (run.steps.length === 0) return how;
  const { before, after, over } = change(run.losses);
  const heldOut = run.evaluations.findLast(({ values }) => values.loss !== undefined)?.values.loss;
  return [
    `${how} in ${duration(run.seconds)}`,
    `loss ${nats(before)} → ${nats(after)}${over > 1 ? ` (mean of the last ${over})` : ""}`,
    ...leading(run).map(([name, values]) => {
      const { before, after } = change(values);
      return `${name} ${short(before)} → ${short(after)}`;
    }),
    ...(heldOut === undefined ? [] : [`held-out loss ${nats(heldOut)}`]),
    `${integer(meanTokensPerSecond(run))} tokens/s`,
  ].join(" · ");
}

/** A line of bars that falls as the loss does. */
export const sparkLine = (run: Run): string =>
  run.steps.length > 0 ? `loss ${sparkline(run.losses)}` : "no steps yet";

/** The metric that tells most about what the objective is for: the first of its first panel. */
function leading(run: Run): [string, number[]][] {
  const name = run.panels[0]?.[0];
  if (name === undefined) return [];
  const values = run.steps.flatMap(({ metrics }) => (Number.isFinite(metrics[name]) ? [metrics[name]] : []));
  return values.length > 0 ? [[name, values]] : [];
}

/** The first step's value, and the mean of the last ten steps at most: a tenth of the run when it is short. */
function change(values: readonly number[]): { before: number; after: number; over: number } {
  const over = Math.min(10, Math.ceil(values.length / 10));
  const after = values.slice(-over).reduce((sum, value) => sum + value, 0) / over;
  return { before: values[0], after, over };
}

function meanTokensPerSecond(run: Run): number {
  const tokens = run.steps.reduce((sum, step) => sum + step.tokens, 0);
  return run.seconds === 0 ? 0 : tokens / run.seconds;
}
