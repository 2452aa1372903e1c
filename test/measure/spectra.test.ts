import assert from "node:assert/strict";
import { full, lora } from "../../src/adapters";
import {
  effectiveRank,
  energy,
  intruderMeasures,
  intruders,
  principalAngles,
  rankFor,
  scaleIntruders,
  spectra,
} from "../../src/measure";
import { alignment, alignments } from "../../src/measure/alignment";
import { svdOfUpdate, updatesOf } from "../../src/measure/updates";
import type { LanguageModel } from "../../src/model/language-model";
import { train } from "../../src/train";
import { tinyModel } from "../display/models";

const near = (got: number, want: number, by = 1e-9) =>
  assert.ok(Math.abs(got - want) <= by, `${got}, expected ${want}`);

/** A LoRA of rank 2 on q_proj whose B is set by hand. */
function student() {
  const model = tinyModel().attach(lora({ rank: 2, targets: ["q_proj"] }));
  const { parameters } = model.adapter!;
  for (const name of parameters.names.filter((n) => n.includes("lora_B")))
    parameters.set(
      name,
      Array.from({ length: 32 }, (_, i) => Math.sin(i + 1) / 5),
    );
  return model;
}

describe("a spectrum", () => {
  it("has the effective rank of as many equal values, and less of unequal ones", () => {
    near(effectiveRank([2, 2, 2, 2]), 4);
    near(effectiveRank([5]), 1);
    near(effectiveRank([0, 0]), 0);
    // p = 3/4 and 1/4: exp(−¾ ln ¾ − ¼ ln ¼) = 4/3^(3/4)
    near(effectiveRank([3, 1]), 4 / 3 ** 0.75);
  });

  it("holds energy in its squares, and is cut at the fewest values that hold a part of it", () => {
    assert.deepEqual(energy([2, 1, 1]), [4 / 6, 5 / 6, 1]);
    assert.equal(rankFor([2, 1, 1], 4 / 6), 1);
    assert.equal(rankFor([2, 1, 1], 0.9), 3);
    assert.equal(rankFor([3, 0], 1), 1);
  });

  it("is the same from the factors of an update as from the whole matrix", () => {
    for (const update of updatesOf(student())) {
      const fromFactors = svdOfUpdate(update).values;
      const fromMatrix = svdOfUpdate({ ...update, factors: undefined }, 2).values;
      fromFactors.forEach((value, i) => {
        near(value, fromMatrix[i]!, 1e-6);
      });
    }
  });

  it("is known for each changed matrix, with its norm in parts of the weight's", () => {
    const model = student();
    const { all, mostChanged } = spectra(model);
    assert.deepEqual(
      all.map(({ path }) => path),
      ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"],
    );
    for (const [i, { norm, relativeNorm, values, rank90 }] of all.entries()) {
      const { before, delta } = updatesOf(model)[i]!;
      near(norm, Math.hypot(...(delta().data as Float32Array)), 1e-5);
      near(relativeNorm, norm / Math.hypot(...(before.data as Float32Array)), 1e-5);
      assert.equal(values.length, 2);
      assert.ok(rank90 === 1 || rank90 === 2);
    }
    assert.ok(mostChanged[0]!.relativeNorm >= mostChanged[1]!.relativeNorm);
  });

  it("is zero before training, and full fine-tuning has one for every matrix", () => {
    for (const { norm, effectiveRank } of spectra(tinyModel().attach(lora({ rank: 2 }))).all)
      assert.deepEqual([norm, effectiveRank], [0, 0]);
    const model = tinyModel().attach(full());
    model.adapter!.parameters.flat = model.adapter!.parameters.flat.map((x, i) => x + 1e-3 * Math.cos(i));
    const { all } = spectra(model);
    assert.equal(all.length, 2 * 7);
    for (const { path, values } of all) assert.ok(values[0]! > 0, path);
  });

  it("cannot be had without an adapter in use", () => {
    assert.throws(() => spectra(tinyModel()), /no adapter in use, so nothing is changed: attach one/);
  });
});

describe("directions", () => {
  it("of W lie wholly within W's own, whatever the update", () => {
    for (const update of updatesOf(student())) {
      // q_proj is square: its left vectors are a basis, so the squares of the cosines add up to 1.
      for (const row of alignment(update, update.before.shape[0]))
        near(
          row.reduce((sum, cosine) => sum + cosine ** 2, 0),
          1,
          1e-6,
        );
      assert.equal(alignment(update, 3).length, 2);
      assert.equal(alignment(update, 3)[0]!.length, 3);
    }
  });

  it("of ΔW are counted within W's strongest, in parts of all of it, beside chance", () => {
    const model = student();
    for (const { share, chance } of alignments(model, 16)) {
      near(share, 1, 1e-6);
      near(chance, 1);
    }
    const cosines = alignment(updatesOf(model)[0]!, 4);
    const { values } = svdOfUpdate(updatesOf(model)[0]!);
    const squares = values.map((value) => value ** 2);
    const within = cosines.map((row, j) => squares[j]! * row.reduce((sum, cosine) => sum + cosine ** 2, 0));
    const total = (list: number[]) => list.reduce((sum, x) => sum + x, 0);
    near(alignments(model, 4)[0]!.share, total(within) / total(squares), 1e-6);
    near(alignments(model, 4)[0]!.chance, 4 / 16);
  });

  it("have angles: 0 where subspaces meet, π/2 where they are orthogonal, 45° between x and x + y", () => {
    const [x, y, z] = [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ] as const;
    const angles = principalAngles([x, y], [y, z]);
    near(angles[0]!, 0, 1e-7);
    near(angles[1]!, Math.PI / 2);
    near(principalAngles([x], [[1, 1, 0]])[0]!, Math.PI / 4);
    assert.throws(
      () => principalAngles([x], [[1, 2]]),
      /vectors of one length, got 1 and 1 vectors of 3, 2 elements/,
    );
  });
});

describe("intruder dimensions", () => {
  it("are none where nothing changed: each direction is one of the weight's own", () => {
    const report = intruders(tinyModel().attach(lora({ rank: 2 })), { k: 4 });
    for (const { closest, control } of report.all) {
      for (const cosine of [...closest, ...control]) near(cosine, 1, 1e-6);
    }
    assert.deepEqual([report.count, report.controlCount], [0, 0]);
  });

  it("appear when a new direction outweighs the old ones, and ε decides which count", () => {
    const model = student();
    const { parameters } = model.adapter!;
    // Many times the weight: the strongest directions of the sum are the update's.
    for (const name of parameters.names)
      parameters.set(
        name,
        Array.from(parameters.get(name).data, (x) => 30 * x),
      );
    const report = intruders(model, { k: 2, epsilon: 0.9 });
    const closest = report.all.map((one) => one.closest.slice(0, 2));
    assert.equal(report.count, closest.flat().filter((cosine) => cosine < 0.9).length);
    assert.ok(Math.min(...closest[0]!) < 0.9);
    assert.equal(report.at(1e-6).count, 0);
    assert.equal(report.at(1).count, 4);
  });

  it("of random directions are what chance gives in so few dimensions", () => {
    const report = intruders(student(), { k: 4 });
    // The largest of 16 squared cosines that add up to 1 is at least 1/16, and its root's mean is well below 1.
    const { random } = report.all[0]!;
    for (const cosine of random) assert.ok(cosine >= 0.25 - 1e-9 && cosine <= 1);
    assert.ok(report.randomCount > 0 && report.randomCount < 8);
  });

  it("of random directions are as many as the uniform distribution on a sphere says", () => {
    // One column: |cos| with one axis in d = 3 dimensions is uniform in 0 … 1, so that half are below 0.5.
    const weight = { data: Float32Array.of(1, 2, 3), shape: [3, 1], dtype: "float32" as const };
    const change = { data: Float32Array.of(0, 0, 1), shape: [3, 1], dtype: "float32" as const };
    const model = {
      ...student(),
      weights: new Map([["one.weight", weight]]),
      adapter: {
        ...student().adapter!,
        method: "other",
        portable: undefined,
        merged: () =>
          new Map([["one.weight", { ...weight, data: weight.data.map((w, i) => w + change.data[i]!) }]]),
      },
    };
    const report = intruders(model, { k: 1 });
    near(report.randomCount, 0.5, 0.1);
    // (1, 2, 3)·(1, 2, 4) = 17 of √14·√21
    near(report.all[0]!.closest[0]!, 17 / Math.sqrt(14 * 21), 1e-6);
  });

  it("are counted for another k without another decomposition, up to as many as were computed", () => {
    const report = intruders(student(), { k: 2, epsilon: 1 });
    assert.equal(report.at(1, 1).looked, 2);
    assert.equal(report.at(0.5, 16).all, report.all);
    assert.throws(
      () => report.at(0.5, 17),
      /known for 16 directions, got k = 17: intruders\(model, \{ k: 17 \}\)/,
    );
  });

  it("follow an adapter whose values change", () => {
    const model = student();
    const before = intruders(model).all[0]!.closest;
    assert.deepEqual(intruders(model).all[0]!.closest, before);
    const { parameters } = model.adapter!;
    parameters.flat = parameters.flat.map((x) => 30 * x);
    assert.notDeepEqual(intruders(model).all[0]!.closest, before);
  });

  it("repeat with the same seed", () => {
    const control = (seed: number) => intruders(student(), { k: 2, seed }).all[0]!.control;
    assert.deepEqual(control(3), control(3));
    assert.notDeepEqual(control(3), control(4));
  });

  it("need k and ε in range", () => {
    assert.throws(() => intruders(student(), { k: 0 }), /k must be a whole number from 1, got 0/);
    assert.throws(() => intruders(student(), { epsilon: 0 }), /epsilon must be above 0 and at most 1, got 0/);
  });
});

describe("intruders scaled by a factor", () => {
  /** An update in a direction that W has little of, so that it is an intruder. */
  function intruded() {
    const model = student();
    model.adapter!.parameters.flat = model.adapter!.parameters.flat.map((x) => 30 * x);
    return model;
  }
  const settings = { k: 2, epsilon: 0.9 };

  it("are as they were at 1, and gone at 0: what is left is orthogonal to them", () => {
    const model = intruded();
    const { all } = intruders(model, settings);
    const [same, without] = [1, 0].map((factor) => scaleIntruders(model, factor, settings).merge());
    let found = 0;
    for (const { path, closest, directions } of all) {
      const name = `${path}.weight`;
      const weight = (of: { weights: ReadonlyMap<string, { data: ArrayLike<number> }> }) =>
        of.weights.get(name)!.data;
      const before = weight(model.merge());
      assert.deepEqual(weight(same!), before);
      for (const j of [0, 1]) {
        if (closest[j]! >= 0.9) continue;
        found++;
        const [u, v] = [directions.left[j]!, directions.right[j]!];
        const strength = (w: ArrayLike<number>) =>
          u.reduce((sum, x, i) => sum + v.reduce((all, y, c) => all + x * y * w[i * v.length + c]!, 0), 0);
        near(strength(before), directions.values[j]!, 1e-4);
        near(strength(weight(without!)), 0, 1e-4);
      }
    }
    assert.equal(found, intruders(model, settings).count);
  });

  it("share one merged model, and so its programs", async () => {
    const model = intruded();
    const [half, double] = [0.5, 2].map((factor) => scaleIntruders(model, factor, settings));
    assert.equal(half!.weights, double!.weights);
    const logits = async (one: LanguageModel) => [...(await one.logits([1, 2, 3])).data];
    assert.deepEqual(await logits(scaleIntruders(model, 1, settings)), await logits(half!.detach()));
    assert.notDeepEqual(await logits(half!), await logits(double!));
  });

  it("need intruders", () => {
    assert.throws(
      () => scaleIntruders(student(), 0, { k: 2, epsilon: 1e-6 }),
      /none of the 2 strongest directions is an intruder at ε = 0.000001; a higher ε/,
    );
    assert.throws(() => scaleIntruders(student(), Number.NaN), /factor must be a number, got NaN/);
  });
});

describe("intruders over training", () => {
  it("are counted at chosen steps with both comparisons, from no change on", async () => {
    const model = tinyModel().attach(lora({ rank: 2, targets: ["q_proj"] }));
    const settings = { k: 2, epsilon: 0.7 };
    const run = await train(model, {
      data: [{ prompt: "a", completion: "b" }],
      steps: 4,
      batchSize: 1,
      learningRate: 0.5,
      evaluate: { every: 2, measures: intruderMeasures(settings) },
    });
    const counts = run.evaluations.map(({ values }) => values.intruders);
    assert.deepEqual(
      run.evaluations.map(({ step }) => step),
      [0, 2, 4],
    );
    assert.equal(counts[0], 0);
    assert.equal(counts[2], intruders(model, settings).count);
    for (const { values } of run.evaluations) {
      assert.equal(Object.keys(values).length, 3);
      assert.equal(values["intruders, random directions"], intruders(model, settings).randomCount);
    }
  });
});
