/** A sweep while workers do its trials: the curves of those that run, beside the lowest so far. */
import { counted, nats } from "../measure/format";
import { distinguish } from "../runs/groups";
import type { LiveSweep } from "../runs/live";
import { HELD_OUT, type Run, TRAINING } from "../train/run";
import { curves } from "./curves";
import type { Figure } from "./figure";

/** Curves that can still be told apart. */
const MOST = 8;

/** @returns undefined before any trial has taken a step */
export function liveSweepCurves(sweep: LiveSweep, points: number): Figure | undefined {
  const { finished } = sweep;
  const criterion = finished.some(({ outcome }) => HELD_OUT in outcome) ? HELD_OUT : TRAINING;
  const result = ({ outcome }: Run) => outcome[criterion] ?? Number.POSITIVE_INFINITY;
  const lowest = [...finished].sort((a, b) => result(a) - result(b));
  const running = [...sweep.running.values()].filter(({ steps }) => steps.length > 0);
  const drawn = [...running, ...lowest].slice(0, MOST);
  // However many run, there is the one that they have to beat.
  if (lowest[0] && !drawn.includes(lowest[0])) drawn[MOST - 1] = lowest[0];
  if (drawn.length === 0) return undefined;
  const names = distinguish(drawn).map((name, i) => name || `trial ${i + 1}`);
  const best =
    lowest[0] && `lowest ${criterion} ${nats(result(lowest[0]))} at ${names[drawn.indexOf(lowest[0])]}`;
  return curves(Object.fromEntries(names.map((name, i) => [name, drawn[i]!])), {
    points,
    title: [progress(sweep), ...(best ? [best] : [])].join("; "),
  });
}

/** "12 of 48 trials done, 1 failed, 3 at work, 4 workers" */
function progress({ total, finished, failed, running, workers }: LiveSweep): string {
  return [
    `${finished.length + failed} of ${counted(total, "trial")} done`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(running.size > 0 ? [`${running.size} at work`] : []),
    ...(workers === undefined ? [] : [counted(workers, "worker")]),
  ].join(", ");
}
