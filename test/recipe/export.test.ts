/** What a recipe holds, and what it refuses: without Python. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { houlsby, lora } from "../../src/adapters";
import { loadAdapter } from "../../src/adapters/peft";
import { LanguageModel, loadModel } from "../../src/model";
import { exportRecipe, importRun } from "../../src/recipe";
import { type Example, evaluateLoss, grpo, loadRun, type Run, train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";

const data: Example[] = ["one", "three", "a", "seventeen", "up"].map((text) => ({
  prompt: "x",
  completion: text,
}));
const heldOut: Example[] = [{ prompt: "y", completion: "two" }];
const base = tinyModel();
const method = lora({ rank: 2, targets: ["q_proj", "v_proj"] });

describe("a recipe", () => {
  const folder = mkdtempSync(join(tmpdir(), "loralab-recipe-"));
  const place = (...names: string[]) => join(folder, ...names);
  const json = (...names: string[]) => JSON.parse(readFileSync(place(...names), "utf8"));
  const lines = (...names: string[]) =>
    readFileSync(place(...names), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  const student = base.attach(method, { seed: 4 });
  const start = student.adapter!.parameters.flat.slice();
  let run: Run;

  before(async () => {
    run = await train(student, {
      data,
      steps: 4,
      batchSize: 2,
      accumulate: 2,
      seed: 9,
      maxGradientNorm: Infinity,
      evaluate: { every: 3, data: heldOut },
      display: false,
    });
    await exportRecipe(run, place("sft"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("begins with the values that the run began with, not with those it came to", async () => {
    const again = await loadAdapter(base, place("sft", "adapter"));
    assert.deepEqual(again.adapter!.parameters.flat, start);
    assert.notDeepEqual(student.adapter!.parameters.flat, start);
  });

  it("has the base, bit for bit", async () => {
    const { weights } = await loadModel(place("sft", "base"));
    for (const [name, { data }] of base.weights) assert.deepEqual(weights.get(name)!.data, data, name);
  });

  it("has the examples and the order of the run, every example once before any comes again", () => {
    assert.deepEqual(lines("sft", "train.jsonl"), data);
    assert.deepEqual(lines("sft", "held-out.jsonl"), heldOut);
    const order = lines("sft", "order.jsonl") as number[][];
    assert.deepEqual(
      order.map((step) => step.length),
      [4, 4, 4, 4],
    );
    const flat = order.flat();
    for (const at of [0, 5, 10]) assert.deepEqual(flat.slice(at, at + 5).sort(), [0, 1, 2, 3, 4]);
  });

  it("has the settings under TRL's names", () => {
    const { trainer, rows_per_step, rows_at_once, peft, run: recorded } = json("sft", "config.json");
    assert.deepEqual([rows_per_step, rows_at_once], [4, 2]);
    assert.equal(trainer.max_steps, 4);
    assert.equal(trainer.learning_rate, 1e-3);
    assert.equal(trainer.max_grad_norm, 0);
    assert.equal(trainer.eval_steps, 3);
    assert.deepEqual(peft.target_modules, ["q_proj", "v_proj"]);
    assert.equal(recorded.id, run.id);
    for (const file of [
      "train.py",
      "common.py",
      "requirements.txt",
      "README.md",
      "accelerate/fsdp-qlora.yaml",
    ])
      assert.ok(existsSync(place("sft", file)), file);
  });

  it("of a run from the store takes the material that fits its hashes, and no other", async () => {
    const recorded = loadRun(run.id);
    const fresh = base.attach(method, { seed: 4 });
    const rejects = (given: object, message: RegExp) =>
      assert.rejects(exportRecipe(recorded, place("x"), given), message);
    await rejects({}, /model of run \w+ is not in memory/);
    await rejects({ model: fresh }, /hash of its data: give them as { data }/);
    await rejects({ model: fresh, data }, /{ heldOut }/);
    await rejects({ model: fresh, data: data.slice(1), heldOut }, /data \(4 examples\) is not what run/);
    await rejects({ model: base.attach(method, { seed: 5 }), data, heldOut }, /began with cannot be had/);
    await rejects({ model: base, data, heldOut }, /has no adapter in use/);
    await rejects(
      { model: tinyModel({ hidden_size: 16 }).attach(method), data, heldOut },
      /weights of tiny are not those/,
    );
    assert.ok(!existsSync(place("x")));
    await exportRecipe(recorded, place("again"), { model: fresh, data, heldOut });
    assert.deepEqual(json("again", "config.json").trainer, json("sft", "config.json").trainer);
    assert.deepEqual(lines("again", "order.jsonl"), lines("sft", "order.jsonl"));
  });

  it("leaves out a base that has a name elsewhere", async () => {
    await exportRecipe(run, place("named"), { base: "owner/name" });
    assert.ok(!existsSync(place("named", "base")));
    assert.equal(json("named", "config.json").model, "owner/name");
  });

  it("of a reward of one's own is a file that will not work until it is written", async () => {
    const reward = (_prompt: string, completion: string) => completion.length % 3;
    const other = (_prompt: string, completion: string) => completion.length % 2;
    const model = base.attach(method);
    const asked = await train(model, {
      objective: grpo({ reward, groupSize: 2, maxTokens: 4 }),
      data: [{ prompt: "x" }, { prompt: "y" }],
      steps: 2,
      batchSize: 1,
      display: false,
    });
    await exportRecipe(asked, place("grpo"));
    const file = readFileSync(place("grpo", "reward.py"), "utf8");
    assert.match(file, /raise NotImplementedError/);
    assert.match(file, /completion\.length\s*%\s*3/);
    assert.match(readFileSync(place("grpo", "README.md"), "utf8"), /\*\*First\*\* write the reward/);
    await assert.rejects(
      exportRecipe(asked, place("y"), { reward: other }),
      /reward other is not that of run/,
    );
    assert.equal(json("grpo", "config.json").rows_per_step, 2);
  });

  it("refuses what TRL and PEFT cannot follow, by name", async () => {
    const model = base.attach(houlsby({ bottleneck: 4 }));
    const other = await train(model, { data, steps: 1, display: false, record: false });
    await assert.rejects(
      exportRecipe(other, place("z")),
      /the method is houlsby.*expected lora, dora, vera, full/,
    );
    assert.ok(!existsSync(place("z")));
  });

  it("that was not trained yet brings nothing back", () =>
    assert.rejects(importRun(place("sft")), /no trainer_state.json in .*expected a recipe that was trained/));

  it("evaluates what it holds as the run did", async () => {
    const again = await loadModel(place("sft", "base"));
    const copy = await loadAdapter(
      new LanguageModel({ ...again.files, name: "copy", tokenizer: base.tokenizer }),
      place("sft", "adapter"),
    );
    assert.equal(await evaluateLoss(copy, heldOut), run.evaluations[0]!.values.loss);
  });
});
