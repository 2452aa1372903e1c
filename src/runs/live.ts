/** A sweep while workers do its trials, and who follows it: displays. */
import type { Run } from "../train/run";

/** What is known of the trials that were not there before. */
export interface LiveSweep {
  readonly total: number;
  readonly finished: Run[];
  failed: number;
  /** As far as they have come, with fewer steps than they have taken, by trial. */
  running: ReadonlyMap<string, Run>;
  /** How many workers wait for trials or do them; undefined where that is not known yet. */
  workers?: number;
}

type Told = (sweep: LiveSweep) => void | Promise<void>;
export interface SweepObserver {
  begin(sweep: LiveSweep): { step: Told; end: Told };
}

const observers = new Set<SweepObserver>();

/** Lets a display follow the sweeps whose trials are done by workers. Returns how to stop that. */
export function observeSweeps(observer: SweepObserver): () => void {
  observers.add(observer);
  return () => observers.delete(observer);
}

export const beginObservingSweep = (sweep: LiveSweep) =>
  [...observers].map((observer) => observer.begin(sweep));
