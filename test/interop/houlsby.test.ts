/** Houlsby et al.'s adapters against the same in PyTorch: PEFT does not have them. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { houlsby } from "../../src/adapters";
import { loadModel } from "../../src/model/language-model";
import { readSafetensors } from "../../src/model/safetensors";
import { lossAndGradient, relativeError, rowsOf } from "./compare";
import { reference } from "./python";

describe("Houlsby adapters against PyTorch", function () {
  this.timeout(300_000);
  let folder: string;
  before(() => {
    folder = reference("houlsby_reference.py");
  });
  after(() => rmSync(folder, { recursive: true }));

  it("give the same logits, loss and gradients", async () => {
    const { tensors } = await readSafetensors(join(folder, "reference.safetensors"));
    const student = (await loadModel(join(folder, "model"))).attach(houlsby({ bottleneck: 6 }));
    const { parameters } = student.adapter!;
    const values = [...tensors].filter(([key]) => key.startsWith("value."));
    assert.deepEqual(values.map(([key]) => key.slice("value.".length)).sort(), parameters.names.sort());
    for (const [key, { data }] of values) parameters.set(key.slice("value.".length), data);
    const [ids, labels] = [tensors.get("ids")!, tensors.get("labels")!];
    assert.ok(relativeError(await student.logits(rowsOf(ids)), tensors.get("logits")!) < 1e-4);
    const { loss, gradient } = await lossAndGradient(student, ids, labels);
    assert.ok(Math.abs(loss - tensors.get("loss")!.data[0]!) < 1e-5);
    for (const name of parameters.names) {
      const error = relativeError(gradient.get(name)!, tensors.get(`grad.${name}`)!);
      assert.ok(error < 1e-3, `${name}: relative error ${error}`);
    }
  });
});
