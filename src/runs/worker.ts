/**
 * A worker: takes trials of sweeps from Redis, one after the other or several at a time, does them as a local sweep does, and
 * gives back the record of each run, which is in its own store too.
 *
 * A worker that is killed stops renewing its locks, and other workers get what it had. What it could not give back because
 * Redis was away it finds in its store when it gets that trial again.
 */
import { hostname } from "node:os";
import { type Job, Worker as Taker, WaitingError } from "bullmq";
import type { Redis } from "ioredis";
import { ComputeThread, chosenDevice, onThread } from "../engine";
import { type LanguageModel, loadModel } from "../model/language-model";
import { fingerprint } from "../train/origin";
import { Run } from "../train/run";
import { loadRuns, writeRun } from "../train/store";
import { type Assignment, restore, type Task, unpack } from "./assignment";
import {
  amongOthers,
  connect,
  dataKey,
  liveKey,
  openQueue,
  PREFIX,
  queueName,
  versionsOf,
  withoutPassword,
} from "./redis";
import { usualWorkers } from "./side-by-side";
import { perform } from "./trials";

/**
 * Milliseconds for which a trial is held, renewed all the while: what the death of a worker costs at most, with the interval in
 * which the others look. Longer than a worker is ever busy with one thing and renews nothing.
 */
const HELD = 15_000;
const LOOK = 5_000;
/** Deaths of workers that a trial survives: one that takes too much memory would end them all. */
const DEATHS = 5;
/** Milliseconds between what is told of a running trial, at least, and seconds for which it counts. */
const TOLD = { every: 1000, seconds: 30 };
/** Steps that are told of: what a small curve can show. */
const POINTS = 100;

/**
 * Works until `signal` aborts; then it gives back the trials that it has begun, for others to do.
 * @param trials at a time: by default as many as the processor has cores, 8 at most; 1 on a GPU
 * @param say told what goes on, in lines
 * @throws when no Redis answers at the address
 */
export async function work(
  url: string,
  { trials, signal, say }: { trials?: number; signal: AbortSignal; say: (line: string) => void },
): Promise<void> {
  const redis = await connect(url);
  const onCpu = chosenDevice() === "cpu";
  const atATime = trials ?? usualWorkers(onCpu);
  const threads = Array.from({ length: onCpu ? atATime : 0 }, () => new ComputeThread());
  const idle = [...threads];
  const models = new Models();

  const attempt = async (job: Job<string, string>, token?: string): Promise<string> => {
    const assignment = unpack(job.data) as Assignment;
    const name = `${assignment.key.slice(0, 8)} (${assignment.method.name}, seed ${assignment.seed})`;
    if (job.stalledCounter > 0) {
      const run = loadRuns().find(
        ({ status, origin }) => status === "finished" && origin.notes.trial === assignment.key,
      );
      if (run) {
        say(`${name}: done before, told now`);
        return writeRun(run);
      }
    }
    say(`${name}: begun`);
    const thread = idle.pop();
    try {
      const run = await onThread(thread, async () => {
        const task = await taskOf(assignment, redis, models);
        return perform(task, assignment.sweep, { signal, onStep: teller(redis, assignment.key) });
      });
      if (run.status !== "finished") {
        await job.moveToWait(token);
        say(`${name}: given back after ${run.steps.length} steps`);
        throw new WaitingError();
      }
      say(`${name}: finished, ${run.seconds.toFixed(1)} s`);
      return writeRun(run);
    } catch (error) {
      if (!(error instanceof WaitingError)) say(`${name}: failed: ${(error as Error).message}`);
      throw error;
    } finally {
      if (thread) idle.push(thread);
    }
  };

  const queue = await openQueue(redis);
  const taker = new Taker<string, string>(queueName(), attempt, {
    connection: redis,
    prefix: PREFIX,
    name: `${hostname()}-${process.pid}`,
    concurrency: atATime,
    ...{ lockDuration: HELD, lockRenewTime: HELD / 5, stalledInterval: LOOK, maxStalledCount: DEATHS },
  });
  taker.on("error", outages(redis, say));
  say(
    `takes ${atATime > 1 ? `${atATime} trials at a time` : "one trial at a time"} from ${withoutPassword(url)}: ` +
      `${versionsOf(queueName())}`,
  );
  const told = new Set<string>();
  const watch = setInterval(() => {
    void tellOthers(redis, told, say).catch(() => {});
  }, LOOK);
  void tellOthers(redis, told, say).catch(() => {});
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
  clearInterval(watch);
  await taker.close();
  await queue.close();
  redis.disconnect();
  await Promise.all(threads.map((thread) => thread.end()));
}

/** Says once that Redis is away, and once that it is back. */
function outages(redis: Redis, say: (line: string) => void): (error: Error) => void {
  let isAway = false;
  return (error) => {
    if (redis.status === "ready") return isAway ? undefined : say(`warning: ${error.message}`);
    if (isAway) return;
    isAway = true;
    say("Redis does not answer; what is done is told when it is back");
    redis.once("ready", () => {
      isAway = false;
      say("Redis is back");
    });
  };
}

/** Says of trials for other versions, once for each, that they wait in vain for this worker. */
async function tellOthers(redis: Redis, told: Set<string>, say: (line: string) => void): Promise<void> {
  const waiting = await amongOthers(redis, async (queue) => (await queue.getWaitingCount()) > 0);
  for (const name of waiting.filter((name) => !told.has(name))) {
    told.add(name);
    say(
      `trials wait for a worker with ${versionsOf(name)}; this one has ${versionsOf(queueName())} and does not take them, ` +
        "since numbers could differ",
    );
  }
}

/** The models of the last trials, so that the next ones need not read theirs again. */
class Models {
  private readonly loaded = new Map<string, Promise<LanguageModel>>();

  /** @throws when it is not here, or not the same */
  async get({ source, fingerprint: expected, quantize }: Assignment["model"]): Promise<LanguageModel> {
    const key = JSON.stringify([source, expected, quantize]);
    const model = this.loaded.get(key) ?? load();
    this.loaded.delete(key);
    this.loaded.set(key, model);
    if (this.loaded.size > 2) this.loaded.delete(this.loaded.keys().next().value!);
    try {
      return await model;
    } catch (error) {
      this.loaded.delete(key); // it may be put there
      throw error;
    }

    async function load(): Promise<LanguageModel> {
      const where = `worker ${process.pid} on ${hostname()}`;
      const { name, revision } = source;
      const model = await loadModel(name, { revision, quantize }).catch((error: Error) => {
        throw new Error(`${where} cannot load the model: ${error.message}`);
      });
      if (fingerprint(model) === expected) return model;
      throw new Error(
        `the model ${name} of ${where} has other weights than that of the sweep (a hash of them is ${fingerprint(model)}, ` +
          `expected ${expected}). Put the same files there, and load the model anew where the sweep is.`,
      );
    }
  }
}

/** @throws when the trial is not what it was where it came from */
async function taskOf(assignment: Assignment, redis: Redis, models: Models): Promise<Task> {
  const base = await models.get(assignment.model);
  const data = new Map<string, string>();
  for (const hash of [assignment.data, assignment.heldOut]) {
    if (hash === undefined) continue;
    const text = await redis.get(dataKey(hash));
    if (text === null) throw new Error("the data of the sweep are in Redis no longer: call sweep again.");
    data.set(hash, text);
  }
  const task = restore(assignment, base, data);
  if (task.key === assignment.key) return task;
  throw new Error(
    `on ${hostname()} the trial is another one than where it came from (${task.key}, expected ${assignment.key}), as when ` +
      "one of them runs changed code: install the same loralab on both sides.",
  );
}

/** Lays what a run has come to where the submitter looks. */
function teller(redis: Redis, key: string): (run: Run) => void {
  let next = 0;
  let isTelling = false;
  return (run) => {
    if (performance.now() < next || isTelling) return;
    next = performance.now() + TOLD.every;
    isTelling = true; // until Redis has it: what waits for Redis to come back is one record, not all
    redis
      .set(liveKey(key), writeRun(thinned(run)), "EX", TOLD.seconds)
      .catch(() => {})
      .finally(() => {
        isTelling = false;
      });
  };
}

/** A run with some of its steps, the last one included. */
function thinned(run: Run): Run {
  const every = Math.ceil(run.steps.length / POINTS);
  const some = new Run(run.origin, run.settings, run.panels, run.epoch);
  some.id = run.id;
  some.time = run.time;
  some.steps.push(...run.steps.filter((_, i) => (run.steps.length - 1 - i) % every === 0));
  some.evaluations.push(...run.evaluations);
  return some;
}
