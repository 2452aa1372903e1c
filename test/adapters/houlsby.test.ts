import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { type HoulsbyAdapter, houlsby, lora, saveAdapter } from "../../src/adapters";
import { type LanguageModel, saveModel } from "../../src/model/language-model";
import { hiddenStates, logits } from "../../src/model/transformer";
import { evaluateLoss, train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";
import { gradientOf, IDS, maxDifference, scramble } from "./support";

describe("Houlsby adapters", () => {
  const base = tinyModel();
  const adapterOf = (model: LanguageModel) => model.adapter as HoulsbyAdapter;

  it("start near the base, and at it where W_up and b_up are zero", async () => {
    const student = base.attach(houlsby({ bottleneck: 8 }));
    const before = (await base.logits(IDS)).data;
    const scale = Math.max(...before.map(Math.abs));
    assert.ok(maxDifference((await student.logits(IDS)).data, before) < 0.02 * scale);
    const { bottlenecks, parameters } = adapterOf(student);
    for (const { up } of bottlenecks) parameters.set(up.weight, new Float32Array(32 * 8));
    assert.ok(maxDifference((await student.logits(IDS)).data, before) < 1e-5 * scale);
  });

  it("stand behind the attention and behind the MLP of each layer", () => {
    assert.deepEqual(
      adapterOf(base.attach(houlsby())).bottlenecks.map(({ path }) => path.replace("model.layers.", "")),
      ["0.self_attn.o_proj", "0.mlp.down_proj", "1.self_attn.o_proj", "1.mlp.down_proj"],
    );
  });

  it("have 2·m·d + d + m numbers each; the norms are trained too, all other weights are not", () => {
    const { parameters } = adapterOf(base.attach(houlsby({ bottleneck: 8 })));
    const [d, m, layers] = [32, 8, 2];
    assert.equal(parameters.size, layers * 2 * (2 * m * d + d + m) + (2 * layers + 1) * d);
    const own = parameters.names.filter((name) => !name.includes(".adapter_"));
    assert.ok(own.length === 5 && own.every((name) => name.endsWith("norm.weight")));
  });

  it("start normal with a deviation of 0.01, cut off at twice that, and without biases", () => {
    const { bottlenecks, parameters } = adapterOf(base.attach(houlsby({ bottleneck: 48 }), { seed: 4 }));
    const values: number[] = [];
    for (const { down, up } of bottlenecks) {
      values.push(...parameters.get(down.weight).data, ...parameters.get(up.weight).data);
      for (const { bias } of [down, up]) assert.ok(parameters.get(bias).data.every((x) => x === 0));
    }
    assert.ok(values.every((x) => Math.abs(x) <= 0.02));
    // The normal distribution cut off at ±2σ has the variance 0.774·σ².
    const variance = values.reduce((sum, x) => sum + x * x, 0) / values.length;
    assert.ok(Math.abs(variance / (0.774 * 1e-4) - 1) < 0.05);
  });

  it("get a gradient in all their arrays, and learn", async () => {
    const student = base.attach(houlsby({ bottleneck: 8 }));
    for (const [name, { data }] of await gradientOf(student))
      assert.ok(
        data.some((x) => x !== 0),
        name,
      );
    const data = [{ prompt: "sky?", completion: " blue" }];
    const before = await evaluateLoss(student, data);
    await train(student, { data, steps: 30, batchSize: 1, learningRate: 5e-3 });
    assert.ok((await evaluateLoss(student, data)) < before / 4);
    assert.deepEqual((await student.detach().logits(IDS)).data, (await tinyModel().logits(IDS)).data);
  });

  it("cannot be merged: they cost two products at each place in every pass, which LoRA's merging takes away", async () => {
    const products = async (model: LanguageModel) => {
      const profile = await tf.profile(() =>
        tf.tidy(() => {
          const layers = model.layers();
          const { hidden } = hiddenStates(model.config, layers, tf.tensor2d([IDS], [1, IDS.length], "int32"));
          return logits(layers, hidden);
        }),
      );
      (profile.result as tf.Tensor).dispose();
      return profile.kernels.filter(({ name }) => name === "BatchMatMul").length;
    };
    const ofBase = await products(base);
    assert.equal(await products(base.attach(houlsby())), ofBase + 2 * 4);
    assert.equal(await products(base.attach(lora({ targets: "attention" }))), ofBase + 2 * 8);
    assert.equal(await products(base.attach(lora({ targets: "attention" })).merge()), ofBase);

    const student = scramble(base.attach(houlsby()));
    assert.throws(() => student.merge(), /merge: houlsby adapters cannot be merged: there is a nonlinearity/);
    const folder = join(tmpdir(), "loralab-houlsby-never");
    await assert.rejects(saveModel(student, folder), /cannot be merged/);
    await assert.rejects(saveAdapter(student, folder), /"houlsby" adapter has no PEFT file/);
  });

  it("explain settings that cannot be", () => {
    assert.throws(() => houlsby({ bottleneck: 0 }), /bottleneck must be a whole number from 1, got 0/);
  });
});
