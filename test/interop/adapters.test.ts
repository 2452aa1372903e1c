/** Every method that PEFT has too: its files read, the same logits, loss and gradients; and our files read by it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadAdapter, saveAdapter } from "../../src/adapters";
import type { HostArray } from "../../src/engine";
import { type LanguageModel, loadModel } from "../../src/model/language-model";
import { readSafetensors } from "../../src/model/safetensors";
import { lossAndGradient, relativeError, rowsOf } from "./compare";
import { reference } from "./python";

const CASES = [
  "lora",
  "lora-patterns",
  "lora-embedding",
  "lora-modules",
  "dora",
  "dora-patterns",
  "vera",
  "vera-some",
  "adalora",
  "adalora-cut",
];

const tensorsOf = async (...path: string[]) => (await readSafetensors(join(...path))).tensors;

describe("adapters against PEFT", function () {
  this.timeout(300_000);
  let folder: string;
  let ids: HostArray;
  let labels: HostArray;
  let base: LanguageModel;
  /** Logits of the adapters that we wrote, as PEFT computes them. */
  let loaded: Map<string, HostArray>;
  const students = new Map<string, LanguageModel>();

  before(async () => {
    folder = reference("adapters_reference.py");
    const texts = await tensorsOf(folder, "ids.safetensors");
    [ids, labels] = [texts.get("ids")!, texts.get("labels")!];
    base = await loadModel(join(folder, "model"));
    const ours = mkdtempSync(join(tmpdir(), "loralab-adapters-"));
    try {
      for (const name of CASES) {
        const student = await loadAdapter(base, join(folder, name, "adapter"));
        students.set(name, student);
        await saveAdapter(student, join(ours, name));
      }
      const folders = CASES.map((name) => join(ours, name));
      const out = reference(
        "adapters_load.py",
        join(folder, "model"),
        join(folder, "ids.safetensors"),
        ...folders,
      );
      loaded = await tensorsOf(out, "logits.safetensors");
      rmSync(out, { recursive: true });
    } finally {
      rmSync(ours, { recursive: true });
    }
  });

  after(() => rmSync(folder, { recursive: true }));

  for (const name of CASES) {
    it(`${name}: PEFT's file gives PEFT's logits, loss, gradients and number of trainable parameters`, async () => {
      const student = students.get(name)!;
      const expected = await tensorsOf(folder, name, "reference.safetensors");
      assert.equal(student.trainableCount, expected.get("count")!.data[0]);
      assert.ok(relativeError(await student.logits(rowsOf(ids)), expected.get("logits")!) < 1e-4);
      const merged = expected.get("merged") ?? expected.get("logits")!;
      assert.ok(relativeError(await student.merge().logits(rowsOf(ids)), merged) < 1e-4);
      const { loss, gradient } = await lossAndGradient(student, ids, labels);
      assert.ok(Math.abs(loss - expected.get("loss")!.data[0]!) < 1e-5);
      const prefix = "grad.base_model.model.";
      const keys = [...expected.keys()].filter((key) => key.startsWith("grad."));
      assert.deepEqual(keys.map((key) => key.slice(prefix.length)).sort(), [...gradient.keys()].sort());
      for (const key of keys) {
        const error = relativeError(gradient.get(key.slice(prefix.length))!, expected.get(key)!);
        assert.ok(error < 1e-3, `${key}: relative error ${error}`);
      }
    });

    it(`${name}: our file gives our logits in PEFT`, async () => {
      const error = relativeError(loaded.get(name)!, await students.get(name)!.logits(rowsOf(ids)));
      assert.ok(error < 1e-4, `relative error ${error}`);
    });
  }

  it("gives rows with adapters of their own the logits that PEFT's adapter_names gives them", async () => {
    const rows = await tensorsOf(folder, "rows.safetensors");
    const one = await loadAdapter(base, join(folder, "lora", "adapter"), { name: "lora" });
    const both = await loadAdapter(one, join(folder, "lora-patterns", "adapter"), { name: "lora-patterns" });
    const logits = await both.useByRow(["lora-patterns", null, "lora"]).logits(rowsOf(rows.get("ids")!));
    assert.ok(relativeError(logits, rows.get("logits")!) < 1e-4);
  });
});
