import assert from "node:assert/strict";
import { full, lora } from "../../src/adapters";
import { COLOURS, compare, DISPLAY, type Figure } from "../../src/display";
import { methodStyle } from "../../src/display/method-style";
import { distinguish, groups } from "../../src/runs/groups";
import type { Run } from "../../src/train/run";
import { runOf, tinyModel } from "./models";

const base = tinyModel();
/** A run of one step. */
const one = (method = lora({ rank: 2 }), loss = 1, seed = 0, more: Record<string, unknown> = {}): Run => {
  const run = runOf(base.attach(method), [loss], { steps: 1, seed, ...more });
  run.status = "finished";
  return run;
};
const three = (method = lora({ rank: 2 }), around = 2): Run[] =>
  [-1, 0, 1].map((offset, seed) => one(method, around + offset, seed));
const trace = (figure: Figure, name: string) => figure.data.find((some) => some.name === name)!;
/** Without the breaks of long lines. */
const title = ({ layout }: Figure) => (layout.title as { text: string }).text.replaceAll("<br>", " ");
/** t of 2 degrees of freedom over √3 (Abramowitz & Stegun, table 26.10): the margin of three values with s = 1. */
const MARGIN = 4.3027 / Math.sqrt(3);
const near = (a: unknown, b: number) => assert.ok(Math.abs((a as number) - b) < 1e-3, `${a}, expected ${b}`);

describe("comparing runs", () => {
  it("takes runs that differ in their seed alone for one group, and names groups by what differs", () => {
    const [eight, two] = [lora({ rank: 8 }), lora({ rank: 2 })];
    const found = groups([
      one(eight, 3, 0),
      one(two, 3, 0),
      one(eight, 2, 1),
      one(two, 4, 1, { batchSize: 4 }),
    ]);
    assert.deepEqual(
      found.map(({ name, runs }) => [name, runs.length]),
      [
        ["rank 8", 2],
        ["rank 2", 1],
        ["rank 2, batchSize 4", 1],
      ],
    );
    const names = (...runs: Run[]) => distinguish(runs, { seed: false });
    assert.deepEqual(names(one(two), one(full())), ["lora", "full"]);
    assert.deepEqual(names(one(two), one(lora({ rank: 2, alpha: 4 }))), ["alpha 2", "alpha 4"]);
    assert.deepEqual(names(one(two), one(lora({ rank: 2, rsLoRA: true }))), ["rsLoRA false", "rsLoRA true"]);
  });

  it("counts a repetition that is the same run once, and failed runs not at all", () => {
    const failed = one(lora({ rank: 2 }), 9, 7);
    failed.status = "failed";
    const [group] = groups([...three(), one(lora({ rank: 2 }), 1, 0), failed]);
    assert.equal(group!.runs.length, 3);
    assert.equal(group!.failed, 1);
  });

  it("draws the mean over seeds in the band of Student's interval", () => {
    const figure = compare({ mine: three() });
    const mean = trace(figure, "mine (n = 3)");
    assert.deepEqual(mean.y, [2]);
    near((mean.customdata as number[])[0], MARGIN);
    near((trace(figure, "mine, lower end of the 95 % interval").y as number[])[0], 2 - MARGIN);
    const upper = trace(figure, "mine, upper end of the 95 % interval");
    near((upper.y as number[])[0], 2 + MARGIN);
    assert.equal(upper.fill, "tonexty");
  });

  it("draws no band for a single seed, and says so", () => {
    const figure = compare([one(lora({ rank: 2 }), 1), one(lora({ rank: 4 }), 2)]);
    assert.equal(figure.data.length, 2);
    assert.equal(
      title(figure),
      "rank 2 ends lowest: training loss 1.000 (n = 1); a single seed has no interval",
    );
  });

  it("draws what was evaluated with its interval: held-out loss above, measures in panels below", () => {
    const runs = three();
    for (const [i, run] of runs.entries())
      run.evaluations.push({
        step: 1,
        values: { loss: 5 + i, answers: 0.5, odd: Number.NaN },
        milliseconds: 1,
      });
    const figure = compare({ mine: runs });
    const held = trace(figure, "mine: held-out loss");
    assert.deepEqual(held.y, [6]);
    near((held.error_y as { array: number[] }).array[0], MARGIN);
    assert.equal(trace(figure, "mine: answers").yaxis, "y2");
    assert.equal(trace(figure, "mine: odd"), undefined);
    assert.match(title(figure), /^mine: held-out loss 6\.000 ± 2\.48 \(n = 3\)$/);
  });

  it("says which ends lowest and whether the intervals overlap", () => {
    const close = compare({ low: three(lora(), 2), high: three(lora(), 3) });
    assert.match(
      title(close),
      /^low ends lowest: training loss 2\.000 ± 2\.48 \(n = 3\); intervals overlap with high$/,
    );
    const far = compare({ low: three(lora(), 2), high: three(lora(), 20) });
    assert.match(title(far), /; apart from high$/);
  });

  it("draws methods in their own looks where that tells the groups apart", () => {
    const colour = (figure: Figure, name: string) => (trace(figure, name).line as { color: string }).color;
    const methods = compare([one(lora()), one(full())]);
    assert.equal(colour(methods, "full (n = 1)"), methodStyle("full").colour);
    assert.equal(colour(methods, "lora (n = 1)"), methodStyle("lora").colour);
    const ranks = compare([one(lora({ rank: 2 })), one(lora({ rank: 4 }))]);
    assert.equal(colour(ranks, "rank 4 (n = 1)"), COLOURS[1]);
  });

  it("goes as far as all repetitions have come", () => {
    const [long, short] = [runOf(base.attach(lora()), [3, 2, 1]), runOf(base.attach(lora()), [3])];
    assert.deepEqual(trace(compare({ mine: [long, short] }), "mine (n = 2)").x, [1]);
  });

  it("reads as text and a table where there is no Plotly", () => {
    const shown = compare({ mine: three(), yours: three(full(), 9) })[DISPLAY]();
    assert.match(shown["text/plain"], /training loss\nmine +3 +2\.000 ± 2\.48\nyours +3 +9\.000 ± 2\.48$/);
    assert.match(
      shown["text/html"]!,
      /<img src="data:image\/svg\+xml;base64,.*<table>.*mine.*2\.000 ± 2\.48/s,
    );
    const plotly = shown["application/vnd.plotly.v1+json"];
    assert.deepEqual(JSON.parse(JSON.stringify(plotly)), plotly);
  });

  it("refuses nothing to compare", () => {
    assert.throws(() => compare([]), /expected runs, got none/);
    assert.throws(() => compare([runOf(base.attach(lora()), [])]), /none of the runs has taken a step/);
  });
});
