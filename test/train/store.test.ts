import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { full, lora } from "../../src/adapters";
import "../../src/display";
import { loadRun, loadRuns, type TrainOptions, train } from "../../src/train";
import { keepRun, writeRun } from "../../src/train/store";
import { tinyModel } from "./tiny-model";

const DATA = [
  { prompt: "one and one?", completion: " two" },
  { prompt: "sky?", completion: " blue" },
];
const base = tinyModel();
const trained = (more: Partial<TrainOptions> = {}, method = lora({ rank: 2, targets: /.*q_proj/ })) =>
  train(base.attach(method), { data: DATA, steps: 4, batchSize: 2, ...more });

describe("the store of runs", () => {
  const before = process.env.LORALAB_RUNS;
  let folder: string;
  let warnings: unknown[];
  const { warn } = console;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "loralab-store-"));
    process.env.LORALAB_RUNS = folder;
    warnings = [];
    console.warn = (...said) => warnings.push(said.join(" "));
  });
  afterEach(() => {
    console.warn = warn;
    process.env.LORALAB_RUNS = before;
    rmSync(folder, { recursive: true, force: true });
  });
  const fileOf = (id: string) => join(folder, readdirSync(folder).find((name) => name.includes(id))!);

  it("gives back a run as it was, with its curves and its table", async () => {
    const run = await trained({
      evaluate: { every: 2, data: DATA, measures: { broken: () => Number.NaN } },
      maxGradientNorm: Infinity,
      record: { note: "first try" },
    });
    const read = loadRun(run.id);
    assert.deepEqual(read.steps, run.steps);
    assert.deepEqual(read.evaluations, run.evaluations);
    assert.deepEqual(read.settings, run.settings);
    assert.deepEqual(read.origin, run.origin);
    assert.deepEqual(
      [read.id, read.time, read.status, read.epoch, read.compileMilliseconds],
      [run.id, run.time, "finished", run.epoch, run.compileMilliseconds],
    );
    assert.deepEqual(read.curves, run.curves);
    assert.deepEqual(read.table.values, run.table.values);
  });

  it("says what was trained, on what and where", async () => {
    const { origin } = await trained({ evaluate: { every: 2, data: DATA } });
    assert.equal(origin.model, "tiny");
    assert.equal(origin.method, "lora");
    assert.equal(origin.adapter.rank, 2);
    assert.equal(origin.adapter.targets, "/.*q_proj/");
    assert.equal(origin.parameters, base.parameterCount);
    assert.equal(origin.evaluation!.data, origin.data);
    assert.equal(origin.device.name, "cpu");
    assert.equal(origin.versions.node, process.versions.node);
    assert.match(origin.versions.loralab!, /^\d+\.\d+\.\d+$/);
    assert.match(origin.versions.onnxruntime!, /^\d+\.\d+\.\d+$/);
    const other = await trained({ data: DATA.slice(1) });
    assert.notEqual(other.origin.data, origin.data);
    assert.equal(other.origin.fingerprint, origin.fingerprint);
    const student = base.attach(full());
    await train(student, { data: DATA, steps: 2 });
    assert.equal((await train(student, { data: DATA, steps: 1 })).origin.earlierSteps, 2);
    const merged = await train(student.merge().attach(lora()), { data: DATA, steps: 1 });
    assert.notEqual(merged.origin.fingerprint, origin.fingerprint);
    assert.equal(merged.origin.earlierSteps, 0);
  });

  it("lists the newest first, and finds one by the beginning of its id", async () => {
    const runs = [await trained(), await trained(), await trained()];
    const ids = runs.map(({ id }) => id);
    assert.deepEqual(
      loadRuns().map(({ id }) => id),
      ids.toReversed(),
    );
    assert.equal(loadRun(ids[1]!.slice(0, 6)).id, ids[1]);
    assert.throws(() => loadRun("!"), new RegExp(`no run of .* begins with "!"; the newest are ${ids[2]}`));
    assert.throws(() => loadRun(""), /3 runs of .* begin with ""; they are /);
  });

  it("takes a run that was recorded elsewhere, once, under its own id", async () => {
    const run = await trained({ evaluate: { every: 2, data: DATA } });
    const text = writeRun(run);
    // While it trains, lines are written as they come to hand, steps and evaluations in their own orders.
    const linesOf = (text: string) => text.split("\n").sort();
    assert.deepEqual(linesOf(text), linesOf(readFileSync(fileOf(run.id), "utf8")));
    process.env.LORALAB_RUNS = join(folder, "there");
    for (const _ of [1, 2]) assert.equal(keepRun(text).id, run.id);
    const [kept, ...others] = loadRuns();
    assert.deepEqual(others, []);
    assert.deepEqual(kept, loadRun(run.id));
    assert.deepEqual([kept!.steps, kept!.evaluations], [run.steps, run.evaluations]);
    assert.deepEqual([kept!.status, kept!.origin], ["finished", run.origin]);
    assert.throws(() => keepRun("{}"), /the text is no recorded run/);
    process.env.LORALAB_RUNS = "off";
    assert.deepEqual(keepRun(text).losses, run.losses);
  });

  it("keeps what a killed process has done", async function () {
    this.timeout(60_000);
    const child = spawn(process.execPath, ["--import", "tsx", join(__dirname, "store.child.ts")], {
      env: { ...process.env, LORALAB_RUNS: folder },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    const [said] = await once(child.stdout!, "data");
    // Meanwhile this process writes to the same folder.
    const [running] = loadRuns();
    const [a, b] = await Promise.all([trained({ seed: 1 }), trained({ seed: 2 })]);
    child.kill("SIGKILL");
    await ended;
    assert.equal(running!.status, "running");
    const killed = loadRun(running!.id);
    assert.equal(killed.status, "interrupted");
    assert.deepEqual(killed.origin.notes, { note: "killed" });
    assert.ok(killed.steps.length > 0 && Number(said) > 0);
    assert.deepEqual(
      killed.steps.map(({ step }) => step),
      killed.steps.map((_, i) => i + 1),
    );
    assert.match(killed.curves.layout.title ? JSON.stringify(killed.curves.layout) : "", /interrupted after/);
    assert.deepEqual(loadRun(a.id).losses, a.losses);
    assert.deepEqual(loadRun(b.id).losses, b.losses);
    assert.equal(loadRuns().length, 3);
  });

  it("reads around what is damaged and passes over what is not its own", async () => {
    const run = await trained();
    const path = fileOf(run.id);
    const lines = readFileSync(path, "utf8").split("\n");
    // A line in the middle is garbage, the end is cut off within a line.
    lines[2] = '{"type":"step","step":2,"lo\u0000ss"';
    writeFileSync(path, lines.join("\n").slice(0, -20));
    const read = loadRun(run.id);
    assert.equal(read.status, "interrupted");
    assert.deepEqual(
      read.steps.map(({ step }) => step),
      [1, 3, 4],
    );
    writeFileSync(join(folder, "notes.txt"), "mine");
    writeFileSync(join(folder, "20260101-000000-000-aaaaaaaa.jsonl"), "");
    writeFileSync(join(folder, "20260101-000000-000-bbbbbbbb.jsonl"), '{"type":"run","format":999}\n');
    writeFileSync(join(folder, "20260101-000000-000-dddddddd.jsonl"), "null\n[1]\n");
    mkdirSync(join(folder, "20260101-000000-000-cccccccc.jsonl"));
    assert.deepEqual(
      loadRuns().map(({ id }) => id),
      [run.id],
    );
    assert.throws(() => loadRun("aaaa"), /is damaged: its first line is no run/);
  });

  it("warns once where it cannot write, and training goes on", async () => {
    const file = join(folder, "a-file");
    appendFileSync(file, "");
    process.env.LORALAB_RUNS = join(file, "runs"); // no folder can be there
    assert.equal((await trained()).status, "finished");
    assert.equal((await trained()).status, "finished");
    assert.equal(warnings.length, 1);
    assert.match(String(warnings[0]), /Runs cannot be recorded in .*a-file.runs: .*Training goes on/);
    // The folder goes away while the run is on.
    const gone = join(folder, "gone");
    process.env.LORALAB_RUNS = gone;
    const run = await trained({ onStep: () => rmSync(gone, { recursive: true, force: true }) });
    assert.equal(run.status, "finished");
    assert.equal(warnings.length, 2);
  });

  it("keeps nothing when told so", async () => {
    await trained({ record: false });
    process.env.LORALAB_RUNS = "off";
    const run = await trained();
    assert.deepEqual(loadRuns(), []);
    assert.throws(() => loadRun(run.id), /no run of LORALAB_RUNS=off/);
    assert.deepEqual(readdirSync(folder), []);
  });

  it("records why a run failed", async () => {
    await assert.rejects(
      trained({ steps: 50, learningRate: 1e30, maxGradientNorm: Infinity }),
      /is NaN|is Inf/,
    );
    const [run] = loadRuns();
    assert.equal(run!.status, "failed");
    assert.match(run!.error!, /^train: the (loss|gradient|weight) /);
  });

  it("records a run that was stopped as stopped", async () => {
    const stop = new AbortController();
    const run = await trained({ signal: stop.signal, onStep: () => stop.abort() });
    assert.equal(loadRun(run.id).status, "stopped");
    assert.equal(loadRun(run.id).steps.length, 1);
  });
});
