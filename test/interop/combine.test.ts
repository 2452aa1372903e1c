/** Sums of adapters against PEFT's `add_weighted_adapter`: the same updates and the same logits, and files both ways. */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { combine, type LoraAdapter, loadAdapter, saveAdapter } from "../../src/adapters";
import type { HostArray } from "../../src/engine";
import { type LanguageModel, loadModel } from "../../src/model/language-model";
import { readSafetensors } from "../../src/model/safetensors";
import { relativeError, rowsOf } from "./compare";
import { reference } from "./python";

describe("sums of adapters against PEFT", function () {
  this.timeout(300_000);
  let folder: string;
  let base: LanguageModel;
  let ids: HostArray;
  let expected: Map<string, HostArray>;
  let combinations: Record<string, any>[];

  before(async () => {
    folder = reference("combine_reference.py");
    base = await loadModel(join(folder, "model"));
    ids = (await readSafetensors(join(folder, "ids.safetensors"))).tensors.get("ids")!;
    expected = (await readSafetensors(join(folder, "logits.safetensors"))).tensors;
    combinations = JSON.parse(readFileSync(join(folder, "combinations.json"), "utf8"));
  });

  after(() => rmSync(folder, { recursive: true }));

  async function ours({
    adapters,
    weights,
    combination_type,
    density,
    svd_rank,
    majority_sign_method,
  }: Record<string, any>) {
    const students: LanguageModel[] = [];
    for (const name of adapters) students.push(await loadAdapter(base, join(folder, name)));
    return combine(students, {
      weights,
      method: combination_type,
      density,
      rank: svd_rank,
      election: majority_sign_method,
    });
  }

  it("have the same updates and logits", async () => {
    assert.equal(combinations.length, 13);
    for (const combination of combinations) {
      const model = await ours(combination);
      const theirs = await loadAdapter(base, join(folder, combination.name));
      const [got, want] = [model, theirs].map((student) => student.adapter as LoraAdapter) as [
        LoraAdapter,
        LoraAdapter,
      ];
      assert.deepEqual(
        got.pairs.map(({ path }) => path),
        want.pairs.map(({ path }) => path),
      );
      for (const { path } of got.pairs) {
        const error = relativeError(got.delta(path), want.delta(path));
        assert.ok(error < 1e-5, `${combination.name}: ${path}: relative error ${error}`);
      }
      const error = relativeError(await model.logits(rowsOf(ids)), expected.get(combination.name)!);
      assert.ok(error < 1e-4, `${combination.name}: relative error ${error}`);
    }
  });

  it("are read by PEFT", async () => {
    const folders: string[] = [];
    for (const combination of combinations.slice(0, 5)) {
      folders.push(join(folder, "ours", combination.name));
      await saveAdapter(await ours(combination), folders.at(-1)!);
    }
    const out = reference(
      "adapters_load.py",
      join(folder, "model"),
      join(folder, "ids.safetensors"),
      ...folders,
    );
    const loaded = (await readSafetensors(join(out, "logits.safetensors"))).tensors;
    for (const [name, logits] of loaded) assert.ok(relativeError(logits, expected.get(name)!) < 1e-4, name);
    rmSync(out, { recursive: true });
  });
});
