/**
 * Trials done by workers elsewhere, and how their results come back.
 *
 * The submitter holds nothing that could be lost with it. Several times a second it looks where its trials stand in Redis, and
 * acts on what it sees, whatever happened in between: a finished one is taken into the store, a failed one is told, one that
 * is nowhere (another submitter withdrew it, Redis lost it) is put in the queue again. A trial is one job by its key, so
 * putting it there twice does nothing, and a later call finds what was done after this one ended.
 */
import type { Redis } from "ioredis";
import type { LanguageModel } from "../model/language-model";
import type { Run } from "../train/run";
import { keepRun, parseRun } from "../train/store";
import { type Assignment, assign, pack } from "./assignment";
import { beginObservingSweep, type LiveSweep } from "./live";
import {
  amongOthers,
  connect,
  dataKey,
  jobId,
  liveKey,
  openQueue,
  queueName,
  type Trials,
  versionsOf,
  withoutPassword,
} from "./redis";
import type { Trial } from "./trials";

/** Milliseconds between looks. */
const PAUSE = 300;
/** Seconds that Redis keeps the data after the last look, and what came of trials: a week to come back in. */
const WEEK = 7 * 24 * 3600;
/** Looks without a worker after which that is said. */
const PATIENCE = 5;

export interface Submission {
  /** The address of Redis. */
  url: string;
  /** The id of the sweep. */
  sweep: string;
  base: LanguageModel;
  signal?: AbortSignal;
  /** Whether to show what goes on. */
  display: boolean;
  /** What came of a trial: its run, or why there is none. */
  done(trial: Trial, outcome: Run | string): void;
}

/**
 * Hands trials to the workers and yields each when it is over. After an abort those that no worker has begun are withdrawn.
 * @throws before anything is submitted, for what cannot travel, and when Redis does not answer; later, when all workers have
 *   other versions
 */
export async function* elsewhere(trials: readonly Trial[], submission: Submission): AsyncGenerator<Trial> {
  const { url, sweep, base, signal, display, done } = submission;
  if (trials.length === 0 || signal?.aborted) return;
  const data = new Map<string, string>();
  const assignments = new Map(trials.map((trial) => [trial.key, assign(trial, sweep, base, data)]));
  const left = new Map(trials.map((trial) => [trial.key, trial]));
  const live: LiveSweep = { total: trials.length, finished: [], failed: 0, running: new Map() };
  const redis = await connect(url).catch((error: Error) => {
    throw new Error(`sweep: ${error.message}`);
  });
  const queue = await openQueue(redis);
  const displays = display ? beginObservingSweep(live) : [];
  const aborted = new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
  /** Settles with `work`, or at an abort: Redis may be away. */
  const unlessAborted = async <T>(work: Promise<T>): Promise<T | undefined> => {
    work.catch(() => {});
    return (await Promise.race([work, aborted])) as T | undefined;
  };
  const submit = (keys: Iterable<string>) =>
    add(
      queue,
      [...keys].map((key) => assignments.get(key)!),
    );
  let looks = 0;

  try {
    await unlessAborted(
      keepData(redis, data)
        .then(() => forget(queue, left.keys()))
        .then(() => submit(left.keys())),
    );
    while (left.size > 0 && !signal?.aborted) {
      const seen = await unlessAborted(look(queue));
      if (!seen) break;
      for (const [key, trial] of [...left]) {
        const id = jobId(key);
        if (!seen.completed.has(id) && !seen.failed.has(id)) continue;
        const outcome = await unlessAborted(outcomeOf(queue, key));
        if (outcome === undefined) continue;
        left.delete(key);
        if (typeof outcome === "string") live.failed++;
        else live.finished.push(outcome);
        done(trial, outcome);
        yield trial;
      }
      const active = [...left.keys()].filter((key) => seen.active.has(jobId(key)));
      const lost = [...left.keys()].filter((key) => !seen.anywhere.has(jobId(key)));
      await unlessAborted(keepData(redis, data).then(() => submit(lost)));
      live.running = (await unlessAborted(runningOf(redis, active))) ?? live.running;
      live.workers = await unlessAborted(queue.getWorkersCount());
      for (const shown of displays) await shown.step(live);
      if (live.workers === 0 && active.length === 0) {
        if (looks % PATIENCE === 0) await unlessAborted(refuseOthers(redis, url));
        if (++looks === PATIENCE && display)
          console.info(
            `sweep: no worker is there yet. Start some: npx loralab worker ${withoutPassword(url)}`,
          );
      }
      if (left.size > 0) await unlessAborted(new Promise((resolve) => setTimeout(resolve, PAUSE)));
    }
  } finally {
    live.running = new Map();
    for (const shown of displays) await shown.end(live);
    // What a worker has begun is let finish: the next call finds it. Where Redis is away, or goes now, there is nobody to tell.
    if (left.size > 0 && redis.status === "ready")
      await Promise.race([
        withdraw(queue, left.keys()),
        new Promise((resolve) => redis.once("close", resolve)),
      ]);
    redis.disconnect();
  }
}

/** The states of all trials in the queue. */
async function look(
  queue: Trials,
): Promise<Record<"anywhere" | "active" | "completed" | "failed", Set<string>>> {
  // In the order in which trials go through them, so that one on its way is seen in one of them at least.
  const waiting = await queue.getRanges(["waiting"], 0, -1);
  const active = await queue.getRanges(["active"], 0, -1);
  const completed = await queue.getRanges(["completed"], 0, -1);
  const failed = await queue.getRanges(["failed"], 0, -1);
  return {
    anywhere: new Set([...waiting, ...active, ...completed, ...failed]),
    active: new Set(active),
    completed: new Set(completed),
    failed: new Set(failed),
  };
}

async function add(queue: Trials, assignments: readonly Assignment[]): Promise<void> {
  if (assignments.length === 0) return;
  const opts = { attempts: 1, removeOnComplete: { age: WEEK }, removeOnFail: { age: WEEK } };
  await queue.addBulk(
    assignments.map((assignment) => ({
      name: assignment.method.name,
      data: pack(assignment),
      opts: { ...opts, jobId: jobId(assignment.key) },
    })),
  );
}

/** Takes failures of earlier calls away, since this one tries again. */
async function forget(queue: Trials, keys: Iterable<string>): Promise<void> {
  const failed = new Set(await queue.getRanges(["failed"], 0, -1));
  for (const key of keys) if (failed.has(jobId(key))) await queue.remove(jobId(key));
}

/** Takes trials that no worker has begun out of the queue; of one that is held BullMQ takes nothing. */
async function withdraw(queue: Trials, keys: Iterable<string>): Promise<void> {
  const waiting = new Set(await queue.getRanges(["waiting"], 0, -1));
  for (const key of keys) if (waiting.has(jobId(key))) await queue.remove(jobId(key)).catch(() => {});
}

/** The run of a trial, in the store from here on, or why there is none; undefined for a job that is gone. */
async function outcomeOf(queue: Trials, key: string): Promise<Run | string | undefined> {
  const job = await queue.getJob(jobId(key));
  if (!job) return undefined;
  if (typeof job.returnvalue !== "string") return reasonOf(job);
  const run = keepRun(job.returnvalue);
  return run.origin.notes.trial === key ? run : `its worker sent another trial's run, ${run.id}`;
}

function reasonOf({
  failedReason,
  stalledCounter,
}: {
  failedReason: string;
  stalledCounter: number;
}): string {
  return /stalled more than/.test(failedReason)
    ? `${stalledCounter} workers ended while they had it; it may take more memory than they have`
    : failedReason;
}

/** Puts the data in Redis where they are not there, and keeps them from running out. */
async function keepData(redis: Redis, data: ReadonlyMap<string, string>): Promise<void> {
  for (const [hash, text] of data)
    if (!(await redis.expire(dataKey(hash), WEEK))) await redis.set(dataKey(hash), text, "EX", WEEK);
}

/** What running trials have told of themselves. */
async function runningOf(redis: Redis, keys: readonly string[]): Promise<Map<string, Run>> {
  if (keys.length === 0) return new Map();
  const texts = await redis.mget(keys.map(liveKey));
  return new Map(
    texts.flatMap((text, i): [string, Run][] => {
      const run = text ? parseRun(text) : undefined;
      if (!run) return [];
      run.status = "running"; // on another computer, of which the record knows nothing
      return [[keys[i]!, run]];
    }),
  );
}

/** @throws when there are workers, but none of this process's versions */
async function refuseOthers(redis: Redis, url: string): Promise<void> {
  const others = await amongOthers(redis, async (queue) => (await queue.getWorkersCount()) > 0);
  if (others.length > 0) {
    throw new Error(
      `sweep: the workers at ${withoutPassword(url)} have ${others.map(versionsOf).join("; ")}, this process has ` +
        `${versionsOf(queueName())}. Numbers could differ, so they do not take its trials: install the same versions on both ` +
        "sides.",
    );
  }
}
