import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dora, full, lora } from "../../src/adapters";
import { compare, DISPLAY } from "../../src/display";
import type { LanguageModel } from "../../src/model";
import { type Sweep, sweep } from "../../src/runs";
import { loadRuns, type TrainOptions } from "../../src/train";
import { tinyModel } from "../train/tiny-model";
import { KILLED } from "./killed";

const DATA = [
  { prompt: "one and one?", completion: " two" },
  { prompt: "sky?", completion: " blue" },
];
const base = tinyModel();
const common = { data: DATA, steps: 2, batchSize: 2, evaluate: { every: 2, data: DATA } };
const sizes = (model: LanguageModel) => ({ size: model.trainableCount });
const small = (point: { rank: number }) => lora({ ...{ rank: point.rank }, targets: ["q_proj"] });

describe("sweeps", () => {
  const before = process.env.LORALAB_RUNS;
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "loralab-sweep-"));
    process.env.LORALAB_RUNS = folder;
  });
  afterEach(() => {
    process.env.LORALAB_RUNS = before;
    rmSync(folder, { recursive: true, force: true });
  });

  it("tries every point with every seed, and tells means with their intervals", async () => {
    const result = await sweep(base, {
      ...common,
      method: small,
      grid: { rank: [1, 2], learningRate: [1e-3, 1e-2] },
      seeds: 2,
    });
    const { table } = result;
    const column = (name: string) => table.column(name).values;
    assert.deepEqual(column("rank"), [1, 1, 2, 2]);
    assert.deepEqual(column("learningRate"), [1e-3, 1e-2, 1e-3, 1e-2]);
    assert.deepEqual(column("seeds"), [2, 2, 2, 2]);
    for (const { runs, outcome, point } of result.cells) {
      const [a, b] = runs.map((run) => run.evaluations.at(-1)!.values.loss!);
      assert.ok(Math.abs(outcome["held-out loss"]!.mean - (a! + b!) / 2) < 1e-12);
      // Two values: t of one degree of freedom is 12.7062, and s/√2 = |a − b|/2.
      assert.ok(Math.abs(outcome["held-out loss"]!.margin - (12.7062 * Math.abs(a! - b!)) / 2) < 1e-5);
      assert.deepEqual(
        runs.map(({ settings }) => [settings.seed, settings.learningRate]),
        [
          [0, point.learningRate],
          [1, point.learningRate],
        ],
      );
      assert.equal(runs[0]!.origin.adapter.rank, point.rank);
    }
    const means = result.cells.map(({ outcome }) => outcome["held-out loss"]!.mean);
    assert.equal(result.best, result.cells[means.indexOf(Math.min(...means))]);
    assert.equal(loadRuns().length, 8);
    assert.match(JSON.stringify(compare(result.runs).layout), /ends lowest: held-out loss/);
  });

  it("goes on where it was interrupted, and gives the table that one call would have given", async () => {
    const stop = { now: undefined as AbortController | undefined, after: 0 };
    // The third trial stops the sweep while it is evaluated.
    const measure = (model: LanguageModel) => {
      if (stop.now && ++stop.after === 4) stop.now.abort();
      return model.trainableCount;
    };
    const again = (signal?: AbortSignal, workers = 2): Promise<Sweep> =>
      sweep(base, {
        ...common,
        steps: 3,
        evaluate: { every: 2, data: DATA, measures: { measure, sizes } },
        method: { lora: small, full },
        grid: { rank: [1, 2], learningRate: [1e-3] },
        seeds: [0, 5],
        signal,
        workers,
      });
    const whole = await again();
    assert.equal(whole.missing, 0);
    const another = mkdtempSync(join(tmpdir(), "loralab-sweep-"));
    process.env.LORALAB_RUNS = another;
    try {
      stop.now = new AbortController();
      const part = await again(stop.now.signal, 1);
      const done = part.runs.length;
      assert.ok(done > 0 && done < whole.runs.length, `${done} of ${whole.runs.length}`);
      assert.equal(part.missing, whole.runs.length - done);
      assert.match(part[DISPLAY]()["text/plain"], /stopped with \d trials? to go/);
      stop.now = undefined;
      const rest = await again(undefined, 1);
      assert.deepEqual(rest.table.values, whole.table.values);
      assert.deepEqual(rest.table.columns, whole.table.columns);
      assert.deepEqual(
        rest.cells.map(({ runs }) => runs.map(({ losses }) => losses)),
        whole.cells.map(({ runs }) => runs.map(({ losses }) => losses)),
      );
      assert.deepEqual(
        rest[DISPLAY]()["application/vnd.plotly.v1+json"],
        whole[DISPLAY]()["application/vnd.plotly.v1+json"],
      );
      assert.equal(rest.id, whole.id);
      // What was finished before was not done again.
      assert.equal(loadRuns().filter(({ status }) => status === "finished").length, whole.runs.length);
      const third = await again();
      assert.deepEqual(
        third.runs.map(({ id }) => id),
        rest.runs.map(({ id }) => id),
      );
    } finally {
      rmSync(another, { recursive: true, force: true });
    }
  });

  it("goes on after its process was killed, and has nothing done twice", async function () {
    this.timeout(60_000);
    const child = spawn(process.execPath, ["--import", "tsx", join(__dirname, "sweep.child.ts")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await ended;
    const before = loadRuns();
    const done = before.filter(({ status }) => status === "finished");
    assert.ok(done.length > 0 && done.length < 8, `${done.length} of 8`);
    assert.ok(before.every(({ status }) => status === "finished" || status === "interrupted"));
    const result = await sweep(base, { ...KILLED, method: lora });
    assert.equal(result.missing, 0);
    const finished = loadRuns().filter(({ status }) => status === "finished");
    assert.equal(finished.length, 8);
    assert.equal(new Set(finished.map(({ origin }) => origin.notes.trial)).size, 8);
    for (const { id } of done) assert.ok(result.runs.some((run) => run.id === id));
    process.env.LORALAB_RUNS = join(folder, "in peace");
    const peace = await sweep(base, { ...KILLED, method: lora });
    assert.deepEqual(result.table.values, peace.table.values);
  });

  it("does a trial anew when anything that decides it is another", async () => {
    const one = (
      more: Partial<TrainOptions> = {},
      of = base,
      method = lora({ rank: 1, targets: ["q_proj"] }),
    ) => sweep(of, { ...common, method, seeds: 1, ...more });
    const ids = async (...args: Parameters<typeof one>) => (await one(...args)).runs[0]!.id;
    const first = await ids();
    assert.equal(await ids(), first);
    const others = [
      await ids({ data: DATA.slice(1) }),
      await ids({ evaluate: { every: 1, data: DATA } }),
      await ids({ evaluate: { every: 2, data: DATA, measures: { one: () => 1 } } }),
      await ids({ evaluate: { every: 2, data: DATA, measures: { one: () => 2 } } }),
      await ids({ steps: 3 }),
      await ids({ warmup: 1 }),
      await ids({}, base, lora({ rank: 1, alpha: 2, targets: ["q_proj"] })),
      await ids({}, tinyModel({ rms_norm_eps: 1e-3 })),
    ];
    assert.equal(new Set([first, ...others]).size, 9);
  });

  it("compares methods, and tries one that does not heed an axis once", async () => {
    const { cells, table } = await sweep(base, {
      ...common,
      method: { lora, dora, full },
      grid: { rank: [1, 2] },
    });
    assert.deepEqual(
      cells.map(({ method, point }) => [method, point.rank]),
      [
        ["lora", 1],
        ["lora", 2],
        ["dora", 1],
        ["dora", 2],
        ["full", undefined],
      ],
    );
    assert.deepEqual(table.column("rank").values, [1, 2, 1, 2, "–"]);
  });

  it("keeps a trial that fails with its reason, and goes on", async () => {
    const wild = { data: DATA, steps: 30, batchSize: 2, maxGradientNorm: Infinity };
    const result = await sweep(base, {
      ...wild,
      method: lora({ rank: 1 }),
      grid: { learningRate: [1e30, 1e-3] },
      seeds: 2,
    });
    const [high, low] = result.cells;
    assert.equal(high!.runs.length, 0);
    assert.match(high!.failures[0]!.reason, /^train: the (loss|gradient|weight) /);
    assert.equal(low!.runs.length, 2);
    assert.equal(result.best, low);
    assert.equal(result.missing, 0);
    const text = result[DISPLAY]()["text/plain"];
    assert.match(text, /lowest training loss .* at learningRate 0\.001; 2 trials failed/);
    assert.match(text, /learningRate 1e\+30, seed 1 failed: train: /);
  });

  it("takes options of training that are no numbers, and settings made of others, as axes", async () => {
    const { cells } = await sweep(base, {
      ...common,
      method: ({ rank, where }) => lora({ rank, alpha: 2 * rank, targets: where }),
      grid: { rank: [1], where: [["q_proj"], ["q_proj", "v_proj"]], schedule: ["constant", "linear"] },
    });
    assert.deepEqual(
      cells.map(({ runs: [run] }) => [
        run!.origin.adapter.alpha,
        run!.origin.adapter.targets,
        run!.settings.schedule,
      ]),
      [
        [2, ["q_proj"], "constant"],
        [2, ["q_proj"], "linear"],
        [2, ["q_proj", "v_proj"], "constant"],
        [2, ["q_proj", "v_proj"], "linear"],
      ],
    );
  });

  it("shows its progress where the kernel offers a bar", async () => {
    const globals = globalThis as { progress?: unknown };
    const seen: unknown[] = [];
    globals.progress = async function* (items: AsyncIterable<unknown>, options: unknown) {
      seen.push(options);
      for await (const item of items) {
        seen.push("trial");
        yield item;
      }
    };
    try {
      await sweep(base, { ...common, method: lora({ rank: 1 }), seeds: 2 });
    } finally {
      delete globals.progress;
    }
    assert.deepEqual(seen, [{ label: "sweep", total: 2 }, "trial", "trial"]);
  });

  it("says what is wrong before it trains anything", async () => {
    const wrong: [RegExp, Record<string, unknown>][] = [
      [/axis rank must be a list of values to try, got 8/, { grid: { rank: 8 } }],
      [/axis rank must be a list/, { grid: { rank: [] } }],
      [/axis rank has 8 twice/, { grid: { rank: [8, 8] } }],
      [
        /nothing heeds the axis rnak: it is no training option \(steps, .*lora did not read it/,
        { grid: { rnak: [1] }, method: { lora } },
      ],
      [/learningRate is given as an option and as an axis/, { learningRate: 1, grid: { learningRate: [1] } }],
      [/at lora, rank 1000: .*rank/, { grid: { rank: [1, 1000] } }],
      [/at rank 0\.5: lora: rank must be a whole number/, { grid: { rank: [0.5] } }],
      [/at lora, learningRate -1: train: learningRate must be above 0/, { grid: { learningRate: [-1] } }],
      [/training data is empty/, { data: [] }],
      [/expected steps/, { steps: undefined }],
      [/seeds must be a whole number from 1/, { seeds: 0 }],
      [/seeds must be .* got \[1,1\]/, { seeds: [1, 1] }],
      [/data cannot be an axis/, { grid: { data: [DATA] }, data: undefined }],
      [/expected a method: lora/, { method: {} }],
      [/mine is no method/, { method: { mine: () => 3 } }],
      [/workers must be a whole number/, { workers: 0 }],
    ];
    for (const [message, options] of wrong)
      await assert.rejects(sweep(base, { ...common, method: lora, ...options } as never), message);
    assert.deepEqual(loadRuns(), []);
  });
});
