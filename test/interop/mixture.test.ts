/** The mixture of LoRAs against the same in PyTorch: PEFT does not have it. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { mixture } from "../../src/adapters";
import { loadModel } from "../../src/model/language-model";
import { readSafetensors } from "../../src/model/safetensors";
import { lossAndGradient, relativeError, rowsOf } from "./compare";
import { reference } from "./python";

describe("a mixture of LoRAs against PyTorch", function () {
  this.timeout(300_000);
  let folder: string;
  before(() => {
    folder = reference("mixture_reference.py");
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const topK of [1, 2, 4]) {
    it(`gives the same logits, loss with the balance, and gradients with ${topK} of 4 experts`, async () => {
      const { tensors } = await readSafetensors(join(folder, `${topK}.safetensors`));
      const method = mixture({ experts: 4, topK, rank: 3, alpha: 6, balance: 0.5 });
      const student = (await loadModel(join(folder, "model"))).attach(method);
      const { parameters } = student.adapter!;
      for (const name of parameters.names) parameters.set(name, tensors.get(`value.${name}`)!.data);
      const [ids, labels] = [tensors.get("ids")!, tensors.get("labels")!];
      assert.ok(relativeError(await student.logits(rowsOf(ids)), tensors.get("logits")!) < 1e-4);
      const { loss, gradient } = await lossAndGradient(student, ids, labels);
      assert.ok(Math.abs(loss - tensors.get("loss")!.data[0]!) < 1e-5);
      for (const name of parameters.names) {
        const error = relativeError(gradient.get(name)!, tensors.get(`grad.${name}`)!);
        assert.ok(error < 1e-3, `${name}: relative error ${error}`);
      }
    });
  }
});
