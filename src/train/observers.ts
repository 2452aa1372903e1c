/** Who follows training runs: displays. The trainer knows nothing of them but when to tell them. */
import type { Run } from "./run";

type Told = (run: Run) => void | Promise<void>;
export interface Observer {
  begin(run: Run): { step: Told; end: Told };
}

const observers = new Set<Observer>();

/** Lets a display follow every run. Returns how to stop that. */
export function observeRuns(observer: Observer): () => void {
  observers.add(observer);
  return () => observers.delete(observer);
}

/** Tells all observers that a run begins; they are told of each step and of the end through what comes back. */
export const beginObserving = (run: Run) => [...observers].map((observer) => observer.begin(run));
