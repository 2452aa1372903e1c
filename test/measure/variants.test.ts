import assert from "node:assert/strict";
import {
  adalora,
  combine,
  dora,
  full,
  houlsby,
  type LoraAdapter,
  lora,
  mixture,
  pissa,
  vera,
} from "../../src/adapters";
import { fromSingular, svd } from "../../src/adapters/svd";
import { generator } from "../../src/engine";
import { blended, restricted, scaled, truncated } from "../../src/measure";
import { Blend } from "../../src/measure/blend";
import { Change, upTo } from "../../src/measure/variants";
import type { Method } from "../../src/model/adapter";
import type { LanguageModel } from "../../src/model/language-model";
import { IDS, maxDifference, scramble } from "../adapters/support";
import { tinyModel } from "../train/tiny-model";

const base = tinyModel();
const student = (method: Method, of = base) => scramble(of.attach(method, { seed: 1 }), 0.05);
const logits = async (model: LanguageModel) => (await model.logits(IDS)).data;
const close = async (one: LanguageModel, other: LanguageModel, by = 2e-4) => {
  const off = maxDifference(await logits(one), await logits(other));
  assert.ok(off < by, `logits differ by ${off}`);
};
/** W′ − W of a weight. */
const deltaOf = (model: LanguageModel, name: string) => {
  const before = model.weights.get(name)!.data;
  return Float32Array.from(model.merge().weights.get(name)!.data, (w, i) => w - before[i]!);
};

/** Every method that changes weights, whatever its form. */
const METHODS: [name: string, model: LanguageModel][] = [
  ["LoRA", student(lora({ rank: 4, alpha: 8, rankPattern: { q_proj: 2 } }))],
  ["LoRA of the embedding, the head tied", student(lora({ rank: 3, targets: ["embed_tokens", "v_proj"] }))],
  [
    "LoRA beside whole modules",
    student(lora({ rank: 2, targets: "mlp", modulesToSave: ["lm_head", "norm"] })),
  ],
  ["PiSSA", student(lora({ rank: 3, init: pissa }))],
  ["DoRA", student(dora({ rank: 3 }))],
  ["VeRA", student(vera({ rank: 16 }))],
  ["AdaLoRA", student(adalora({ initRank: 4, targetRank: 2, totalSteps: 10 }))],
  ["full fine-tuning", student(full())],
  ["LoRA on a quantized base", student(lora({ rank: 3 }), tinyModel({ hidden_size: 64 }).quantize())],
];

describe("variants of a trained change", () => {
  for (const [name, model] of METHODS) {
    it(`${name}: all of its rank is the adapter, rank 0 is the base`, async () => {
      const change = new Change(model);
      await close(truncated(model, change.rank), model);
      await close(truncated(model, 0), model.detach(), 1e-6);
      assert.ok(maxDifference(await logits(model), await logits(model.detach())) > 0.01);
      assert.equal(change.share(upTo(0)), 0);
      assert.ok(Math.abs(change.share(upTo(change.rank)) - 1) < 1e-12);
    });
  }

  it("a truncated change is the best of its rank: that of the full singular value decomposition", () => {
    for (const model of [METHODS[0]![1], METHODS[4]![1], METHODS[7]![1]]) {
      for (const name of ["model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight"]) {
        const whole = svd({ data: deltaOf(model, name), shape: model.weights.get(name)!.shape });
        for (const rank of [1, 2]) {
          const part = { values: [], left: whole.left.slice(0, rank), right: whole.right.slice(0, rank) };
          const best = fromSingular({ ...part, values: whole.values.slice(0, rank) });
          const got = deltaOf(truncated(model, rank), name);
          assert.ok(maxDifference(got, best) < 1e-5, `${model.adapter!.method} ${name} ${rank}`);
        }
      }
    }
  });

  it("the share that is kept is Σσ² of the directions kept over that of all", () => {
    const model = METHODS[0]![1];
    const spectra = (model.adapter as LoraAdapter).pairs.map(({ path }) => {
      const { data, shape } = (model.adapter as LoraAdapter).delta(path);
      return svd({ data, shape }).values;
    });
    const energy = (rank: number) =>
      spectra.flatMap((values) => values.slice(0, rank)).reduce((sum, value) => sum + value ** 2, 0);
    const change = new Change(model);
    for (const rank of [1, 2, 3])
      assert.ok(Math.abs(change.share(upTo(rank)) - energy(rank) / energy(4)) < 1e-6);
  });

  it("a change has no more directions than its method has: float32's rounding is none", () => {
    assert.equal(new Change(METHODS[6]![1]).rank, 4);
    assert.equal(new Change(METHODS[3]![1]).rank, 6); // [B, −B₀]·[A; A₀]
    assert.equal(new Change(METHODS[5]![1]).rank, 16);
  });

  it("W + factor·ΔW is what α times the factor gives; −1 undoes 1", async () => {
    const model = student(lora({ rank: 4, alpha: 8 }));
    const louder = base.attach(lora({ rank: 4, alpha: 12 }));
    louder.adapter!.parameters.flat = model.adapter!.parameters.flat.slice();
    await close(scaled(model, 1.5), louder);
    await close(scaled(model, 0), base, 1e-6);
    const name = "model.layers.0.mlp.up_proj.weight";
    const [plus, minus] = [deltaOf(scaled(model, 1), name), deltaOf(scaled(model, -1), name)];
    assert.ok(
      maxDifference(
        plus,
        minus.map((x) => -x),
      ) < 1e-6,
    );
  });

  it("restricted to modules and layers, the change is zero elsewhere", async () => {
    const model = METHODS[0]![1];
    const some = restricted(model, { modules: ["q_proj", "mlp"], layers: [1] });
    for (const { path } of (model.adapter as LoraAdapter).pairs) {
      const isOn = /layers\.1\.(mlp\.|self_attn\.q_proj)/.test(path);
      const want = isOn ? deltaOf(model, `${path}.weight`) : [];
      assert.ok(maxDifference(want, deltaOf(some, `${path}.weight`)) < 1e-6, path);
      if (!isOn) assert.ok(deltaOf(some, `${path}.weight`).every((x) => x === 0));
    }
    await close(restricted(model, {}), model);
    await close(restricted(model, { modules: [] }), base, 1e-6);
    const whole = METHODS[7]![1];
    const norms = restricted(whole, { modules: ["norm", "input_layernorm"], layers: [0] });
    assert.deepEqual([...deltaOf(norms, "model.norm.weight")], [...deltaOf(whole, "model.norm.weight")]);
    assert.ok(deltaOf(norms, "model.embed_tokens.weight").every((x) => x === 0));
  });

  it("refuses what is no change of weights, and settings that mean nothing, with a reason", () => {
    const model = METHODS[0]![1];
    assert.throws(() => truncated(base, 1), /There is no adapter in use/);
    assert.throws(
      () => truncated(student(houlsby()), 1),
      /"houlsby" adapter does is no change of weights.*nonlinearity/,
    );
    assert.throws(
      () => scaled(student(mixture({ experts: 2, topK: 1 })), 1),
      /"mixture" .* depends on the input/,
    );
    assert.throws(() => truncated(model, 1.5), /whole number from 0, got 1\.5/);
    assert.throws(() => scaled(model, Number.NaN), /must be a number, got NaN/);
    assert.throws(
      () => restricted(model, { modules: ["query"] }),
      /no module "query"; it changes q_proj, k_proj/,
    );
    assert.throws(() => restricted(model, { layers: [2] }), /no layer 2; it changes 0, 1/);
  });
});

describe("a blend of two adapters", () => {
  const random = generator(5);
  const other = base.attach(lora({ rank: 4, alpha: 2 }), { seed: 2 });
  other.adapter!.parameters.flat = other.adapter!.parameters.flat.map((x) => x + 0.1 * (random() - 0.5));
  const one = student(lora({ rank: 4, alpha: 8 }));

  it("is w₁ΔW₁ + w₂ΔW₂: either alone, and what combine makes", async () => {
    await close(blended(one, other, [1, 0]), one);
    await close(blended(one, other, [0, 1]), other);
    await close(blended(one, other, [0.7, -0.4]), combine([one, other], { weights: [0.7, -0.4] }));
  });

  it("with cross-terms is the product of the summed factors, as PEFT's linear sum", async () => {
    const weights = [0.7, 0.5] as const;
    await close(
      blended(one, other, weights, { crossTerms: true }),
      combine([one, other], { weights, method: "linear" }),
    );
  });

  it("measures the cross-terms: ‖√(w₁w₂)(b₁a₂ + b₂a₁)‖ over ‖w₁b₁a₁ + w₂b₂a₂‖, directly computed", () => {
    const weights = [0.7, 0.5] as const;
    const [exact, linear] = (["cat", "linear"] as const).map((method) =>
      combine([one, other], { weights, method }),
    );
    let [cross, sum] = [0, 0];
    for (const { path } of (exact!.adapter as LoraAdapter).pairs) {
      const [x, y] = [exact!, linear!].map((model) => (model.adapter as LoraAdapter).delta(path).data);
      for (let i = 0; i < x!.length; i++) {
        cross += (y![i]! - x![i]!) ** 2;
        sum += x![i]! ** 2;
      }
    }
    assert.ok(Math.abs(new Blend(one, other).crossTerms(weights) / Math.sqrt(cross / sum) - 1) < 1e-4);
  });

  it("takes adapters of different methods and targets", async () => {
    const whole = student(full());
    const attention = student(lora({ rank: 2, targets: "attention" }));
    await close(blended(whole, attention, [1, 0]), whole);
    await close(blended(whole, attention, [0, 1]), attention);
    const name = "model.layers.0.self_attn.q_proj.weight";
    const sum = deltaOf(whole, name).map((x, i) => x + deltaOf(attention, name)[i]!);
    assert.ok(maxDifference(deltaOf(blended(whole, attention), name), sum) < 1e-5);
  });

  it("refuses other bases, and cross-terms where no factors can be summed", () => {
    assert.throws(() => blended(one, student(lora(), tinyModel())), /different weights below/);
    assert.throws(
      () => blended(one, student(dora({ rank: 4 })), [1, 1], { crossTerms: true }),
      /no cross-terms: a "dora" adapter has no factors/,
    );
    assert.throws(
      () => blended(one, student(lora({ rank: 2 })), [1, 1], { crossTerms: true }),
      /no cross-terms: the factors of .*q_proj.weight have ranks 4 and 2/,
    );
    assert.throws(
      () => blended(one, other, [1, -1], { crossTerms: true }),
      /roots of the weights, got 1 and -1/,
    );
  });
});
