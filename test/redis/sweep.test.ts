import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "bullmq";
import {
  adalora,
  dora,
  eva,
  full,
  houlsby,
  lora,
  mixture,
  olora,
  pissa,
  qalora,
  vera,
} from "../../src/adapters";
import { DISPLAY, type Figure } from "../../src/display";
import { type LanguageModel, loadModel, type Method, saveModel } from "../../src/model";
import { type Sweep, type SweepOptions, sweep } from "../../src/runs";
import { connect, openQueue, PREFIX, queueName, type Trials } from "../../src/runs/redis";
import { work } from "../../src/runs/worker";
import { dpo, grpo, loadRuns, rewardModel, sft } from "../../src/train";
import { tinyModel } from "../train/tiny-model";
import { startRedis, type TestRedis } from "./support";

const DATA = [
  { prompt: "one and one?", completion: " two" },
  { prompt: "sky?", completion: " blue" },
];
const PAIRS = [{ prompt: "sky?", chosen: " blue", rejected: " red" }];
const common = { data: DATA, steps: 2, batchSize: 2, display: false, method: lora({ rank: 1 }) };

describe("sweeps on Redis", () => {
  const runsBefore = process.env.LORALAB_RUNS;
  const folder = mkdtempSync(join(tmpdir(), "loralab-redis-"));
  let redis: TestRedis;
  let base: LanguageModel;
  let queue: Trials;
  let close: () => void;

  /** Sweeps with the store in a folder of that name. */
  const recorded = (
    name: string,
    options: Partial<SweepOptions<any, any>> = {},
    of = base,
  ): Promise<Sweep> => {
    process.env.LORALAB_RUNS = join(folder, name);
    return sweep(of, { ...common, ...options } as never);
  };
  /** Works, in this process, while `during` does. */
  const withWorker = async <T>(during: (said: string[]) => Promise<T>): Promise<T> => {
    const said: string[] = [];
    const stop = new AbortController();
    const works = work(redis.url, { trials: 1, signal: stop.signal, say: (line) => said.push(line) });
    try {
      return await during(said);
    } finally {
      stop.abort();
      await works;
    }
  };
  const begun = (said: string[]) => said.filter((line) => line.endsWith(": begun"));
  const numbers = ({ runs }: Sweep) =>
    runs.map(({ losses, evaluations }) => [
      losses,
      evaluations.map(({ values, samples }) => [values, samples]),
    ]);
  const until = async (holds: () => unknown) => {
    while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  before(async () => {
    redis = await startRedis(folder);
    await saveModel(tinyModel(), join(folder, "tiny"));
    base = await loadModel(join(folder, "tiny"));
    const connection = await connect(redis.url);
    queue = await openQueue(connection);
    close = () => connection.disconnect();
  });
  afterEach(() => queue.obliterate({ force: true }));
  after(async () => {
    process.env.LORALAB_RUNS = runsBefore;
    close();
    await redis.kill("SIGTERM");
    rmSync(folder, { recursive: true, force: true });
  });

  it("gives the numbers of a sweep here, of every method, objective and kind of setting, from a model in 4 bits too", async function () {
    this.timeout(120_000);
    const evaluate = { every: 1, data: DATA.slice(1), prompts: ["one and", "sky?"] };
    const methods: Record<string, Method> = {
      ...{
        full: full(),
        dora: dora({ rank: 1 }),
        vera: vera({ rank: 4 }),
        houlsby: houlsby({ bottleneck: 2 }),
      },
      pattern: lora({
        rank: 2,
        targets: /.*self_attn\.[qv]_proj/,
        rankPattern: { q_proj: 1 },
        loraPlusRatio: 4,
      }),
      ...{ pissa: lora({ rank: 1, init: pissa }), olora: lora({ rank: 1, init: olora, dropout: 0.5 }) },
      mixture: mixture({ experts: 2, topK: 1, rank: 1 }),
      adalora: adalora({ totalSteps: 2, initRank: 2, targetRank: 1, tInit: 0, tFinal: 1, deltaT: 1 }),
    };
    const int4 = base.quantize({ type: "int4", groupSize: 16 });
    const nf4 = base.quantize({ type: "fp4", blockSize: 32, doubleQuantization: true });
    const sweeps: [Partial<SweepOptions<any, any>>, LanguageModel][] = [
      [{ method: methods, evaluate, grid: { maxGradientNorm: [Infinity] }, seeds: [3, 1] }, base],
      [{ method: qalora({ rank: 1 }), evaluate, schedule: "linear", optimizer: "sgd" }, int4],
      [{ objective: sft({ sequenceLength: 24, completionOnly: false }) }, nf4],
      [{ data: PAIRS, evaluate: { every: 2, data: PAIRS }, objective: dpo({ beta: 0.3 }) }, base],
      [{ data: PAIRS, objective: rewardModel(), method: lora({ rank: 1, modulesToSave: ["score"] }) }, base],
    ];
    await withWorker(async () => {
      for (const [i, [options, of]] of sweeps.entries()) {
        const there = await recorded(`there ${i}`, { ...options, on: redis.url }, of);
        const here = await recorded(`here ${i}`, options, of);
        assert.deepEqual(
          there.cells.flatMap(({ failures }) => failures),
          [],
        );
        assert.ok(here.runs.length > 0);
        assert.deepEqual(numbers(there), numbers(here));
        assert.equal(there.id, here.id);
      }
    });
  });

  it("takes what was done while nobody waited, and has nothing done twice", async () => {
    const options = { seeds: 4, on: redis.url };
    const stop = new AbortController();
    await withWorker(async (said) => {
      const first = recorded("closed", { ...options, signal: stop.signal });
      await until(() => said.some((line) => line.includes(": finished")));
      stop.abort();
      const part = await first;
      assert.equal(part.runs.length + part.missing, 4);
      const second = await recorded("another", options);
      assert.equal(second.runs.length, 4);
      const again = await recorded("closed", options);
      assert.deepEqual(numbers(again), numbers(second));
      assert.equal(loadRuns().length, 4);
      // The runs themselves, not others like them.
      const ids = ({ runs }: Sweep) => runs.map(({ id }) => id);
      assert.deepEqual(ids(again), ids(second));
      assert.equal(begun(said).length, 4);
      // What the store has is asked of nobody.
      assert.deepEqual(ids(await recorded("another", { seeds: 4, on: "redis://127.0.0.1:1" })), ids(second));
    });
  });

  it("withdraws at Stop what no worker has begun, and another call for the same does it still", async () => {
    const stop = new AbortController();
    const first = recorded("stopped", { seeds: 3, on: redis.url, signal: stop.signal });
    await until(async () => (await queue.getWaitingCount()) === 3);
    const second = recorded("waits", { seeds: 3, on: redis.url });
    stop.abort();
    assert.equal((await first).missing, 3);
    const result = await withWorker(() => second);
    assert.equal(result.missing, 0);
    assert.equal(await queue.getWaitingCount(), 0);
  });

  it("stops at once while Redis is away", async () => {
    const stop = new AbortController();
    const sweeps = recorded("away", { on: redis.url, signal: stop.signal });
    await until(async () => (await queue.getWaitingCount()) === 1);
    await redis.kill("SIGKILL");
    stop.abort();
    assert.equal((await sweeps).missing, 1);
    await redis.start();
    assert.equal(await queue.getWaitingCount(), 1);
  });

  it("submits again what Redis has lost", async () => {
    const sweeps = recorded("lost", { seeds: 2, on: redis.url });
    await until(async () => (await queue.getWaitingCount()) === 2);
    const connection = await connect(redis.url);
    await connection.flushall();
    connection.disconnect();
    assert.equal((await withWorker(() => sweeps)).runs.length, 2);
  });

  it("gives back a trial when its worker is stopped", async () => {
    const sweeps = recorded("back", { steps: 400, seeds: 1, on: redis.url });
    await withWorker((said) => until(() => begun(said).length === 1));
    assert.equal(await queue.getWaitingCount(), 1);
    assert.equal((await queue.getWaiting())[0]!.stalledCounter, 0);
    assert.equal((await withWorker(() => sweeps)).runs[0]!.steps.length, 400);
  });

  it("gives what a dead worker had to another one, which tells what is done already, and gives up after five deaths", async () => {
    const local = await recorded("dead", { seeds: [0] });
    const sweeps = recorded("of dead", { seeds: [0, 1], on: redis.url });
    await until(async () => (await queue.getWaitingCount()) === 2);
    const connection = await connect(redis.url);
    const dead = new Worker(queueName(), () => new Promise(() => {}), {
      ...{ connection, prefix: PREFIX, concurrency: 2 },
      ...{ lockDuration: 500, skipLockRenewal: true, skipStalledCheck: true },
    });
    await until(async () => (await queue.getActiveCount()) === 2);
    await dead.close(true);
    const deadly = (await queue.getActive()).find(({ data }) => JSON.parse(data).seed === 1)!;
    await connection.hset(queue.toKey(deadly.id!), "stc", "5");
    connection.disconnect();
    process.env.LORALAB_RUNS = join(folder, "dead"); // the worker's store, in which seed 0 is done
    await withWorker(async (said) => {
      const { cells } = await sweeps;
      assert.deepEqual(
        cells[0]!.runs.map(({ id }) => id),
        local.runs.map(({ id }) => id),
      );
      assert.match(cells[0]!.failures[0]!.reason, /^6 workers ended while they had it/);
      assert.ok(said.some((line) => line.endsWith(": done before, told now")));
      assert.deepEqual(begun(said), []);
    });
  });

  it("tells why a trial failed, and tries it again in the next call", async () => {
    const wild = { steps: 30, maxGradientNorm: Infinity, grid: { learningRate: [1e30] }, on: redis.url };
    await withWorker(async (said) => {
      for (const time of [1, 2]) {
        const { cells, missing } = await recorded("wild", wild);
        assert.match(cells[0]!.failures[0]!.reason, /^train: the (loss|gradient|weight) /);
        assert.equal(missing, 0);
        assert.equal(begun(said).length, time);
      }
    });
  });

  it("shows the curves of trials at work, and how far the sweep is", async () => {
    const shown: { id: string; text: string; curves: number }[] = [];
    const globals = globalThis as { display?: unknown };
    globals.display = (figure: Figure, { id }: { id: string }) =>
      shown.push({ id, text: figure[DISPLAY]()["text/plain"], curves: figure.data.length });
    try {
      await withWorker(() => recorded("shown", { steps: 2000, seeds: 2, on: redis.url, display: undefined }));
    } finally {
      delete globals.display;
    }
    assert.equal(new Set(shown.map(({ id }) => id)).size, 1);
    assert.ok(
      shown.some(({ text, curves }) => /^. of 2 trials done, 1 at work, 1 worker/.test(text) && curves > 0),
    );
    assert.match(
      shown.at(-1)!.text,
      /^2 of 2 trials done, 1 worker; lowest training loss [\d.e-]+ at seed [01]\n/,
    );
  });

  it("goes on after the process that submitted it was killed", async () => {
    const options = { seeds: 3, steps: 50 };
    const settings = JSON.stringify({ ...options, data: DATA, batchSize: 2, on: redis.url });
    const child = spawn(
      process.execPath,
      ["--import", "tsx", join(__dirname, "submit.child.ts"), join(folder, "tiny"), settings],
      {
        env: { ...process.env, LORALAB_RUNS: join(folder, "killed") },
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
    const ended = once(child, "exit");
    await until(async () => (await queue.getWaitingCount()) === 3);
    child.kill("SIGKILL");
    await ended;
    await withWorker(async (said) => {
      await until(async () => (await queue.getCompletedCount()) === 3);
      const result = await recorded("killed", { ...options, on: redis.url });
      assert.equal(result.runs.length, 3);
      assert.equal(loadRuns().length, 3);
      assert.equal(begun(said).length, 3);
      assert.deepEqual(numbers(result), numbers(await recorded("killed here", options)));
    });
  });

  it("refuses a model that is another one where the worker is", async () => {
    const place = join(folder, "changed");
    await saveModel(tinyModel(), place);
    const model = await loadModel(place);
    await saveModel(tinyModel({ rms_norm_eps: 1e-3 }), place);
    await withWorker(async () => {
      const reason = async () =>
        (await recorded("changed", { on: redis.url }, model)).cells[0]!.failures[0]!.reason;
      assert.match(
        await reason(),
        /the model .*changed of worker \d+ on .* has other weights than that of the sweep/,
      );
      rmSync(place, { recursive: true });
      await saveModel(tinyModel(), join(folder, "elsewhere"));
      const other = await loadModel(join(folder, "elsewhere"));
      rmSync(join(folder, "elsewhere"), { recursive: true });
      const { cells } = await recorded("elsewhere", { on: redis.url, seeds: [7] }, other);
      assert.match(
        cells[0]!.failures[0]!.reason,
        /worker \d+ on .* cannot load the model: no model .*elsewhere/,
      );
    });
  });

  it("refuses workers of other versions, which say so too", async () => {
    const connection = await connect(redis.url);
    const name = "trials of loralab 0.0.1, node 18.0.0, onnxruntime 1.0.0";
    const other = await openQueue(connection, name);
    const worker = new Worker(name, async () => "", { connection, prefix: PREFIX });
    await worker.waitUntilReady();
    try {
      await until(async () => (await other.getWorkersCount()) === 1);
      await assert.rejects(
        recorded("versions", { on: redis.url }),
        /the workers at redis:.* have loralab 0\.0\.1, node 18.* this process has loralab .*install the same versions/,
      );
      assert.equal(await queue.getWaitingCount(), 0);
      await worker.close();
      await other.add("lora", "");
      await withWorker((said) =>
        until(() => said.some((line) => /trials wait for a worker with loralab 0\.0\.1/.test(line))),
      );
    } finally {
      await other.obliterate({ force: true });
      await connection.srem(`${PREFIX}:queues`, name);
      connection.disconnect();
    }
  });

  it("says what cannot travel, before anything is submitted", async () => {
    const student = base.attach(lora({ rank: 1 }));
    const own: Method = {
      method: "mine",
      bind: (of, seed) => ({ ...lora().bind(of, seed), method: "mine" }),
    };
    const changed: Method = { method: "lora", bind: (of, seed) => lora({ rank: 1 }).bind(of, seed + 1) };
    const refused: [RegExp, Partial<SweepOptions<any, any>>, LanguageModel?][] = [
      [/tiny exists in this process alone.*Save it with saveModel/, {}, student.merge()],
      [/exists in this process alone/, {}, tinyModel()],
      [/the measure size cannot travel/, { evaluate: { every: 1, measures: { size: () => 1 } } }],
      [/the measures a, b cannot travel/, { evaluate: { every: 1, measures: { a: () => 1, b: () => 2 } } }],
      [/the method mine cannot travel to a worker: expected one of adalora, dora, full/, { method: own }],
      [/the trial with method lora cannot travel/, { method: changed }],
      [
        /the initialisation eva was computed here/,
        { method: await eva(base, ["one and one?"], { rank: 1 }) },
      ],
      [/the objective grpo cannot travel/, { data: [{ prompt: "a" }], objective: grpo({ reward: () => 1 }) }],
      [
        /no Redis answers at redis:\/\/…@127\.0\.0\.1:1 \(ECONNREFUSED\)\. Start one/,
        { on: "redis://:secret@127.0.0.1:1" },
      ],
      [
        /expected the address of Redis, such as redis:\/\/localhost:6379, got "localhost"/,
        { on: "localhost" },
      ],
      [/workers is for trials that are done here/, { workers: 2 }],
    ];
    for (const [message, options, of] of refused)
      await assert.rejects(recorded("refused", { on: redis.url, ...options }, of), message);
    assert.equal(await queue.getWaitingCount(), 0);
  });
});
