/** Training against PyTorch + transformers + PEFT: same start, same examples, AdamW with weight decay and clipping. */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { full, lora } from "../../src/adapters";
import type { HostArray } from "../../src/engine";
import { LanguageModel, loadModel } from "../../src/model/language-model";
import { readSafetensors } from "../../src/model/safetensors";
import { type Example, type TrainOptions, train } from "../../src/train";
import { byteTokenizer } from "../model/tiny";
import { reference } from "./python";

/** Largest |a − b| over the largest |b|. */
function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  const largest = (values: number[]) => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return largest(Array.from(a, (x, i) => x - b[i]!)) / largest(Array.from(b));
}

describe("training against PyTorch", function () {
  this.timeout(300_000);
  let folder: string;
  let expected: Map<string, HostArray>;
  let data: Example[];
  let base: LanguageModel;

  before(async () => {
    folder = reference("optimizer_reference.py");
    expected = (await readSafetensors(join(folder, "reference.safetensors"))).tensors;
    data = JSON.parse(readFileSync(join(folder, "examples.json"), "utf8"));
    const { config, weights } = await loadModel(join(folder, "model"));
    base = new LanguageModel({ name: "tiny", config, weights, tokenizer: byteTokenizer() });
  });

  after(() => rmSync(folder, { recursive: true }));

  async function adapted(settings = {}): Promise<LanguageModel> {
    const model = base.attach(lora({ rank: 4, alpha: 6, targets: "all-linear", ...settings }));
    const { tensors } = await readSafetensors(join(folder, "adapter", "adapter_model.safetensors"));
    const { parameters } = model.adapter!;
    assert.equal(tensors.size, parameters.names.length);
    for (const [key, { data }] of tensors) parameters.set(key.replace("base_model.model.", ""), data);
    return model;
  }

  /** Trains as the reference was trained; clipped at a norm between those of its gradients, which some exceed. */
  async function agrees(
    name: "lora" | "loraplus" | "full",
    model: LanguageModel,
    how: Partial<TrainOptions>,
  ) {
    const rates =
      name !== "full"
        ? { learningRate: 1e-2, maxGradientNorm: name === "lora" ? 1.1 : 1.6 }
        : { learningRate: 1e-3, maxGradientNorm: 4 };
    const settings = { data, steps: 5, weightDecay: 0.1, display: false, ...rates, ...how };
    const values = () =>
      new Map(model.adapter!.parameters.entries().map(([key, { data }]) => [key, data.slice()]));
    const before = values();
    const { steps, losses } = await train(model, settings);
    const norms = steps.map(({ gradientNorm }) => gradientNorm);
    const reference = (key: string) => expected.get(`${name}.${key}`)!.data;
    assert.ok(relativeError(losses, reference("losses")) < 1e-4, `losses ${losses}`);
    assert.ok(relativeError(norms, reference("norms")) < 1e-3, `norms ${norms}`);
    const clipped = norms.filter((norm) => norm > rates.maxGradientNorm).length;
    assert.ok(clipped > 0 && clipped < 5, `${clipped} of 5 steps are clipped: ${norms}`);
    const trained = [...expected.keys()].filter((key) => key.startsWith(`${name}.trained.`));
    assert.equal(trained.length, before.size);
    for (const [key, after] of values()) {
      // How far the weights went, which is little beside their size.
      const moved = (to: ArrayLike<number>) => Array.from(to, (x, i) => x - before.get(key)![i]!);
      const error = relativeError(moved(after), moved(reference(`trained.${key}`)));
      assert.ok(error < 2e-3, `${key}: relative error ${error}`);
    }
  }

  it("gives the same losses and adapter after five steps of LoRA", async () => {
    await agrees("lora", await adapted(), { batchSize: 4 });
  });

  it("gives the same when gradients are accumulated over batches", async () => {
    await agrees("lora", await adapted(), { batchSize: 1, accumulate: 4 });
  });

  it("gives the same when the examples are packed into one row", async () => {
    await agrees("lora", await adapted(), { batchSize: 1, packing: true });
  });

  it("gives the same losses and adapter after five steps of LoRA+, whose B decays faster too", async () => {
    await agrees("loraplus", await adapted({ loraPlusRatio: 8 }), { batchSize: 4 });
  });

  it("gives the same losses and weights after five steps of full fine-tuning", async () => {
    await agrees("full", base.attach(full()), { batchSize: 4 });
  });
});
