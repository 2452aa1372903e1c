/** LoRA and full fine-tuning against PyTorch + transformers + PEFT: same weights, same batch, same gradients. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { full, lora } from "../../src/adapters";
import type { HostArray } from "../../src/engine";
import { type LanguageModel, loadModel } from "../../src/model/language-model";
import { readSafetensors } from "../../src/model/safetensors";
import { batchInputs, languageLoss } from "../../src/train/language-loss";
import { gradientProgram } from "../../src/train/step";
import { reference } from "./python";

/** Largest |a − b| over the largest |b|. */
function relativeError(a: HostArray, b: HostArray): number {
  assert.deepEqual(a.shape, b.shape);
  let difference = 0;
  let scale = 0;
  a.data.forEach((x, i) => {
    difference = Math.max(difference, Math.abs(x - b.data[i]!));
    scale = Math.max(scale, Math.abs(b.data[i]!));
  });
  return difference / scale;
}

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

  async function gradients(model: LanguageModel) {
    const [ids, labels] = [expected.get("ids")!, expected.get("labels")!];
    const [rows, length] = ids.shape as [number, number];
    const places: number[] = [];
    const targets: number[] = [];
    // PyTorch compares the prediction at position i with the label at i + 1.
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i + 1 < length; i++) {
        const label = labels.data[row * length + i + 1]!;
        if (label < 0) continue;
        places.push(row * length + i);
        targets.push(label);
      }
    }
    const shape = { rows, length, capacity: places.length, packed: false };
    const program = await gradientProgram(model, languageLoss(model.config, shape));
    const inputs = batchInputs(
      {
        ids: ids.data as Int32Array,
        places: Int32Array.from(places),
        targets: Int32Array.from(targets),
        mask: new Float32Array(places.length).fill(1),
        count: places.length,
        tokens: rows * length,
      },
      places.length,
    );
    const { parameters } = model.adapter!;
    const out = await program.run({
      ...inputs,
      parameters: parameters.flat,
      earlier: new Float32Array(parameters.size),
      seed: Int32Array.of(1, 1),
    });
    await program.dispose();
    parameters.flat = out.gradient!.data as Float32Array;
    return { loss: out.loss!.data[0]!, gradient: new Map(parameters.entries()) };
  }

  const rowsOf = () => {
    const { data, shape } = expected.get("ids")!;
    return Array.from({ length: shape[0]! }, (_, r) => [
      ...data.subarray(r * shape[1]!, (r + 1) * shape[1]!),
    ]);
  };

  it("gives the same logits with the adapter", async () => {
    assert.ok(relativeError(await student.logits(rowsOf()), expected.get("adapted.logits")!) < 1e-4);
  });

  it("gives the same logits after merging", async () => {
    assert.ok(relativeError(await student.merge().logits(rowsOf()), expected.get("merged.logits")!) < 1e-4);
  });

  for (const name of ["lora", "full"] as const) {
    it(`gives the same loss and gradients for ${name === "lora" ? "LoRA" : "full fine-tuning"}`, async () => {
      const { loss, gradient } = await gradients(name === "lora" ? student : base.attach(full()));
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
