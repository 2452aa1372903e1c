/** Work on several things at the same time, one on each core. */
import { availableParallelism } from "node:os";
import { ComputeThread, chosenDevice, type Device, mostThreads, onThread } from "../engine";
import { shown } from "./progress";

export interface SideBySideOptions {
  /** How many at a time. Default: as many as the processor has cores, 8 at most; 1 on a GPU. */
  workers?: number;
  /** What the progress bar is called; without it there is none. */
  label?: string;
}

/**
 * Does `work` for every item, several at a time, and returns what came of each, in the order of the items. The models that it
 * trains, evaluates and asks compute on a thread of their own, one for each item at work, so two runs of small models take
 * little longer than one. Numbers do not depend on how many run at a time. Everything else, such as your own code, stays on
 * this thread.
 *
 * @example const runs = await sideBySide([0, 1, 2], (seed) => train(base.attach(lora(), { seed }), { data, steps: 100, seed }));
 * @throws the first error of `work`; no other item is begun after it
 */
export async function sideBySide<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  { workers, label }: SideBySideOptions = {},
): Promise<R[]> {
  const results = new Array<R>(items.length);
  const finished = pool(
    items.map((_, i) => i),
    async (i) => {
      results[i] = await work(items[i]!);
    },
    { workers },
  );
  for await (const _ of label === undefined ? finished : shown(finished, items.length, label));
  return results;
}

/** How many things at a time, unless told otherwise. */
export const usualWorkers = (onCpu: boolean): number =>
  onCpu ? Math.min(8, mostThreads() ?? availableParallelism()) : 1;

/** Does jobs, `workers` at a time, and yields each when it is over; after an abort none is begun. */
export async function* pool<T>(
  jobs: readonly T[],
  work: (job: T) => Promise<void>,
  { workers, device, signal }: { workers?: number; device?: Device; signal?: AbortSignal },
): AsyncGenerator<T> {
  const onCpu = chosenDevice(device) === "cpu";
  const atATime = Math.min(jobs.length, workers ?? usualWorkers(onCpu));
  const threads = Array.from({ length: onCpu ? atATime : 0 }, () => new ComputeThread());
  const idle = [...threads];
  const running = new Map<T, Promise<T>>();
  const begin = async (job: T): Promise<T> => {
    const thread = idle.pop();
    await onThread(thread, () => work(job));
    if (thread) idle.push(thread);
    return job;
  };
  let next = 0;
  try {
    for (;;) {
      while (next < jobs.length && running.size < atATime && !signal?.aborted) {
        const job = jobs[next++]!;
        running.set(job, begin(job));
      }
      if (running.size === 0) return;
      const job = await Promise.race(running.values());
      running.delete(job);
      yield job;
    }
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
    await Promise.allSettled(running.values());
  }
}
