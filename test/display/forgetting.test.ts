import assert from "node:assert/strict";
import { full, lora } from "../../src/adapters";
import { compare, DISPLAY, forgettingCurves, forgettingPlane } from "../../src/display";
import { PEFT_BENCHMARK, statistics } from "../../src/measure";
import type { Method } from "../../src/model";
import { Sweep } from "../../src/runs";
import type { Run } from "../../src/train";
import { runOf, tinyModel } from "./models";

/** A run of which the last evaluation is known: what it learned, what it forgot. */
function run(method: Method, seed: number, exact: number, forgetting: number): Run {
  const made = runOf(tinyModel().attach(method), [3, 2, 1 + seed / 10], { steps: 3, seed });
  const at = (step: number, part: number) => ({
    step,
    values: {
      exact: part * exact,
      forgetting: part * forgetting,
      "source/novels": 3 + part * 0.5 * forgetting,
      "source/glosses": 2 + part * 1.5 * forgetting,
      "known/capitals": 1 - part / 4,
    },
    milliseconds: 25,
  });
  made.evaluations.push(at(0, 0), at(2, 0.5), at(3, 1));
  made.status = "finished";
  return made;
}

const LORA = [run(lora({ rank: 2 }), 0, 0.9, 0.1), run(lora({ rank: 2 }), 1, 0.94, 0.14)];
const FULL = [run(full(), 0, 0.92, 0.4), run(full(), 1, 0.92, 0.44)];
const text = (figure: { [DISPLAY](): { "text/plain": string } }) => figure[DISPLAY]()["text/plain"];

describe("learning and forgetting against the step", () => {
  it("tells of one run what it learned and forgot, by domain, and which part of the time that took", () => {
    const figure = LORA[0]!.forgetting;
    assert.match(text(figure), /^exact 0 → 0\.9, and forgot 0\.100 nats per token of what the base knew\n/);
    // 3 evaluations of 25 ms beside 3 steps of 50 ms.
    assert.match(text(figure), /time for evaluating\nlora +0\.9 +0\.1 +75 % +33\.3 %$/);
    const line = (name: string) => figure.data.find((trace) => trace.name === name)!;
    assert.deepEqual(line("forgetting").y, [0, 0.05, 0.1]);
    assert.deepEqual(line("forgetting of novels").y, [0, 0.025, 0.05]);
    assert.deepEqual(line("forgetting of glosses").y, [0, 0.075, 0.15]);
    assert.deepEqual(line("capitals").y, [100, 87.5, 75]);
    assert.equal(new Set(figure.data.map(({ yaxis = "y" }) => yaxis)).size, 3);
  });

  it("leaves the domains out where training went on from an adapter that had forgotten before", () => {
    const later = run(lora({ rank: 2 }), 0, 0.9, 0.1);
    for (const { values } of later.evaluations) values.forgetting! += 0.2;
    assert.deepEqual(
      later.forgetting.data.map(({ name }) => name),
      ["forgetting", "exact", "capitals"],
    );
  });

  it("makes seeds one line with Student's interval", () => {
    const figure = forgettingCurves([...LORA, ...FULL]);
    const forgetting = figure.data.filter(({ yaxis }) => yaxis === "y");
    assert.equal(forgetting.length, 2);
    const { mean, margin } = statistics([0.1, 0.14]);
    assert.ok(Math.abs((forgetting[0]!.y as number[])[2]! - mean) < 1e-9);
    const bars = forgetting[0]!.error_y as { array: number[] };
    assert.ok(Math.abs(bars.array[2]! - margin) < 1e-3);
  });
});

describe("forgetting in figures of other things", () => {
  it("is one measure, without its parts", () => {
    for (const figure of [LORA[0]!.curves, compare(LORA)]) {
      const names = figure.data.map(({ name }) => String(name));
      assert.ok(names.some((name) => name.includes("forgetting")));
      assert.ok(!names.some((name) => /novels|capitals/.test(name)), names.join());
    }
  });
});

describe("the plane of learning and forgetting", () => {
  it("says who forgot less, and whether that cost learning", () => {
    const [a, b] = [LORA[0]!, FULL[0]!];
    assert.match(
      text(forgettingPlane({ LoRA: a, FullFT: b })),
      /^LoRA forgot 0\.300 nats per token less than FullFT and learned less \(exact 0\.9 against 0\.92\)\n/,
    );
  });

  it("lets seeds say what can be told apart", () => {
    // Means of two seeds with margins of 12.7 standard errors: exact 0.92 ± 0.25 and 0.92; 0.12 ± 0.25 and 0.42 ± 0.25.
    assert.match(
      text(forgettingPlane({ LoRA: LORA, FullFT: FULL })),
      /^LoRA and FullFT forgot the same as far as their seeds tell and learned as much/,
    );
    const close = (method: Method, forgetting: number) =>
      [0, 1, 2, 3].map((seed) => run(method, seed, 0.9 + seed / 100, forgetting + seed / 100));
    assert.match(
      text(forgettingPlane({ LoRA: close(lora({ rank: 2 }), 0.1), FullFT: close(full(), 0.4) })),
      /^LoRA forgot 0\.300 nats per token less than FullFT and learned as much \(exact 0\.915 against 0\.915\)\n/,
    );
  });

  it("has a dot for each checkpoint in the method's look, and the base open", () => {
    const { data, layout } = forgettingPlane([...LORA, ...FULL]);
    assert.deepEqual(
      data.map(({ x }) => (x as number[]).length),
      [3, 3],
    );
    assert.deepEqual((data[0]!.marker as { symbol: string[] }).symbol, ["circle-open", "circle", "circle"]);
    assert.deepEqual((data[1]!.marker as { symbol: string[] }).symbol, ["square-open", "square", "square"]);
    assert.equal((layout.yaxis as { autorange?: string }).autorange, undefined);
  });

  it("turns a loss around, so that up is better", () => {
    const runs = [run(lora({ rank: 2 }), 0, 0.9, 0.1), run(full(), 0, 0.8, 0.3)];
    for (const { evaluations } of runs) for (const { values } of evaluations) values.loss = 2 - values.exact!;
    const figure = forgettingPlane(runs, { learning: "loss" });
    assert.equal((figure.layout.yaxis as { autorange: string }).autorange, "reversed");
    assert.match(text(figure), /and learned more \(loss 1\.1 against 1\.2\)/);
  });

  it("draws a line through the cells of a sweep, with a large dot where most was learned", () => {
    const cell = (method: Method, rate: number, exact: number, forgetting: number) => ({
      ...{ method: method.method, point: { learningRate: rate }, failures: [] },
      runs: [0, 1].map((seed) => run(method, seed, exact, forgetting)),
    });
    const [low, high] = [full(), lora({ rank: 2 })];
    const trials = [cell(low, 1e-4, 0.7, 0.1), cell(low, 1e-3, 0.6, 0.5), cell(high, 1e-3, 0.65, 0.3)];
    const sweep = new Sweep("id", ["learningRate"], trials, 6);
    const figure = forgettingPlane(sweep);
    const [ofFull, ofLora] = figure.data;
    assert.deepEqual(
      [ofFull!.x, ofFull!.y],
      [
        [0.1, 0.5],
        [0.7, 0.6],
      ],
    );
    assert.deepEqual((ofFull!.marker as { size: number[] }).size, [15, 9]);
    assert.deepEqual([ofLora!.x, ofLora!.y, ofLora!.name], [[0.3], [0.65], "lora (n = 2)"]);
    assert.deepEqual(ofFull!.customdata, ["learningRate 0.0001", "learningRate 0.001"]);
    assert.match(
      text(figure),
      /^Where each learned most .*: full 0\.7 \(forgot 0\.100\), lora 0\.65 \(forgot 0\.300\)\n/,
    );
    assert.match(text(figure), /\nfull, learningRate 0\.001 \(n = 2\) +0\.6 ± 0 +0\.5 ± 0/);
    const named = forgettingPlane({
      "rank 2": new Sweep("id", ["learningRate"], trials.slice(2), 2),
      full: FULL,
    });
    assert.deepEqual(
      named.data.map(({ name }) => name),
      ["rank 2 (n = 2)", "full (n = 2)"],
    );
  });

  it("takes points of a paper beside one's own", () => {
    const figure = forgettingPlane(LORA, { beside: PEFT_BENCHMARK });
    assert.equal(figure.data.length, 1 + PEFT_BENCHMARK.length);
    assert.match(text(figure), /\nrsLoRA, rank 64 +0\.513 +0\.111/);
    assert.match(figure[DISPLAY]()["text/html"]!, /rsLoRA, rank 64/);
    const alone = forgettingPlane({}, { beside: PEFT_BENCHMARK, learning: "accuracy" });
    assert.equal(alone.data.length, PEFT_BENCHMARK.length);
    assert.match(
      text(alone),
      /^rsLoRA, rank 64 learned most \(accuracy 0\.513, forgetting 0\.111\); AdaLoRA forgot least \(accuracy 0\.373, /,
    );
    assert.throws(() => forgettingPlane({}), /no run has evaluations of forgetting/);
  });

  it("explains what it cannot draw", () => {
    const without = runOf(tinyModel().attach(lora({ rank: 2 })), [3, 2]);
    assert.throws(
      () => without.forgetting,
      /let train measure it: evaluate: \{ every: 20, measures: forgetting/,
    );
    assert.throws(
      () => forgettingPlane(LORA, { learning: "bleu" }),
      /"bleu" was not evaluated; evaluated were exact, forgetting/,
    );
    const blind = run(lora({ rank: 2 }), 0, 0, 0.1);
    for (const { values } of blind.evaluations) delete values.exact;
    assert.throws(() => forgettingPlane(blind), /nothing that was learned has been evaluated/);
    assert.match(text(blind.forgetting), /^forgot 0\.100 nats per token/);
  });
});
