import assert from "node:assert/strict";
import { lora, type QaLoraAdapter, qalora } from "../../src/adapters";
import { product } from "../../src/adapters/low-rank";
import { LanguageModel } from "../../src/model/language-model";
import type { QuantizedWeight } from "../../src/model/quantized";
import { train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";
import { gradientOf, IDS, maxDifference, scramble } from "./support";

const INT4 = { type: "int4", groupSize: 16 } as const;
const int4Of = (model: LanguageModel, path: string) =>
  (model.weights.get(`${path}.weight`) as QuantizedWeight).int4!;

describe("a model in group-wise 4-bit integers", () => {
  const base = tinyModel().quantize(INT4);

  it("computes what its dequantized weights compute", async () => {
    const weights = new Map(
      [...base.weights].map(([name, { data, shape }]) => [name, { data, shape, dtype: "float32" as const }]),
    );
    const rounded = new LanguageModel({ name: "rounded", config: base.config, weights });
    assert.ok(maxDifference((await base.logits(IDS)).data, (await rounded.logits(IDS)).data) < 1e-4);
    assert.ok(maxDifference((await base.logits(IDS)).data, (await tinyModel().logits(IDS)).data) > 1e-2);
  });

  it("holds 4 bits a weight and 64 a group", () => {
    const { bytes, shape } = base.weights.get("model.layers.0.mlp.up_proj.weight") as QuantizedWeight;
    assert.equal(bytes, (shape[0]! * shape[1]! * (4 + 64 / 16)) / 8);
  });

  it("has groups that divide its inputs, and of which there are products", async () => {
    assert.throws(() => tinyModel().quantize({ type: "int4" }), /divides the 48 inputs of \[32,48\], got 32/);
    await assert.rejects(
      tinyModel().quantize({ type: "int4", groupSize: 8 }).logits(IDS),
      /groups of 16, 32, 64, 128 or 256 inputs, got 8/,
    );
  });

  it("is trained with LoRA too", async () => {
    const student = base.attach(lora({ rank: 2 }));
    const { losses } = await train(student, {
      data: ["the cat sat"],
      steps: 10,
      batchSize: 1,
      learningRate: 1e-2,
    });
    assert.ok(losses.at(-1)! < losses[0]! - 0.5);
  });
});

describe("QA-LoRA", () => {
  const base = tinyModel().quantize(INT4);
  const attach = (settings = {}) => base.attach(qalora({ rank: 2, alpha: 6, ...settings }));

  it("starts exactly at the base and leaves it bit for bit", async () => {
    const before = (await base.logits(IDS)).data;
    const student = attach();
    assert.deepEqual((await student.logits(IDS)).data, before);
    scramble(student);
    assert.notDeepEqual((await student.logits(IDS)).data, before);
    assert.deepEqual((await student.detach().logits(IDS)).data, before);
  });

  it("has r·(d + k/g) parameters for each target", () => {
    const { pairs, parameters } = attach().adapter as QaLoraAdapter;
    const expected = pairs.map(({ path }) => base.weights.get(`${path}.weight`)!.shape);
    assert.equal(
      parameters.size,
      expected.reduce((sum, [out, inputs]) => sum + 2 * (out! + inputs! / 16), 0),
    );
  });

  it("merges into zero points alone: the same codes and scales, and the same model to rounding", async () => {
    const student = scramble(attach(), 0.5);
    const merged = student.merge();
    const [got, want] = [(await merged.logits(IDS)).data, (await student.logits(IDS)).data];
    assert.ok(maxDifference(want, (await base.logits(IDS)).data) > 0.1);
    assert.ok(maxDifference(got, want) < 2e-4);
    const adapter = student.adapter as QaLoraAdapter;
    for (const { path, a, b, scale, in: groups } of adapter.pairs) {
      const [before, after] = [int4Of(base, path), int4Of(merged, path)];
      assert.equal(after.packed, before.packed);
      assert.equal(after.scales, before.scales);
      // Every weight of a group has changed by s/g times its element of B·A.
      const update = product(adapter.parameters.get(b), adapter.parameters.get(a)).map(
        (x) => (scale / 16) * x,
      );
      const [w, v] = [base, merged].map((model) => model.weights.get(`${path}.weight`)!.data) as [
        Float32Array,
        Float32Array,
      ];
      const change = v.map((x, i) => x - w[i]!);
      const expected = change.map((_, i) => update[Math.floor(i / 16)]!);
      assert.equal(update.length * 16, change.length);
      assert.equal(groups * 16, base.weights.get(`${path}.weight`)!.shape[1]);
      assert.ok(maxDifference(change, expected) < 1e-5);
    }
    assert.equal(merged.unmerge(), student);
  });

  it("has the gradient of a LoRA whose A repeats each column over its group, for the sum of it", async () => {
    const student = scramble(attach({ targets: ["down_proj"] }));
    const adapter = student.adapter as QaLoraAdapter;
    const wide = base.attach(lora({ rank: 2, alpha: 6, targets: ["down_proj"] }));
    for (const { a, b, in: groups } of adapter.pairs) {
      const A = adapter.parameters.get(a).data;
      const inputs = 16 * groups;
      wide.adapter!.parameters.set(b, adapter.parameters.get(b).data);
      wide.adapter!.parameters.set(
        a,
        Array.from({ length: 2 * inputs }, (_, i) => A[Math.floor(i / 16)]! / 16),
      );
    }
    assert.ok(maxDifference((await student.logits(IDS)).data, (await wide.logits(IDS)).data) < 1e-4);
    const [got, want] = [await gradientOf(student), await gradientOf(wide)];
    for (const { a, b } of adapter.pairs) {
      assert.ok(maxDifference(got.get(b)!.data, want.get(b)!.data) < 1e-5);
      const sums = Float32Array.from(got.get(a)!.data, (_, g) =>
        Array.from(want.get(a)!.data.slice(16 * g, 16 * g + 16)).reduce((sum, x) => sum + x / 16, 0),
      );
      assert.ok(maxDifference(got.get(a)!.data, sums) < 1e-5);
    }
  });

  it("learns, and is worth the same when it has been merged", async () => {
    const student = attach();
    const { losses } = await train(student, {
      data: ["the cat sat"],
      steps: 30,
      batchSize: 1,
      learningRate: 2e-2,
    });
    assert.ok(losses.at(-1)! < losses[0]! - 0.5, String(losses));
    const [got, want] = [await student.merge().logits(IDS), await student.logits(IDS)];
    assert.ok(maxDifference(got.data, want.data) < 1e-3);
  });

  it("explains what it cannot be attached to", () => {
    assert.throws(
      () => tinyModel().attach(qalora()),
      /qalora: model.layers.0.self_attn.q_proj is in float32: expected group-wise integers.*type: "int4"/,
    );
    assert.throws(
      () => tinyModel().quantize().attach(qalora()),
      /is in a 4-bit codebook: expected group-wise/,
    );
    assert.throws(
      () => attach({ rank: 3 }),
      /rank 3 is above what .*q_proj can have: its 32 inputs are 2 groups of 16/,
    );
    assert.throws(() => attach({ rank: 0 }), /qalora: rank must be a whole number/);
  });
});
