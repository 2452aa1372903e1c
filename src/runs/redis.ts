/**
 * What submitter and workers know in common: where in Redis things lie, and how it is reached.
 *
 * Trials wait in a queue of BullMQ, which hands each to one worker, holds it while that worker renews its lock, and gives it to
 * another one when the lock runs out. The queue is named after the versions of loralab, Node and ONNX Runtime: numbers depend
 * on them, so a worker of another version never gets the trial. Beside the queue lie the data, once for all trials, and what
 * running trials have come to.
 */
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { versions } from "../train/computer";

/** Before all names of ours. */
export const PREFIX = "loralab";
/** The queues of all versions. */
const QUEUES = `${PREFIX}:queues`;

/** What a worker is given, and what it gives back: an assignment and the record of a run, both as text. */
export type Trials = Queue<string, string>;

export const dataKey = (hash: string): string => `${PREFIX}:data:${hash}`;
export const liveKey = (trial: string): string => `${PREFIX}:live:${trial}`;

/** A trial is one job, however often it is submitted. */
export const jobId = (trial: string): string => `trial-${trial}`;

/** The queue of this process's versions: "trials of loralab 0.1.0, node 20.19.0, onnxruntime 1.30.0". */
export const queueName = (): string =>
  `trials of ${Object.entries(versions())
    .map(([name, version]) => `${name} ${version}`)
    .join(", ")}`;

/** The versions that a queue is for. */
export const versionsOf = (queue: string): string => queue.replace(/^trials of /, "");

/**
 * A connection to Redis, which comes back by itself after an outage; what is asked meanwhile waits.
 * @throws when there is no Redis at the address now
 */
export async function connect(url: string): Promise<Redis> {
  if (!/^rediss?:\/\/./.test(url))
    throw new Error(
      `expected the address of Redis, such as redis://localhost:6379, got ${JSON.stringify(url)}.`,
    );
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null });
  let reason: NodeJS.ErrnoException | undefined;
  redis.on("error", (error) => {
    reason = error;
  });
  try {
    await redis.connect();
  } catch (error) {
    redis.disconnect();
    const { code, message } = reason ?? (error as NodeJS.ErrnoException);
    throw new Error(
      `no Redis answers at ${withoutPassword(url)} (${code ?? message}). Start one, such as redis-server --appendonly yes.`,
      { cause: error },
    );
  }
  return redis;
}

export const withoutPassword = (url: string): string => url.replace(/\/\/[^@/]*@/, "//…@");

/** @param name by default that of this process's versions */
export async function openQueue(redis: Redis, name: string = queueName()): Promise<Trials> {
  const queue: Trials = new Queue(name, {
    connection: redis,
    prefix: PREFIX,
    // Nobody reads the stream of events.
    streams: { events: { maxLen: 100 } },
  });
  // A lost connection is an error to BullMQ; it comes back.
  queue.on("error", () => {});
  await redis.sadd(QUEUES, name);
  return queue;
}

/** The queues of other versions of which something holds, by name. */
export async function amongOthers(
  redis: Redis,
  holds: (queue: Trials) => Promise<boolean>,
): Promise<string[]> {
  const found: string[] = [];
  for (const name of await redis.smembers(QUEUES)) {
    if (name === queueName()) continue;
    const queue = await openQueue(redis, name);
    if (await holds(queue)) found.push(name);
    await queue.close();
  }
  return found;
}
