/** The store of runs as a page has it: it keeps them as long as it is open. */
import type { Run } from "./run";
import type { Recorder } from "./store";

/** Newest first. */
const kept: Run[] = [];

export function beginRecord(run: Run): Recorder {
  kept.unshift(run);
  return { update() {}, end() {} };
}

export const loadRuns = (): Run[] => [...kept];

export function loadRun(id: string): Run {
  const found = kept.find((run) => run.id === id);
  if (!found)
    throw new Error(
      `loadRun: no run "${id}" in this page; there are ${kept.map((run) => run.id).join(", ") || "none"}.`,
    );
  return found;
}
