import assert from "node:assert/strict";
import { full, lora } from "../../src/adapters";
import { runs } from "../../src/display";
import { runsTable } from "../../src/display/runs-table";
import { loadRuns } from "../../src/train";
import { runOf, tinyModel } from "./models";

const base = tinyModel();

describe("the table of runs", () => {
  it("has a row for each run with what it was told and what it came to", () => {
    const first = runOf(base.attach(lora({ rank: 2, targets: ["q_proj", "v_proj"], rsLoRA: true })), [4, 3]);
    first.evaluations.push({ step: 2, values: { loss: 2.5, answers: 0.75 }, milliseconds: 1 });
    const second = runOf(base.attach(full()), [], { steps: 5, learningRate: 1e-4, seed: 3 });
    const table = runsTable([first, second]);
    const column = (name: string) => table.column(name).values;
    assert.deepEqual(column("id"), [first.id, second.id]);
    assert.deepEqual(column("settings"), ["rank 2, alpha 2, targets q_proj+v_proj, rsLoRA", ""]);
    assert.deepEqual(column("steps"), [2, 0]);
    assert.deepEqual(column("training loss"), [3, Number.NaN]);
    assert.deepEqual(column("held-out loss"), [2.5, Number.NaN]);
    assert.deepEqual(column("answers"), [0.75, Number.NaN]);
    assert.deepEqual(column("learningRate"), [Number.NaN, 1e-4]);
    assert.match(String(column("time")[0]), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  });

  it("is that of the store", () => assert.equal(runs().shape[0], loadRuns().length));

  it("has its columns where nothing was recorded", () => {
    assert.equal(runsTable([]).columns.includes("status"), true);
  });
});
