import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lora } from "../../src/adapters";
import "../../src/display";
import { generator } from "../../src/engine";
import { loadModel } from "../../src/model";
import { sweep } from "../../src/runs";
import { loadRuns } from "../../src/train";
import { startRedis, startWorker, type TestRedis, type TestWorker } from "./support";

const DATA = [
  { prompt: "one and one?", completion: " two" },
  { prompt: "sky?", completion: " blue" },
];
const KILLS = 4;

describe("a sweep whose workers and whose Redis are killed", () => {
  const before = process.env.LORALAB_RUNS;
  const folder = mkdtempSync(join(tmpdir(), "loralab-redis-"));
  let redis: TestRedis;
  const workers = new Set<TestWorker>();

  after(async () => {
    process.env.LORALAB_RUNS = before;
    for (const worker of workers) worker.process.kill("SIGKILL");
    await Promise.all([...workers].map(({ ended }) => ended));
    await redis?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  it("loses no trial, counts none twice, and has the numbers of a sweep that ran here undisturbed", async function () {
    this.timeout(240_000);
    redis = await startRedis(folder);
    const base = await loadModel("nano");
    const options = {
      ...{ method: lora, grid: { rank: [1, 2], learningRate: [1e-3, 1e-2] }, seeds: 3 },
      ...{ data: DATA, steps: 60, batchSize: 2, evaluate: { every: 30, data: DATA }, display: false },
    };
    const random = generator(20261126);
    const begun: string[] = [];
    let kills = 0;
    const employ = () => {
      const worker = startWorker(redis.url, join(folder, "of-workers"), (line) => {
        const key = line.match(/^(\w+) .*: begun$/)?.[1];
        if (!key) return;
        begun.push(key);
        if (kills >= KILLS || random() < 0.5) return;
        kills++;
        // In the midst of what it has just begun.
        setTimeout(() => {
          worker.process.kill("SIGKILL");
          workers.delete(worker);
          employ();
        }, 500 * random());
      });
      workers.add(worker);
    };
    employ();
    employ();
    employ();

    process.env.LORALAB_RUNS = join(folder, "here");
    let restarted = false;
    const watch = setInterval(async () => {
      if (restarted || loadRuns().length < 4) return;
      restarted = true;
      await redis.kill("SIGKILL");
      setTimeout(() => redis.start(), 1000);
    }, 100);
    const result = await sweep(base, { ...options, on: redis.url });
    clearInterval(watch);
    assert.equal(kills, KILLS);
    assert.ok(restarted);
    assert.ok(begun.length > new Set(begun).size, "no trial was begun twice, so none was interrupted");

    const recorded = loadRuns();
    assert.equal(result.missing, 0);
    assert.deepEqual(
      result.cells.flatMap(({ failures }) => failures),
      [],
    );
    assert.equal(recorded.length, 12);
    assert.equal(new Set(recorded.map(({ origin }) => origin.notes.trial)).size, 12);

    process.env.LORALAB_RUNS = join(folder, "undisturbed");
    const local = await sweep(base, options);
    assert.deepEqual(result.table.values, local.table.values);
    const numbers = ({ runs }: typeof local) =>
      runs.map(({ losses, evaluations }) => [losses, evaluations.map(({ values }) => values)]);
    assert.deepEqual(numbers(result), numbers(local));
  });
});
