import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AdaloraAdapter, adalora, loadAdapter, saveAdapter } from "../../src/adapters";
import { budgetAt } from "../../src/adapters/rank-allocator";
import type { LanguageModel } from "../../src/model/language-model";
import { type TrainOptions, train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";
import { gradientOf, IDS, maxDifference, scramble } from "./support";

const DATA = [
  { prompt: "one and one?", completion: " two" },
  { prompt: "red and blue?", completion: " violet" },
  { prompt: "sky?", completion: " blue" },
];
const adapterOf = (model: LanguageModel) => model.adapter as AdaloraAdapter;
const sum = (ranks: readonly number[]) => ranks.reduce((a, b) => a + b, 0);

describe("AdaLoRA", () => {
  const base = tinyModel();
  const settings = { totalSteps: 20, initRank: 6, targetRank: 3, tInit: 4, tFinal: 5 };
  const student = (more = {}, seed = 0) => base.attach(adalora({ ...settings, ...more }), { seed });
  const options = (more: Partial<TrainOptions> = {}): TrainOptions => ({
    data: DATA,
    steps: 20,
    batchSize: 3,
    learningRate: 2e-2,
    ...more,
  });

  it("starts exactly at the base", async () => {
    assert.deepEqual((await student().logits(IDS)).data, (await base.logits(IDS)).data);
  });

  it("gives merged what it gives attached, ΔW = α/(r₀ + 10⁻⁵)·P·Λ·Q", async () => {
    const model = scramble(student({ alpha: 7 }), 0.3);
    assert.ok(maxDifference((await model.merge().logits(IDS)).data, (await model.logits(IDS)).data) < 1e-4);
    const adapter = adapterOf(model);
    const { path, a, e, b, in: inputs } = adapter.triplets[9]!;
    const [A, E, B] = [a, e, b].map((name) => adapter.parameters.get(name).data);
    let expected = 0;
    for (let i = 0; i < 6; i++) expected += B![2 * 6 + i]! * E![i]! * A![i * inputs + 5]!;
    assert.ok(Math.abs(adapter.delta(path).data[2 * inputs + 5]! - (7 / (6 + 1e-5)) * expected) < 1e-6);
  });

  it("draws P and Q with a deviation of 0.02 and starts λ at zero, so that λ alone learns from the first example", async () => {
    const model = student({ orthogonality: 0 });
    const { parameters, triplets } = adapterOf(model);
    const gradient = await gradientOf(model);
    const all: number[] = [];
    for (const { a, e, b } of triplets) {
      assert.ok(parameters.get(e).data.every((x) => x === 0));
      assert.ok(gradient.get(e)!.data.some((x) => x !== 0));
      for (const name of [a, b]) {
        all.push(...parameters.get(name).data);
        assert.ok(gradient.get(name)!.data.every((x) => x === 0));
      }
    }
    const deviation = Math.sqrt(sum(all.map((x) => x * x)) / all.length);
    // Of over five thousand draws the estimate is within 3 %.
    assert.ok(all.length > 5000 && Math.abs(deviation / 0.02 - 1) < 0.03);
  });

  it("has a budget that stays, falls with a cube, and stays", () => {
    const schedule = { totalSteps: 100, tInit: 10, tFinal: 20, deltaT: 1, beta1: 0.85, beta2: 0.85 };
    const at = (step: number) => budgetAt(step, 120, 80, schedule);
    assert.deepEqual([1, 10, 80, 81, 100].map(at), [120, 120, 80, 80, 80]);
    // Half of the way: 80 + 40·(1/2)³.
    assert.equal(at(45), 85);
  });

  it("cuts the ranks of all matrices together to the target, and keeps the record of it", async () => {
    const model = student();
    await train(model, options());
    const { ranks, rankHistory, triplets, parameters } = adapterOf(model);
    assert.deepEqual(
      rankHistory.map(({ step }) => step),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    const totals = rankHistory.map((record) => sum(record.ranks));
    const budgets = rankHistory.map(({ budget }) => budget);
    assert.deepEqual(totals, budgets);
    assert.deepEqual(totals.slice(0, 4), Array(4).fill(6 * triplets.length));
    assert.deepEqual(totals.slice(14), Array(6).fill(3 * triplets.length));
    assert.ok(totals.every((total, i) => i === 0 || total <= totals[i - 1]!));
    assert.deepEqual(rankHistory.at(-1)!.ranks, ranks);
    // Not all lose alike, and what is lost is zero.
    assert.ok(new Set(ranks).size > 1);
    for (const [m, { e }] of triplets.entries())
      assert.equal(parameters.get(e).data.filter((x) => x !== 0).length, ranks[m]);
  });

  it("hands out ranks every deltaT steps, and at the end of the schedule", async () => {
    const model = student({ deltaT: 5 });
    await train(model, options());
    const totals = adapterOf(model).rankHistory.map((record) => sum(record.ranks));
    const changes = totals.flatMap((total, i) => (i > 0 && total !== totals[i - 1] ? [i + 1] : []));
    assert.deepEqual(changes, [5, 10, 15]);
  });

  it("draws P and Q towards orthogonality; the term is reported beside the loss", async () => {
    /** How far the first Q is from orthonormal rows after the run: ‖QQᵀ − I‖_F. */
    const far = async (orthogonality: number) => {
      const model = student({ orthogonality });
      const { steps } = await train(model, options({ learningRate: 1e-2 }));
      const { triplets, parameters } = adapterOf(model);
      const { a, in: inputs } = triplets[0]!;
      const rows = Array.from({ length: 6 }, (_, i) =>
        Array.from(parameters.get(a).data.subarray(i * inputs, (i + 1) * inputs)),
      );
      const difference = rows.flatMap((x, i) =>
        rows.map((y, j) => sum(x.map((v, k) => v * y[k]!)) - Number(i === j)),
      );
      return { distance: Math.hypot(...difference), penalties: steps.map(({ metrics }) => metrics.penalty) };
    };
    const [without, having] = [await far(0), await far(0.5)];
    assert.ok(having.distance < 0.6 * without.distance, `${having.distance}, without ${without.distance}`);
    assert.ok(without.penalties.every((penalty) => penalty === undefined));
    // At first the products are near zero, and the identity of rank 6 is √6 away.
    assert.ok(Math.abs(having.penalties[0]! - 0.5 * Math.sqrt(6)) < 0.05);
    assert.ok(having.penalties.at(-1)! < having.penalties[0]! / 2);
  });

  it("adds the same for a step of several batches as for one", async () => {
    const sgd = { optimizer: "sgd" as const, steps: 20, maxGradientNorm: Infinity, data: DATA.slice(0, 2) };
    const [one, two] = [student(), student()];
    const first = async (model: LanguageModel, batchSize: number, accumulate: number) => {
      const controller = new AbortController();
      const onStep = () => controller.abort();
      return train(model, options({ ...sgd, batchSize, accumulate, signal: controller.signal, onStep }));
    };
    const [large, small] = [await first(one, 2, 1), await first(two, 1, 2)];
    assert.ok(Math.abs(large.steps[0]!.metrics.penalty! - small.steps[0]!.metrics.penalty!) < 1e-5);
    assert.ok(maxDifference(one.adapter!.parameters.flat, two.adapter!.parameters.flat) < 1e-5);
  });

  it("goes on from a checkpoint as if it had never stopped", async () => {
    const folder = await mkdtemp(join(tmpdir(), "loralab-adalora-"));
    try {
      const whole = student();
      await train(whole, options());
      const controller = new AbortController();
      const onStep = ({ steps }: { steps: unknown[] }) => steps.length === 9 && controller.abort();
      await train(student(), options({ signal: controller.signal, onStep, checkpoint: { folder } }));
      const resumed = student();
      await train(resumed, options({ resume: folder }));
      assert.deepEqual(resumed.adapter!.parameters.flat, whole.adapter!.parameters.flat);
      assert.deepEqual(adapterOf(resumed).rankHistory, adapterOf(whole).rankHistory);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("is saved with the ranks that are left, and comes back computing the same", async () => {
    const folder = await mkdtemp(join(tmpdir(), "loralab-adalora-"));
    try {
      const model = student({ targets: ["q_proj", "up_proj"], targetRank: 1 });
      await train(model, options());
      await saveAdapter(model, folder);
      const path = join(folder, "adapter_config.json");
      const config = JSON.parse(await readFile(path, "utf8"));
      const kept = Object.values(config.rank_pattern as Record<string, boolean[]>);
      assert.deepEqual(
        kept.map((mask) => mask.filter(Boolean).length),
        adapterOf(model).ranks,
      );
      const loaded = await loadAdapter(base, folder);
      assert.ok(loaded.trainableCount < model.trainableCount);
      assert.ok(maxDifference((await loaded.logits(IDS)).data, (await model.logits(IDS)).data) < 1e-5);
      // Its ranks are handed out: it trains on for any number of steps.
      await train(loaded, options({ steps: 2 }));
      assert.deepEqual(adapterOf(loaded).rankHistory.at(-1)!.ranks, adapterOf(model).ranks);

      const refuses = async (changes: object, message: RegExp) => {
        await writeFile(path, JSON.stringify({ ...config, ...changes }));
        await assert.rejects(loadAdapter(base, folder), message);
      };
      await refuses(
        { total_step: null },
        /adapter_config\.json: expected a number as "total_step", got null/,
      );
      await refuses({ target_r: 9 }, /adapter_config\.json: adalora: targetRank 9 is above initRank 6/);
      await refuses({ use_dora: true }, /not supported: use_dora true/);
      await refuses({ rank_pattern: null }, /does not fit tiny: .*lora_A is \[\d,32\], expected \[6,32\]/);
      const [name] = Object.keys(config.rank_pattern);
      const pattern = { ...config.rank_pattern, [name!]: [true] };
      await refuses({ rank_pattern: pattern }, /rankPattern of .*q_proj has 1 truth values, expected 6/);
      await refuses({ rank_pattern: { "nowhere.lora_E": [true] } }, /"nowhere", which is no target/);
      await refuses({ rank_pattern: [3] }, /expected an object from names/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("explains settings that cannot be, and runs that do not fit them", async () => {
    assert.throws(() => adalora({} as never), /adalora: totalSteps is missing: .*adalora\(\{ totalSteps/);
    assert.throws(() => adalora({ totalSteps: 0 }), /totalSteps must be a whole number from 1, got 0/);
    assert.throws(() => adalora({ totalSteps: 5, beta1: 1 }), /beta1 must be above 0 and below 1, got 1/);
    assert.throws(
      () => adalora({ totalSteps: 5, targetRank: 13 }),
      /targetRank 13 is above initRank 12: ranks can only fall/,
    );
    assert.throws(
      () => adalora({ totalSteps: 10, tInit: 6, tFinal: 4 }),
      /of 10 steps the first 6 \(tInit\) and the last 4 \(tFinal\) leave none/,
    );
    assert.throws(
      () => base.attach(adalora({ totalSteps: 5, initRank: 33 })),
      /adalora: rank 33 is above what .*q_proj can have/,
    );
    const model = student();
    const before = model.adapter!.parameters.flat;
    await assert.rejects(
      train(model, options({ steps: 30 })),
      /ranks are to fall over 20 steps \(totalSteps\), but the run takes 30/,
    );
    assert.equal(model.adapter!.parameters.flat, before);
    assert.throws(() => adapterOf(model).delta("lm_head"), /adalora: lm_head is not a target/);
  });
});
