import assert from "node:assert/strict";
import { lora } from "../../src/adapters";
import { modelCard } from "../../src/display/model-card";
import { LanguageModel, loadModel } from "../../src/model/language-model";
import { bytesHeld, QuantizedWeight } from "../../src/model/quantized";
import { dequantize4bit, quantize4bit } from "../../src/quantize";
import { train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";

const IDS = [[1, 5, 9, 30, 2, 77]];
const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
const logits = async (model: LanguageModel) => (await model.logits(IDS, { device: "cpu" })).data;

/** What `quantize` should compute, from weights that went to 4 bits and back beforehand. */
function roundedModel(): LanguageModel {
  const { name, config, weights, tokenizer } = tinyModel();
  const rounded = [...weights].map(([key, weight]) => {
    const inside = /\.(self_attn|mlp)\./.test(key);
    return [key, inside ? dequantize4bit(quantize4bit(weight)) : weight] as const;
  });
  return new LanguageModel({ name, config, tokenizer, weights: new Map(rounded) });
}

/** Two models of one seed, trained alike. */
async function trained(model: LanguageModel): Promise<LanguageModel> {
  const student = model.attach(lora({ rank: 2 }), { seed: 3 });
  const data = [{ text: "the cat sat on the mat" }, { text: "a dog ran" }];
  await train(student, { data, steps: 5, batchSize: 2, learningRate: 1e-2, engine: { device: "cpu" } });
  return student;
}

describe("a quantized model", () => {
  it("computes what its dequantized weights compute, and is another model than its base", async () => {
    const base = tinyModel();
    const got = await logits(base.quantize());
    assert.ok(largest(got, await logits(roundedModel())) < 1e-4);
    assert.ok(largest(got, await logits(base)) > 1e-2);
  });

  it("keeps names, shapes and counts, in 4.5 bits a weight of a layer", () => {
    const base = tinyModel();
    const quantized = base.quantize();
    assert.equal(quantized.parameterCount, base.parameterCount);
    const shapes = ({ weights }: LanguageModel) => [...weights].map(([name, { shape }]) => [name, shape]);
    assert.deepEqual(shapes(quantized), shapes(base));
    const inside = [...base.weights].filter(([name]) => /\.(self_attn|mlp)\./.test(name));
    const bytes = (inside.reduce((sum, [, { data }]) => sum + data.length, 0) * 4.5) / 8;
    const text = modelCard(quantized)["text/plain"] as string;
    assert.match(text, new RegExp(`as held now .* ${bytes.toLocaleString("en")} bytes of 4-bit matrices`));
  });

  it("is trained as its dequantized weights are (QLoRA), and stays as it was", async () => {
    const quantized = tinyModel().quantize();
    const before = await logits(quantized);
    const [student, expected] = [await trained(quantized), await trained(roundedModel())];
    assert.ok(largest(student.adapter!.parameters.flat, expected.adapter!.parameters.flat) < 1e-4);
    assert.ok(largest(await logits(student), before) > 1e-3);
    assert.deepEqual(await logits(student.detach()), before);
  });

  it("holds 4.5 bits a weight, and 4.127 with double quantization, as QLoRA's paper counts", () => {
    const { name, config } = tinyModel();
    const data = Float32Array.from({ length: 256 * 256 }, (_, i) => Math.sin(i));
    const matrix = "model.layers.0.mlp.up_proj.weight";
    const weights = new Map([[matrix, { data, shape: [256, 256], dtype: "float32" as const }]]);
    const model = new LanguageModel({ name, config, weights });
    const bits = (model: LanguageModel) => (8 * bytesHeld(model.weights.get(matrix)!)) / data.length;
    assert.equal(bits(model), 32);
    assert.equal(bits(model.quantize()), 4.5);
    assert.equal(bits(model.quantize({ doubleQuantization: true })).toFixed(3), "4.127");
  });

  it("rounds the inputs of products to 8 bits where that is asked for, and says so", async () => {
    const settings = { type: "int4", groupSize: 16, activations: "int8" } as const;
    const [plain, int8] = [
      tinyModel().quantize({ type: "int4", groupSize: 16 }),
      tinyModel().quantize(settings),
    ];
    const apart = largest(await logits(int8), await logits(plain));
    assert.ok(apart > 1e-5 && apart < 0.3, `${apart}`);
    const held = int8.weights.get("model.layers.0.mlp.up_proj.weight") as QuantizedWeight;
    assert.deepEqual(held.settings, settings);
    assert.deepEqual(held.requantize(held).settings, settings);
    assert.throws(
      () => tinyModel().quantize({ type: "int4", groupSize: 16, activations: "int4" as never }),
      /activations should be "float32" or "int8", got "int4"/,
    );
  });

  it("merges into float32 without error; quantizing the result again rounds the update too", async () => {
    const student = await trained(tinyModel().quantize());
    const want = await logits(student);
    const merged = student.merge();
    assert.ok(largest(await logits(merged), want) < 1e-4);
    assert.ok(largest(await logits(merged.quantize()), want) > 1e-3);
  });

  it("is what loading straight into 4 bits gives, matrix by matrix", async () => {
    const settings = { type: "fp4", blockSize: 32, doubleQuantization: true } as const;
    const [loaded, afterwards] = [
      await loadModel("nano", { quantize: settings }),
      (await loadModel("nano")).quantize(settings),
    ];
    const values = ({ weights }: LanguageModel) => [...weights].map(([name, { data }]) => [name, data]);
    assert.deepEqual(values(loaded), values(afterwards));
    const inFours = [...loaded.weights].filter(([, weight]) => weight instanceof QuantizedWeight);
    assert.equal(inFours.length, 7 * loaded.config.layers);
    assert.match((await loaded.generate("Once", { maxTokens: 1 })).text, /./);
  });

  it("is not made of a model with adapters", () => {
    const student = tinyModel().attach(lora({ rank: 2 }), { name: "mine" });
    assert.throws(
      () => student.quantize(),
      /mine would belong to other weights; merge\(\) or detach\(\) first/,
    );
  });
});
