import assert from "node:assert/strict";
import { type DoraAdapter, dora, full, lora, type WeightChange, weightChange } from "../../src/adapters";
import type { HostArray } from "../../src/engine";
import type { Method } from "../../src/model/adapter";
import { LanguageModel } from "../../src/model/language-model";
import { train } from "../../src/train";
import { bound, LLAMA_2_7B } from "../display/models";
import { randomWeights, tinyConfig } from "../model/tiny";
import { tinyModel } from "../train/tiny-model";
import { gradientOf, IDS, maxDifference, scramble } from "./support";

const matrix = (...rows: number[][]): HostArray => ({
  data: Float32Array.from(rows.flat()),
  shape: [rows.length, rows[0]!.length],
  dtype: "float32",
});

/** A model whose q, k and v have biases. */
function biasedModel(): LanguageModel {
  const config = tinyConfig({ model_type: "qwen2", vocab_size: 257, max_position_embeddings: 32 });
  return new LanguageModel({ name: "biased", config, weights: randomWeights(config) });
}

describe("DoRA", () => {
  const base = tinyModel();

  it("starts exactly at the base, with biases and in training with dropout too", async () => {
    for (const model of [base, biasedModel()]) {
      const student = model.attach(dora({ rank: 4, alpha: 8 }));
      assert.deepEqual((await student.logits(IDS)).data, (await model.logits(IDS)).data);
    }
    // A step's loss is the one before it.
    const losses = async (method: ReturnType<typeof dora>) => {
      const options = { data: ["sky blue"], steps: 1, learningRate: 1e-3, batchSize: 1 };
      return (await train(base.attach(method), options)).losses;
    };
    assert.deepEqual(await losses(dora({ dropout: 0.5 })), await losses(dora()));
    assert.deepEqual(await losses(dora({ dropout: 0.5 })), await losses(lora()));
  });

  it("starts with the norms of the weight's rows as magnitudes", () => {
    const adapter = base.attach(dora({ rank: 2, targets: ["down_proj"] })).adapter as DoraAdapter;
    for (const { path, magnitude, in: inputs } of adapter.pairs) {
      const w = base.weights.get(`${path}.weight`)!.data as Float32Array;
      const norms = Array.from(adapter.parameters.get(magnitude).data, (_, i) =>
        Math.hypot(...w.subarray(i * inputs, (i + 1) * inputs)),
      );
      assert.ok(maxDifference(adapter.parameters.get(magnitude).data, norms) < 1e-6);
    }
  });

  it("gives merged what it gives attached; merged rows have the lengths that the magnitudes say", async () => {
    for (const model of [base, biasedModel()]) {
      const student = scramble(model.attach(dora({ rank: 3, alpha: 7 })));
      const merged = student.merge();
      assert.ok(maxDifference((await merged.logits(IDS)).data, (await student.logits(IDS)).data) < 1e-4);
      const adapter = student.adapter as DoraAdapter;
      const { path, magnitude, in: inputs } = adapter.pairs[2]!;
      const w = merged.weights.get(`${path}.weight`)!.data as Float32Array;
      adapter.parameters.get(magnitude).data.forEach((m, i) => {
        assert.ok(Math.abs(Math.hypot(...w.subarray(i * inputs, (i + 1) * inputs)) - Math.abs(m)) < 1e-5);
      });
    }
  });

  it("gives A no gradient at the first step, and the magnitudes and B one", async () => {
    const student = base.attach(dora({ rank: 2 }));
    const gradient = await gradientOf(student);
    for (const { a, b, magnitude } of (student.adapter as DoraAdapter).pairs) {
      assert.ok(gradient.get(a)!.data.every((x) => x === 0));
      assert.ok(gradient.get(b)!.data.some((x) => x !== 0));
      assert.ok(gradient.get(magnitude)!.data.some((x) => x !== 0));
    }
  });

  it("leaves a row of zeros at zero", async () => {
    const path = "model.layers.0.self_attn.q_proj.weight";
    const weights = new Map(base.weights);
    const { data, ...rest } = weights.get(path)!;
    weights.set(path, { ...rest, data: data.map((x, i) => (i < 32 ? 0 : x)) as Float32Array });
    const model = new LanguageModel({ name: "zeros", config: base.config, weights });
    const student = model.attach(dora());
    assert.deepEqual((await student.logits(IDS)).data, (await model.logits(IDS)).data);
    assert.deepEqual(student.merge().weights.get(path)!.data.slice(0, 32), new Float32Array(32));
  });

  it("trains one number per output row more than LoRA: PEFT's count for Llama-2-7B", () => {
    const settings = { rank: 8, targets: ["q_proj", "v_proj"] };
    const count = (method: ReturnType<typeof lora>) => bound(LLAMA_2_7B, method).adapter.parameters.size;
    assert.equal(count(lora(settings)), 4_194_304);
    assert.equal(count(dora(settings)), 4_194_304 + 32 * 2 * 4096);
  });

  it("explains settings that cannot be", () => {
    assert.throws(() => dora({ rank: 0 }), /dora: rank must be a whole number from 1, got 0/);
    assert.throws(() => base.attach(dora({ rank: 33 })), /dora: rank 33 is above what .* can have/);
    assert.throws(() => base.attach(dora({ targets: ["embed_tokens"] })), /matches no linear layer/);
  });
});

describe("change of magnitude and of direction", () => {
  it("tells longer rows from turned ones", () => {
    const before = matrix([3, 4], [0, 2]);
    assert.deepEqual(weightChange(before, before), { magnitude: 0, direction: 0 });
    const longer = weightChange(before, matrix([6, 8], [0, 4]));
    assert.deepEqual([longer.magnitude, longer.direction], [(5 + 2) / 2, 0]);
    const turned = weightChange(before, matrix([-4, 3], [0, -2]));
    assert.deepEqual([turned.magnitude, turned.direction], [0, (1 + 2) / 2]);
    assert.throws(
      () => weightChange(before, matrix([1, 2])),
      /two matrices of one shape, got \[2,2\] and \[1,2\]/,
    );
  });

  it("rise together with LoRA, and less so with DoRA and with full fine-tuning, as the paper finds", async () => {
    const data = [
      { prompt: "one and one?", completion: " two" },
      { prompt: "red and blue?", completion: " violet" },
      { prompt: "sky?", completion: " blue" },
    ];
    const base = tinyModel();
    const targets = ["q_proj", "v_proj", "up_proj"];
    const trained = async (method: Method, learningRate: number) => {
      const student = base.attach(method);
      const points: WeightChange[] = [];
      for (const seed of [1, 2, 3, 4]) {
        await train(student, { data, steps: 10, batchSize: 3, learningRate, seed });
        for (const [name, weight] of student.adapter!.merged(base)) {
          if (targets.some((target) => name.endsWith(`${target}.weight`)))
            points.push(weightChange(base.weights.get(name)!, weight));
        }
      }
      return correlation(
        points.map((p) => p.direction),
        points.map((p) => p.magnitude),
      );
    };
    const ofLora = await trained(lora({ rank: 4, targets }), 1e-2);
    const [ofDora, ofFull] = [await trained(dora({ rank: 4, targets }), 1e-2), await trained(full(), 1e-3)];
    // Figure 2 of the paper has 0.83 for LoRA, and below 0 for the others.
    assert.ok(ofLora > 0.8, `LoRA ${ofLora}`);
    assert.ok(ofLora > ofDora + 0.05 && ofLora > ofFull + 0.05, `${ofLora}, DoRA ${ofDora}, full ${ofFull}`);
  });
});

/** Pearson's. */
function correlation(x: number[], y: number[]): number {
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const covariance = (a: number[], ma: number, b: number[], mb: number) =>
    a.reduce((sum, v, i) => sum + (v - ma) * (b[i]! - mb), 0);
  return covariance(x, mx, y, my) / Math.sqrt(covariance(x, mx, x, mx) * covariance(y, my, y, my));
}
