/** AdaLoRA's allocation of ranks against PEFT's RankAllocator, step by step, with the same gradients. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type AdaloraAdapter, loadAdapter } from "../../src/adapters";
import { loadModel } from "../../src/model/language-model";
import { Parameters } from "../../src/model/parameters";
import { readSafetensors } from "../../src/model/safetensors";
import { relativeError } from "./compare";
import { reference } from "./python";

describe("AdaLoRA's ranks against PEFT", function () {
  this.timeout(300_000);
  let folder: string;
  before(() => {
    folder = reference("adalora_reference.py");
  });
  after(() => rmSync(folder, { recursive: true }));

  it("are cut at the same steps, and the same triplets go", async () => {
    const { tensors } = await readSafetensors(join(folder, "run.safetensors"));
    const student = await loadAdapter(await loadModel(join(folder, "model")), join(folder, "adapter"));
    const adapter = student.adapter as AdaloraAdapter;
    const { parameters, triplets } = adapter;
    const steps = 30;
    const part = adapter.training!({ steps });
    const gradient = new Parameters(new Map(parameters.entries()));
    let cut = 0;
    for (let step = 1; step <= steps; step++) {
      for (const name of parameters.names)
        gradient.set(name, tensors.get(`${step}.grad.base_model.model.${name}`)!.data);
      parameters.flat = parameters.flat.map((w, i) => w - 0.5 * gradient.flat[i]!);
      part.afterStep(step, gradient.flat.slice());
      for (const { e } of triplets) {
        const [ours, theirs] = [parameters.get(e), tensors.get(`${step}.lambda.base_model.model.${e}`)!];
        const zeros = (data: ArrayLike<number>) => Array.from(data, (x) => x === 0);
        assert.deepEqual(zeros(ours.data), zeros(theirs.data), `step ${step}, ${e}`);
        assert.ok(theirs.data.every((x) => x === 0) || relativeError(ours, theirs) < 1e-5);
        cut += zeros(ours.data).filter(Boolean).length;
      }
    }
    assert.ok(cut > 0);
    assert.equal(
      adapter.ranks.reduce((sum, rank) => sum + rank, 0),
      2 * triplets.length,
    );
  });
});
