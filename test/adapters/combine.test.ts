import assert from "node:assert/strict";
import * as ort from "onnxruntime-node";
import {
  type CombinationMethod,
  type CombineOptions,
  combinationErrors,
  combine,
  dora,
  full,
  type LoraAdapter,
  lora,
  pissa,
} from "../../src/adapters";
import { agreeingMean, keepLargest, keepRandom, weightedSum } from "../../src/adapters/task-arithmetic";
import { DISPLAY } from "../../src/display";
import { generator, type HostArray } from "../../src/engine";
import { LanguageModel } from "../../src/model/language-model";
import { randomWeights } from "../model/tiny";
import { tinyModel } from "../train/tiny-model";
import { IDS, maxDifference, scramble } from "./support";

const base = tinyModel();
const student = (seed: number, settings = {}) => {
  const model = base.attach(lora({ rank: 3, alpha: 6, ...settings }), { seed });
  const random = generator(100 + seed);
  const { parameters } = model.adapter!;
  parameters.flat = parameters.flat.map((x) => x + 0.2 * (random() - 0.5));
  return model;
};
const of = (model: LanguageModel) => model.adapter as LoraAdapter;
const vector = (...values: number[]) => Float64Array.from(values);

/** Σ wᵢ·ΔWᵢ of a target. */
const exact = (students: LanguageModel[], weights: number[], path: string) =>
  weightedSum(
    students.map((model) => Float64Array.from(of(model).delta(path).data)),
    weights,
  );

describe("arithmetic on updates", () => {
  const [x, y] = [vector(3, -1, 0.5, 0), vector(-2, -4, 1, 5)];

  it("sums by weights", () => {
    assert.deepEqual(weightedSum([x, y], [2, -1]), vector(8, 2, 0, -5));
  });

  it("keeps the largest part, or a random one with the mean that all had", () => {
    assert.deepEqual(keepLargest(y, 0.5), vector(0, -4, 0, 5));
    assert.deepEqual(keepLargest(y, 1), y);
    const random = generator(1);
    const many = new Float64Array(10_000).fill(1);
    const kept = keepRandom(many, 0.25, random);
    assert.ok(kept.every((value) => value === 0 || value === 4));
    assert.ok(Math.abs(kept.reduce((a, b) => a + b) / 10_000 - 1) < 0.1);
  });

  it("means what agrees with the elected sign (TIES)", () => {
    // Element 0: 3 − 2 > 0 elects +, so 3 alone; 1: both; 2: both; 3: 0 has no sign.
    assert.deepEqual(agreeingMean([x, y], [1, 1], "total"), vector(3, -2.5, 0.75, 5));
    const z = vector(-0.1, 0, 0, 0);
    assert.deepEqual(agreeingMean([x, y, z], [1, 1, 1], "frequency")[0], -1.05);
    assert.deepEqual(agreeingMean([x, y, z], [1, 1, 1], "total")[0], 3);
  });
});

describe("a combination of adapters", () => {
  const both = [student(1), student(2)];
  const weights = [0.7, -0.4];

  it('of "cat" is exactly the weighted sum, at any ranks and scales', async () => {
    const three = [...both, student(3, { rank: 2, alpha: 9, rsLoRA: true })];
    const model = combine(three, { weights: [0.7, -0.4, 1.5], name: "mixed" });
    assert.equal(model.active, "mixed");
    for (const { path, rank } of of(model).pairs) {
      assert.equal(rank, 8);
      assert.ok(maxDifference(of(model).delta(path).data, exact(three, [0.7, -0.4, 1.5], path)) < 1e-6);
    }
    assert.ok(combinationErrors(model, three, [0.7, -0.4, 1.5]).relative < 1e-6);
    // And the weights of the model are the base's with the sum on top.
    const [path] = of(model).pairs.map((pair) => pair.path);
    const sum = exact(three, [0.7, -0.4, 1.5], path!);
    const change = model
      .merge()
      .weights.get(`${path}.weight`)!
      .data.map((w: number, i: number) => w - base.weights.get(`${path}.weight`)!.data[i]!);
    assert.ok(maxDifference(change, sum) < 1e-6);
  });

  it("of one adapter with itself taken away is the base", async () => {
    const nothing = combine([both[0]!, both[0]!], { weights: [1, -1] });
    assert.ok(maxDifference((await nothing.logits(IDS)).data, (await base.logits(IDS)).data) < 1e-4);
  });

  it('of "linear" has cross-terms, which are returned: (ΣB)(ΣA) is not ΣBA', () => {
    const model = combine(both, { weights, method: "linear" });
    const errors = combinationErrors(model, both, weights);
    assert.equal(errors.rows.length, 14);
    const adapters = both.map(of);
    for (const { path, relative } of errors.rows) {
      const [p, q] = adapters.map((adapter) => adapter.pairs.find((pair) => pair.path === path)!);
      const get = (i: number, name: string) => adapters[i]!.parameters.get(name);
      // √(w₁s)·√(w₂s) times the sign that A carries: −B₁A₂ + B₂A₁.
      const root = Math.sqrt(Math.abs(weights[0]! * weights[1]!)) * 2;
      const cross = plain(get(0, p!.b), get(1, q!.a)).map(
        (x, i) => root * (plainAt(get(1, q!.b), get(0, p!.a), i) - x),
      );
      const norm = (values: ArrayLike<number>) => Math.hypot(...Array.from(values));
      assert.ok(Math.abs(relative / (norm(cross) / norm(exact(both, weights, path))) - 1) < 1e-4);
      assert.ok(relative > 0.1);
    }
    const shown = errors[DISPLAY]();
    assert.match(shown["text/plain"], /Errors of Σ w·ΔW: at most .* of the root mean square/);
    assert.match(shown["text/plain"], /model\.layers\.1\.mlp\.up_proj +0?\.\d+ +\d+/);
    assert.match(shown["text/html"]!, /<table>/);
  });

  it('of "svd" is the best of its rank, and exact where that is high enough', () => {
    const relative = (rank?: number) =>
      combinationErrors(combine(both, { weights, method: "svd", rank }), both, weights).relative;
    const errors = [1, 2, 4, 6].map(relative);
    assert.ok(
      errors.every((error, i) => i === 0 || error < errors[i - 1]!),
      String(errors),
    );
    assert.ok(errors[3]! < 1e-5);
    assert.ok(
      relative() < combinationErrors(combine(both, { weights, method: "linear" }), both, weights).relative,
    );
  });

  it('of one adapter with "svd" is that adapter cut down', () => {
    const one = [student(4, { rank: 4 })];
    const cut = combine(one, { method: "svd", rank: 2 });
    assert.ok(of(cut).pairs.every(({ rank }) => rank === 2));
    const { relative } = combinationErrors(cut, one);
    assert.ok(relative > 0.05 && relative < 1);
    assert.ok(combinationErrors(combine(one, { method: "svd", rank: 4 }), one).relative < 1e-5);
  });

  it('with nothing dropped is "linear" for DARE and magnitude pruning', () => {
    const flat = (options: CombineOptions) => of(combine(both, { weights, ...options })).parameters.flat;
    const plain = flat({ method: "linear" });
    for (const method of ["dare_linear", "magnitude_prune"] as const)
      assert.ok(maxDifference(flat({ method, density: 1 }), plain) < 1e-7);
    assert.ok(maxDifference(flat({ method: "ties", density: 1 }), plain) > 1e-3);
  });

  it("with DARE repeats with its seed, differs with another, and is right in the mean", () => {
    const method = "dare_linear_svd";
    const path = of(both[0]!).pairs[0]!.path;
    // As many singular values as there are: nothing is cut off.
    const draw = (seed: number) =>
      of(combine(both, { method, density: 0.5, rank: 32, seed })).delta(path).data;
    assert.deepEqual(draw(1), draw(1));
    assert.notDeepEqual(draw(1), draw(2));
    const mean = new Float64Array(draw(0).length);
    for (let seed = 0; seed < 20; seed++) for (const [i, x] of draw(seed).entries()) mean[i]! += x / 20;
    const want = exact(both, [1, 1], path);
    const norm = (values: ArrayLike<number>) => Math.hypot(...Array.from(values));
    const off = norm(mean.map((x, i) => x - want[i]!)) / norm(want);
    assert.ok(
      off < 0.4 && norm(Float64Array.from(draw(0), (x, i) => x - want[i]!)) / norm(want) > 0.7,
      String(off),
    );
  });

  it("takes PiSSA's adapters as updates of the base", () => {
    const model = scramble(base.attach(lora({ rank: 3, init: pissa })));
    const pair = [model, both[0]!];
    assert.ok(combinationErrors(combine(pair), pair).relative < 1e-4);
  });

  it("explains what cannot be combined", () => {
    const fails = (students: LanguageModel[], options: CombineOptions, message: RegExp) =>
      assert.throws(() => combine(students, options), message);
    fails([], {}, /expected one model with an adapter in use or more, got none/);
    fails([both[0]!, base], {}, /number 2 has no adapter in use/);
    for (const method of [dora(), full()])
      fails(
        [both[0]!, base.attach(method)],
        {},
        /expected models with LoRA adapters, but number 2 has a "(dora|full)"/,
      );
    fails(both, { weights: [1] }, /expected 2 numbers as weights, one for each adapter, got \[1\]/);
    fails(both, { weights: [1, Number.NaN] }, /expected 2 numbers as weights/);
    const other = new LanguageModel({
      name: "other",
      config: base.config,
      weights: randomWeights(base.config, 7),
    });
    fails(
      [both[0]!, other.attach(lora({ rank: 3 }))],
      {},
      /number 2 has another base than the first: model\.embed_tokens\.weight\. An update fits/,
    );
    fails(
      [both[0]!, student(3, { targets: ["q_proj"] })],
      {},
      /targets of number 2 .*k_proj is one of the first's alone/,
    );
    fails([student(3, { targets: ["q_proj"] }), both[0]!], {}, /k_proj is one of its alone/);
    fails(
      [both[0]!, student(3, { rank: 2 })],
      { method: "linear" },
      /"linear" sums factors, .* of one rank; .* have 3, 2/,
    );
    fails([student(3, { modulesToSave: ["norm"] })], {}, /number 1 trains norm whole/);
    fails(
      both,
      { method: "slerp" as CombinationMethod },
      /method "slerp" is not known: expected cat, linear, svd/,
    );
    fails(both, { method: "ties" }, /"ties" needs a density above 0 and up to 1, got undefined/);
    fails(both, { method: "dare_linear", density: 0 }, /got 0/);
    fails(both, { method: "linear", rank: 4 }, /rank .* is for methods with "svd", got 4 for "linear"/);
    fails(both, { method: "svd", rank: 0 }, /rank must be a whole number from 1/);
    fails(
      both,
      { method: "ties", density: 0.5, election: "most" as "total" },
      /election must be "total" or "frequency"/,
    );
    fails(Array(11).fill(both[0]), {}, /rank 33 is above what .* can have/);
  });

  it("of the same weights read twice is one base", () => {
    const twin = new LanguageModel({
      name: "twin",
      config: base.config,
      weights: randomWeights(base.config),
    });
    assert.equal(
      combine([both[0]!, twin.attach(lora({ rank: 3 }))]).trainableCount,
      2 * both[0]!.trainableCount,
    );
  });
});

function plainAt(b: HostArray, a: HostArray, i: number): number {
  const [rank, inputs] = a.shape as [number, number];
  const [row, column] = [Math.floor(i / inputs), i % inputs];
  let sum = 0;
  for (let k = 0; k < rank; k++) sum += b.data[row * rank + k]! * a.data[k * inputs + column]!;
  return sum;
}
const plain = (b: HostArray, a: HostArray): Float64Array =>
  Float64Array.from({ length: b.shape[0]! * a.shape[1]! }, (_, i) => plainAt(b, a, i));

describe("changing over to another adapter", () => {
  it("builds no program when shapes and scales agree", async () => {
    const fresh = tinyModel();
    const first = scramble(fresh.attach(lora({ rank: 2 }), { name: "first" }));
    const model = first.attach(lora({ rank: 2 }), { name: "second", seed: 1 });
    scramble(model, 0.3);
    const { create } = ort.InferenceSession;
    let built = 0;
    const mutable = ort.InferenceSession as { create: unknown };
    mutable.create = (...args: unknown[]) => {
      built++;
      return (create as (...args: unknown[]) => unknown).apply(ort.InferenceSession, args);
    };
    try {
      const one = await model.use("first").logits(IDS);
      assert.equal(built, 1);
      const two = await model.use("second").logits(IDS);
      const mixed = combine([model.use("first"), model.use("second")], { method: "svd", name: "third" });
      const three = await mixed.logits(IDS);
      const again = await model.use("first").logits(IDS);
      // The mixture has a scale of 1 as well.
      assert.equal(built, 1);
      assert.deepEqual(again.data, one.data);
      assert.ok(maxDifference(one.data, two.data) > 1e-2 && maxDifference(two.data, three.data) > 1e-2);
      const merged = await model.use("second").merge().logits(IDS);
      assert.ok(maxDifference(two.data, merged.data) < 1e-4);
      await fresh.attach(lora({ rank: 3 })).logits(IDS);
      await fresh.attach(lora({ rank: 2, alpha: 7 })).logits(IDS);
      assert.equal(built, 4); // the merged model, another rank, another scale
      await fresh.attach(lora({ rank: 2, init: pissa })).logits(IDS);
      assert.equal(built, 5); // another base
    } finally {
      mutable.create = create;
    }
  });
});
