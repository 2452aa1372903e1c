/** LoRA and full fine-tuning against PyTorch + transformers + PEFT: same weights, same batch, same gradients. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { full, lora } from "../../src/adapters";
import type { HostArray } from "../../src/engine";
import { type LanguageModel, loadModel } from "../../src/model/language-model";
import { readSafetensors } from "../../src/model/safetensors";
import { lossAndGradient, relativeError, rowsOf } from "./compare";
import { reference } from "./python";

describe("LoRA against PEFT", function () {
  this.timeout(300_000);
  let folder: string;
  let expected: Map<string, HostArray>;
  let base: LanguageModel;
  let student: LanguageModel;

  before(async () => {
    folder = reference("lora_reference.py");
    expected = (await readSafetensors(join(folder, "reference.safetensors"))).tensors;
    base = await loadModel(join(folder, "model"));
    student = base.attach(lora({ rank: 4, alpha: 10, targets: "all-linear" }));
    const { tensors } = await readSafetensors(join(folder, "adapter", "adapter_model.safetensors"));
    const { parameters } = student.adapter!;
    assert.equal(tensors.size, parameters.names.length);
    for (const [key, { data }] of tensors) parameters.set(key.replace("base_model.model.", ""), data);
  });

  after(() => rmSync(folder, { recursive: true }));

  it("gives the same logits with the adapter", async () => {
    assert.ok(
      relativeError(await student.logits(rowsOf(expected.get("ids")!)), expected.get("adapted.logits")!) <
        1e-4,
    );
  });

  it("gives the same logits after merging", async () => {
    assert.ok(
      relativeError(
        await student.merge().logits(rowsOf(expected.get("ids")!)),
        expected.get("merged.logits")!,
      ) < 1e-4,
    );
  });

  for (const name of ["lora", "full"] as const) {
    it(`gives the same loss and gradients for ${name === "lora" ? "LoRA" : "full fine-tuning"}`, async () => {
      const { loss, gradient } = await lossAndGradient(
        name === "lora" ? student : base.attach(full()),
        expected.get("ids")!,
        expected.get("labels")!,
      );
      assert.ok(Math.abs(loss - expected.get(`${name}.loss`)!.data[0]!) < 1e-5);
      const keys = [...expected.keys()].filter((key) => key.startsWith(`${name}.grad.`));
      assert.equal(keys.length, gradient.size);
      for (const key of keys) {
        const error = relativeError(gradient.get(key.slice(`${name}.grad.`.length))!, expected.get(key)!);
        assert.ok(error < 1e-4, `${key}: relative error ${error}`);
      }
    });
  }
});
