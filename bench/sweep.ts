/**
 * How many trials a minute a sweep on `small` comes to: with the threads of this process, and handed to 1, 2 and 4 workers of
 * one trial at a time on the same computer, through a Redis of its own. Each a ratio to the threads, in turns; and the processor
 * time of a trial, which a busy computer leaves as it is, reading the model and building programs included.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lora } from "../src/adapters";
import { loadModel } from "../src/model";
import { sweep } from "../src/runs";
import { capitals } from "../src/train";
import { startRedis, startWorker } from "../test/redis/support";

const ROUNDS = 3;
const TRIALS = 8;
const STEPS = 40;
const WORKERS = [0, 1, 2, 4];

export async function sweepBench(): Promise<Record<string, Record<string, number>>> {
  const folder = mkdtempSync(join(tmpdir(), "loralab-bench-"));
  const redis = await startRedis(folder);
  const base = await loadModel("small");
  const { train: data } = capitals({ seed: 0 });
  const rates = new Map(WORKERS.map((count) => [count, [] as number[]]));
  const costs = new Map(WORKERS.map((count) => [count, [] as number[]]));
  let seed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const count of WORKERS) {
      process.env.LORALAB_RUNS = join(folder, `${round} ${count}`);
      let ready = () => {};
      const all = new Promise<void>((resolve) => {
        ready = resolve;
      });
      let waited = count;
      const workers = Array.from({ length: count }, () =>
        startWorker(redis.url, process.env.LORALAB_RUNS!, (line) => {
          if (line.startsWith("takes") && --waited === 0) ready();
        }),
      );
      if (count > 0) await all;
      const processes = count === 0 ? [process.pid] : workers.map((worker) => worker.process.pid!);
      const before = cpuSeconds(processes);
      const started = performance.now();
      const { runs } = await sweep(base, {
        ...{ method: lora({ rank: 8 }), data, steps: STEPS, batchSize: 8, display: false },
        seeds: Array.from({ length: TRIALS }, () => seed++),
        ...(count > 0 && { on: redis.url }),
      });
      rates.get(count)!.push((60_000 * runs.length) / (performance.now() - started));
      costs.get(count)!.push((cpuSeconds(processes) - before) / runs.length);
      for (const worker of workers) worker.process.kill("SIGTERM");
      await Promise.all(workers.map(({ ended }) => ended));
    }
  }
  await redis.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
  const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
  const here = median(rates.get(0)!);
  return Object.fromEntries(
    [...rates].map(([count, all]) => [
      count === 0 ? "threads here" : `${count} worker${count > 1 ? "s" : ""}`,
      {
        "trials a minute": median(all),
        "of threads here": median(all) / here,
        "CPU s a trial": median(costs.get(count)!),
      },
    ]),
  );
}

/** What processes have used of all cores so far. */
const cpuSeconds = (pids: readonly number[]): number =>
  execFileSync("ps", ["-o", "cputimes=", "-p", pids.join()], { encoding: "utf8" })
    .trim()
    .split("\n")
    .reduce((sum, seconds) => sum + Number(seconds), 0);
