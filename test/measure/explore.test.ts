import assert from "node:assert/strict";
import { houlsby, lora } from "../../src/adapters";
import { blended, explore, plan, restricted, scaled, truncated } from "../../src/measure";
import { HeldOut } from "../../src/measure/held-out";
import type { LanguageModel } from "../../src/model/language-model";
import { evaluateLoss } from "../../src/train/evaluate";
import { scramble } from "../adapters/support";
import { tinyModel } from "../train/tiny-model";

const base = tinyModel();
const student = scramble(base.attach(lora({ rank: 4, alpha: 8 }), { seed: 1 }));
const data = [{ prompt: "ab", completion: "cde" }, { prompt: "b", completion: "a" }, "abcabc"];
const close = (got: number | undefined, want: number) =>
  assert.ok(Math.abs(got! - want) < 2e-5 * Math.max(1, want), `${got} is not ${want}`);
/** The loss as `evaluateLoss` measures it, of the model that the pure function makes. */
const lossOf = (model: LanguageModel) => evaluateLoss(model, data);

describe("the loss on a small set", () => {
  it("is evaluateLoss's, over one batch or several", async () => {
    close(await new HeldOut(base, data).loss(student), await lossOf(student));
    const many = Array.from({ length: 70 }, (_, i) => "abcdefgh".slice(i % 5, 7 - (i % 2)));
    close(await new HeldOut(base, many).loss(student), await evaluateLoss(student, many));
    assert.throws(() => new HeldOut(base, []), /data is empty/);
  });
});

describe("explore", () => {
  it("rank: loss, samples and what is kept at every rank, from the base to the adapter", async () => {
    const e = await explore.rank(student, { data, prompts: ["ab", "c"], maxTokens: 4 });
    assert.deepEqual(
      e.positions.map(({ value }) => value),
      [0, 1, 2, 3, 4],
    );
    close(e.none.losses.loss, await lossOf(base));
    close(e.all.losses.loss, await lossOf(student));
    assert.deepEqual([e.none.kept, e.start], [0, 4]);
    const two = await e.at(2);
    close(two.losses.loss, await lossOf(truncated(student, 2)));
    const texts = await truncated(student, 2).generateBatch(["ab", "c"], { maxTokens: 4 });
    assert.deepEqual(
      two.samples!.map(({ text }) => text),
      texts.map(({ text }) => text),
    );
    assert.ok(two.kept! > e.positions[1]!.kept! && two.kept! < 1);
    assert.equal(await e.at(2), two, "a position is measured once");
    await assert.rejects(e.at(-1), /whole number from 0, got -1/);
  });

  it("draws the curve of a high rank at few places, and knows any other", async () => {
    const wide = scramble(base.attach(lora({ rank: 32, targets: ["gate_proj"] })));
    const e = await explore.rank(wide);
    const ranks = e.positions.map(({ value }) => value);
    assert.deepEqual(ranks, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32]);
    assert.ok((await e.at(19)).kept! < (await e.at(20)).kept!);
    assert.deepEqual(e.sets, []);
  });

  it("an adapter that has learned nothing has rank 0, and is the base", async () => {
    const e = await explore.rank(base.attach(lora()), { data });
    assert.deepEqual(
      e.positions.map(({ value }) => value),
      [0],
    );
    close(e.all.losses.loss, await lossOf(base));
  });

  it("scale: the factor of ΔW, over several data sets", async () => {
    const e = await explore.scale(student, { data: { letters: data, others: ["xyz"] }, range: [-1, 2] });
    const half = await e.at(0.5);
    close(half.losses.letters, await lossOf(scaled(student, 0.5)));
    close(half.losses.others, await evaluateLoss(scaled(student, 0.5), ["xyz"]));
    close(e.positions[0]!.losses.letters, await lossOf(scaled(student, -1)));
    assert.equal(e.start, 1);
    await assert.rejects(explore.scale(student, { range: [2, 1] }), /from low to high, got 2 to 1/);
  });

  it("targets: each module and layer alone and left out, and any switches", async () => {
    const e = await explore.targets(student, { data });
    assert.equal(e.positions.length, 2 * 7 + 2 * 2);
    const [alone, without] = e.positions;
    assert.deepEqual(alone!.value, { modules: ["q_proj"], layers: [0, 1] });
    close(alone!.losses.loss, await lossOf(restricted(student, { modules: ["q_proj"] })));
    close(alone!.kept! + without!.kept!, 1);
    const value = { modules: ["k_proj", "mlp"], layers: [1] };
    close((await e.at(value)).losses.loss, await lossOf(restricted(student, value)));
    assert.equal(e.label(value), "k_proj, mlp in layer 1");
    assert.equal(e.label({}), "all");
  });

  it("blend: two models, or one with two adapters; weights, and cross-terms on top", async () => {
    const both = scramble(student.attach(lora({ rank: 4 }), { name: "other", seed: 2 }), 0.2);
    const e = await explore.blend(both, { data });
    assert.deepEqual(e.names, ["default", "other"]);
    assert.equal(e.positions.length, 49);
    close((await e.at({ weights: [1, 0], crossTerms: false })).losses.loss, await lossOf(student));
    close(
      (await e.at({ weights: [0.5, 0.75], crossTerms: true })).losses.loss,
      await lossOf(blended(student, both, [0.5, 0.75], { crossTerms: true })),
    );
    assert.ok(e.crossTerms([1, 1]) > 0);
    assert.equal(e.crossTerms([1, 0]), 0);
    await assert.rejects(explore.blend(student, { data }), /one with two adapters; this has 1: default/);
  });

  it("says why a method cannot be explored", async () => {
    await assert.rejects(
      explore.rank(base.attach(houlsby())),
      /"houlsby" adapter does is no change of weights/,
    );
    await assert.rejects(explore.scale(base), /There is no adapter in use/);
  });

  it("plan: every method at the same settings, which follow the sliders", () => {
    const e = explore.plan("Llama-3.1-8B", { method: "qlora", rank: 16 });
    const { plan: chosen, all } = e.at({ batch: 4 });
    assert.equal(chosen.bytes, plan("Llama-3.1-8B", { method: "qlora", rank: 16, batch: 4 }).bytes);
    assert.deepEqual(
      all.all.map(({ settings }) => [settings.method, settings.batch, settings.rank]),
      ["full", "lora", "dora", "qlora"].map((method) => [method, 4, 16]),
    );
    assert.equal(e.mostRank, 1024);
    assert.throws(() => e.at({ rank: 5000 }), /above the smaller side/);
    assert.throws(() => explore.plan("GPT-9"), /no model "GPT-9"/);
  });
});
