import assert from "node:assert/strict";
import { eva, type LoraAdapter, svd } from "../../src/adapters";
import { PrincipalComponents } from "../../src/adapters/principal-components";
import { generator, type HostArray } from "../../src/engine";
import { train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";
import { IDS, maxDifference } from "./support";

const TEXTS = ["the cat sat on the mat", "a dog ran to the house", "one and one is two", "the sky is blue"];

function rows(n: number, width: number, seed: number): HostArray {
  const random = generator(seed);
  // Columns of different spread, so that the components are far apart.
  const data = Float32Array.from({ length: n * width }, (_, i) => (random() + 0.3) * 2 ** -(i % width));
  return { data, shape: [n, width], dtype: "float32" };
}

describe("principal components", () => {
  it("of one batch are the singular vectors of its rows less their mean", () => {
    const x = rows(40, 6, 1);
    const components = new PrincipalComponents(3);
    components.add(x);
    const mean = Float64Array.from({ length: 6 }, (_, j) =>
      Array.from({ length: 40 }, (_, i) => x.data[i * 6 + j]! / 40).reduce((a, b) => a + b),
    );
    const centred = { data: Float64Array.from(x.data, (value, i) => value - mean[i % 6]!), shape: [40, 6] };
    const { values, right } = svd(centred);
    const scatter = values.reduce((sum, value) => sum + value ** 2, 0);
    for (let k = 0; k < 3; k++) {
      const along = right[k]!.reduce((sum, value, j) => sum + value * components.vectors[k]![j]!, 0);
      assert.ok(Math.abs(Math.abs(along) - 1) < 1e-9);
      assert.ok(Math.max(...components.vectors[k]!) === Math.max(...components.vectors[k]!.map(Math.abs)));
      assert.ok(Math.abs(components.explained[k]! - values[k]! ** 2 / scatter) < 1e-9);
    }
    assert.ok(!components.settled(1, 0.99), "one batch cannot tell");
  });

  it("of several batches are those of all rows, when all are kept", () => {
    const whole = rows(60, 5, 2);
    const part = (from: number, to: number): HostArray => ({
      data: whole.data.slice(from * 5, to * 5),
      shape: [to - from, 5],
      dtype: "float32",
    });
    const [once, thrice] = [new PrincipalComponents(5), new PrincipalComponents(5)];
    once.add(whole);
    for (const [from, to] of [
      [0, 10],
      [10, 35],
      [35, 60],
    ] as const)
      thrice.add(part(from, to));
    assert.ok(maxDifference(thrice.explained, once.explained) < 1e-9);
    for (const [k, vector] of once.vectors.entries())
      assert.ok(maxDifference(thrice.vectors[k]!, vector) < 1e-6);
  });

  it("are settled when a batch turns them no more", () => {
    const components = new PrincipalComponents(2);
    components.add(rows(30, 4, 3));
    components.add(rows(30, 4, 3));
    assert.ok(components.settled(2, 0.99));
  });
});

describe("EVA", () => {
  const base = tinyModel();

  it("starts exactly at the base, with orthonormal rows in A", async () => {
    const student = base.attach(await eva(base, TEXTS, { rank: 4 }));
    assert.deepEqual((await student.logits(IDS)).data, (await base.logits(IDS)).data);
    const { pairs, parameters, settings } = student.adapter as LoraAdapter;
    assert.equal(settings.init, "eva");
    for (const { a, rank, in: inputs } of pairs) {
      const { data } = parameters.get(a);
      for (let j = 0; j < rank; j++) {
        for (let k = 0; k <= j; k++) {
          let along = 0;
          for (let i = 0; i < inputs; i++) along += data[j * inputs + i]! * data[k * inputs + i]!;
          assert.ok(Math.abs(along - (j === k ? 1 : 0)) < 1e-5);
        }
      }
    }
  });

  it("gives the ranks to the targets where they explain most, within the budget and at LoRA's scale", async () => {
    const method = await eva(base, TEXTS, { rank: 4, alpha: 12, rho: 2 });
    const { pairs } = base.attach(method).adapter as LoraAdapter;
    const ranks = [...method.ranks.values()];
    assert.equal(
      ranks.reduce((a, b) => a + b),
      4 * 14,
    );
    assert.ok(Math.max(...ranks) > 4 && Math.max(...ranks) <= 8 && Math.min(...ranks) < 4);
    for (const { path, rank, scale } of pairs) {
      assert.equal(rank, method.ranks.get(path));
      assert.ok(Math.abs(scale - 3) < 1e-12);
    }
    // What was taken explains at least as much as what was left.
    const parts = [...method.explained].map(([path, all]) => ({ all, rank: method.ranks.get(path)! }));
    const least = Math.min(...parts.flatMap(({ all, rank }) => all.slice(0, rank)));
    assert.ok(parts.every(({ all, rank }) => all.slice(rank).every((part) => part <= least)));
    const even = await eva(base, TEXTS, { rank: 4, rho: 1 });
    assert.ok([...even.ranks.values()].every((rank) => rank === 4));
  });

  it("leaves targets out that got no rank", async () => {
    const method = await eva(base, TEXTS, { rank: 1, rho: 8 });
    const { pairs } = base.attach(method).adapter as LoraAdapter;
    const without = [...method.ranks].filter(([, rank]) => rank === 0);
    assert.ok(without.length > 0);
    assert.equal(pairs.length, 14 - without.length);
  });

  it("is trained as LoRA is, and knows the base by itself where another adapter is in use", async () => {
    const method = await eva(base, TEXTS, { rank: 2, targets: ["q_proj", "up_proj"] });
    const student = base.attach(method);
    const { losses } = await train(student, { data: TEXTS, steps: 20, batchSize: 4, learningRate: 1e-2 });
    assert.ok(losses.at(-1)! < losses[0]!);
    const again = await eva(student, TEXTS, { rank: 2, targets: ["q_proj", "up_proj"] });
    assert.deepEqual(again.explained, method.explained);
  });

  it("explains what it cannot start from", async () => {
    await assert.rejects(eva(base, []), /expected texts to collect the inputs of layers on/);
    await assert.rejects(
      eva(base, [[1, 2, 3]], { rank: 4 }),
      /a batch has 3 tokens, fewer than the 8 directions/,
    );
    await assert.rejects(eva(base, [[1, 999]]), /999/);
    await assert.rejects(eva(base, TEXTS, { rho: 0.5 }), /rho must be a number from 1, got 0\.5/);
    await assert.rejects(eva(base, TEXTS, { tau: 1 }), /tau must be between 0 and 1, got 1/);
    await assert.rejects(
      eva(base, TEXTS, { batchSize: 0 }),
      /batchSize must be a whole number from 1, got 0/,
    );
    await assert.rejects(eva(base, TEXTS, { rank: 0 }), /rank must be a whole number from 1, got 0/);
    await assert.rejects(eva(base, TEXTS, { targets: ["wq"] }), /target wq matches no linear layer/);
  });
});
