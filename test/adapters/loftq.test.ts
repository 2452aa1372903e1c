import assert from "node:assert/strict";
import { type LoraAdapter, loftq, lora } from "../../src/adapters";
import type { LanguageModel } from "../../src/model/language-model";
import { QuantizedWeight } from "../../src/model/quantized";
import { train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";
import { IDS, maxDifference, scramble } from "./support";

const base = tinyModel();
const targets = (base.attach(lora()).adapter as LoraAdapter).pairs.map(({ path }) => `${path}.weight`);

/** ‖W − Q − s·B·A‖ over all targets. */
function error(model: LanguageModel): number {
  const { weights } = model.adapter ? model.merge() : model;
  const parts = targets.map((name) => {
    const [w, v] = [base.weights.get(name)!.data, weights.get(name)!.data];
    return Math.hypot(...Array.from(w, (x, i) => x - v[i]!));
  });
  return Math.hypot(...parts);
}

describe("LoftQ", () => {
  it("is closer to the base than rounding is, the closer the higher the rank, with any alpha", async () => {
    const rounded = error(base.quantize());
    const errors = [1, 4, 16].map((rank) => error(loftq(base, { rank, alpha: 3 })));
    assert.ok(
      rounded > errors[0]! && errors[0]! > errors[1]! && errors[1]! > errors[2]!,
      `${rounded}, ${errors}`,
    );
    const distance = async (model: LanguageModel) =>
      maxDifference((await model.logits(IDS)).data, (await base.logits(IDS)).data);
    assert.ok((await distance(loftq(base, { rank: 16 }))) < (await distance(base.quantize())));
  });

  it("comes closer with every iteration", () => {
    const errors = [1, 2, 5].map((iterations) => error(loftq(base, { rank: 8, iterations })));
    assert.ok(errors[0]! > errors[1]! && errors[1]! > errors[2]!, String(errors));
  });

  it("has the codes of quantize() after one iteration, others after more, and stays in 4 bits", () => {
    const codes = (model: LanguageModel) => {
      const { quantized } = model.weights.get(targets[0]!) as QuantizedWeight;
      return quantized.packed;
    };
    const settings = { quantization: { blockSize: 32, doubleQuantization: true } } as const;
    const once = loftq(base, { rank: 4, ...settings });
    assert.deepEqual(codes(once), codes(base.quantize(settings.quantization)));
    const often = loftq(base, { rank: 4, iterations: 3, ...settings });
    assert.notDeepEqual(codes(often), codes(once));
    for (const name of targets) assert.ok(often.weights.get(name) instanceof QuantizedWeight);
  });

  it("gives the quantized model back when it is detached, after training", async () => {
    const student = loftq(base, { rank: 4, iterations: 2 }, { name: "mine" });
    assert.equal(student.active, "mine");
    const before = (await student.use(null).logits(IDS)).data;
    const { losses } = await train(student, {
      data: ["the sky is blue"],
      steps: 10,
      batchSize: 1,
      learningRate: 1e-2,
    });
    assert.ok(losses.at(-1)! < losses[0]!);
    assert.deepEqual((await scramble(student).detach().logits(IDS)).data, before);
  });

  it("is fitted to group-wise integers too", () => {
    const quantization = { type: "int4", groupSize: 16 } as const;
    assert.ok(error(loftq(base, { rank: 4, quantization })) < error(base.quantize(quantization)));
  });

  it("explains what it cannot be fitted to", () => {
    assert.throws(
      () => loftq(base.quantize()),
      /loftq: model.layers.0.self_attn.q_proj is in 4 bits already/,
    );
    assert.throws(() => loftq(base.attach(lora())), /quantize: default would belong to other weights/);
    assert.throws(() => loftq(base, { iterations: 0 }), /iterations must be a whole number from 1, got 0/);
    assert.throws(() => loftq(base, { rank: 33 }), /rank 33 is above what .* can have/);
    assert.throws(() => loftq(base, { alpha: 0 }), /alpha must be above 0/);
  });
});
