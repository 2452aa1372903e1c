import assert from "node:assert/strict";
import { full, lora } from "../../src/adapters";
import { curves, DISPLAY, type Figure } from "../../src/display";
import { headline } from "../../src/display/run-words";
import { Run } from "../../src/train/run";
import { runOf, stepOf, tinyModel } from "./models";

const base = tinyModel();
const student = base.attach(lora({ rank: 2 }));
const falling = (n: number) => Array.from({ length: n }, (_, i) => 4 - (3 * i) / Math.max(1, n - 1));
const trace = (figure: Figure, name: string) => figure.data.find((one) => one.name === name)!;

function finished(run: Run): Run {
  run.status = "finished";
  return run;
}

describe("training curves", () => {
  it("show each step, a moving average with the learning rate on hover, and evaluations", () => {
    const run = finished(runOf(student, [4, 3, 2]));
    run.evaluations.push({ step: 0, values: { loss: 5 }, milliseconds: 1 });
    run.evaluations.push({ step: 3, values: { loss: 2.5 }, milliseconds: 1 });
    const figure = run.curves;
    assert.deepEqual(trace(figure, "each step").x, [1, 2, 3]);
    assert.deepEqual(trace(figure, "each step").y, [4, 3, 2]);
    assert.deepEqual(trace(figure, "moving average").customdata, [
      [4, 4, 0.001, 1],
      [3, 3, 0.001, 1],
      [2, 2, 0.001, 1],
    ]);
    assert.deepEqual(trace(figure, "held-out").x, [0, 3]);
    assert.deepEqual(trace(figure, "held-out").y, [5, 2.5]);
    assert.equal("yaxis2" in figure.layout, false);
  });

  it("give measures other than the loss a panel of their own, without values that are no numbers", () => {
    const run = runOf(student, [1, 1]);
    run.evaluations.push({ step: 1, values: { answers: Number.NaN }, milliseconds: 1 });
    run.evaluations.push({ step: 2, values: { answers: 0.75 }, milliseconds: 1 });
    const figure = run.curves;
    assert.equal(trace(figure, "answers").yaxis, "y2");
    assert.deepEqual(trace(figure, "answers").y, [0.75]);
    assert.ok("yaxis2" in figure.layout);
  });

  it("give the metrics of an objective panels of their own, evaluations among them", () => {
    const panels = [["accuracy"], ["rewards/chosen", "rewards/rejected"]];
    const run = new Run(runOf(student, []).origin, { steps: 2, objective: "dpo" }, panels);
    for (const [i, accuracy] of [0.5, 1].entries()) {
      const metrics = { accuracy, "rewards/chosen": i, "rewards/rejected": -i, aside: 7 };
      run.steps.push({ ...stepOf(i + 1, 0.7), metrics });
    }
    run.evaluations.push({
      step: 2,
      values: { loss: 0.6, accuracy: 0.75, aside: 7, mine: 3 },
      milliseconds: 1,
    });
    const { data, layout } = run.curves;
    const axisOf = (name: string) => data.find((one) => one.name === name)?.yaxis;
    assert.deepEqual(
      [
        "accuracy",
        "accuracy, held-out",
        "rewards/chosen",
        "rewards/rejected",
        "mine",
        "held-out",
        "aside",
      ].map(axisOf),
      ["y2", "y2", "y3", "y3", "y4", undefined, undefined],
    );
    assert.deepEqual(trace(run.curves, "accuracy").y, [0.5, 1]);
    assert.deepEqual(trace(run.curves, "accuracy, held-out").y, [0.75]);
    const axes = layout as Record<string, { title: { text: string }; domain: [number, number] }>;
    const titles = ["yaxis", "yaxis2", "yaxis3", "yaxis4"].map((axis) => axes[axis]!.title.text);
    assert.deepEqual(titles, ["loss", "accuracy", "rewards", "measures"]);
    // From top to bottom, none over another, within the figure.
    const domains = ["yaxis", "yaxis2", "yaxis3", "yaxis4"].map((axis) => axes[axis]!.domain);
    for (const [i, [low, high]] of domains.entries())
      assert.ok(low >= 0 && low < high && high <= (domains[i - 1]?.[0] ?? 1));
    assert.match(headline(finished(run)), /accuracy 0\.5 → 1/);
    assert.equal(run.table.columns.includes("rewards/chosen"), true);
  });

  it("name several runs after the settings in which they differ", () => {
    const names = (runs: Run[]) =>
      curves(runs)
        .data.filter((one) => one.showlegend !== false)
        .map((one) => one.name);
    const wide = base.attach(lora({ rank: 4, alpha: 2 }));
    assert.deepEqual(names([runOf(student, [1]), runOf(wide, [1])]), ["rank 2", "rank 4"]);
    assert.deepEqual(names([runOf(student, [1]), runOf(student, [1])]), ["run 1", "run 2"]);
    const rates = [1e-3, 1e-4].map((learningRate) =>
      runOf(base.attach(full()), [1], { steps: 1, learningRate }),
    );
    assert.deepEqual(names(rates), ["learningRate 0.001", "learningRate 0.0001"]);
  });

  it("take names of one's own", () => {
    const figure = curves({ small: runOf(student, [1]), large: runOf(student, [2]) });
    assert.deepEqual(trace(figure, "large").y, [2]);
    assert.match(figure[DISPLAY]()["text/plain"], /^small\nloss .*\n\nlarge\n/s);
  });

  it("refuse to draw nothing", () => assert.throws(() => curves([]), /expected a run or several, got none/));

  it("stay small however long the run", () => {
    const figure = runOf(student, falling(20_000)).curves;
    for (const { x } of figure.data) assert.ok((x as number[]).length <= 1000);
    const plotly = JSON.stringify(figure[DISPLAY]()["application/vnd.plotly.v1+json"]);
    assert.ok(plotly.length < 200_000, `${plotly.length}`);
  });

  it("are JSON with a picture and text beside it", () => {
    const shown = finished(runOf(student, falling(100)))[DISPLAY]();
    const plotly = shown["application/vnd.plotly.v1+json"];
    assert.deepEqual(JSON.parse(JSON.stringify(plotly)), plotly);
    assert.match(shown["text/html"]!, /<img src="data:image\/svg\+xml;base64,[A-Za-z0-9+/=]+"/);
    assert.match(shown["text/plain"], /^loss █.*▁\n100 steps in 5\.0 s/);
  });

  it("can be drawn before the first step", () => {
    const shown = runOf(student, [], { steps: 10 })[DISPLAY]();
    assert.match(shown["text/plain"], /step 0\/10/);
    assert.doesNotMatch(JSON.stringify(shown), /NaN|Infinity/);
  });
});

describe("a run in one line", () => {
  it("tells while it runs how far it is, how fast and how long to go", () => {
    const run = runOf(student, [3, 2], { steps: 10 });
    run.epoch = 2;
    // 100 tokens in 50 ms; 8 steps of 50 ms to go.
    assert.equal(headline(run), "step 2/10 · loss 2.000 · 2,000 tokens/s · 0.4 s left · epoch 2");
  });

  it("tells after it how it ended, and the loss before and after", () => {
    const run = finished(runOf(student, [...falling(90), ...new Array(10).fill(0.5)]));
    assert.equal(
      headline(run),
      "100 steps in 5.0 s · loss 4.000 → 0.500 (mean of the last 10) · 2,000 tokens/s",
    );
    run.evaluations.push({ step: 100, values: { loss: 0.75 }, milliseconds: 1 });
    assert.match(headline(run), /held-out loss 0\.750/);
    const cut = runOf(student, [3, 2], { steps: 10 });
    cut.status = "stopped";
    assert.match(headline(cut), /^stopped after 2 of 10 steps in 0\.1 s · loss 3\.000 → 2\.000 ·/);
    const broken = runOf(student, [], { steps: 10 });
    broken.status = "failed";
    assert.equal(headline(broken), "ended by an error after 0 of 10 steps");
  });
});

describe("a run's table", () => {
  const names = ["step", "loss", "learningRate", "gradientNorm", "tokens", "milliseconds"];

  it("is a DataFrame with a row for each step", () => {
    const { table } = runOf(student, [3, 2, 1]);
    assert.deepEqual(table.columns, names);
    assert.deepEqual(table.column("loss").values, [3, 2, 1]);
    assert.deepEqual(table.shape, [3, 6]);
  });

  it("has its columns before the first step", () => {
    const { table } = runOf(student, [], { steps: 5 });
    assert.deepEqual(table.columns, names);
    assert.equal(table.index.length, 0);
  });
});
