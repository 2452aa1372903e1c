import assert from "node:assert/strict";
import { means } from "../../src/course";
import { DISPLAY } from "../../src/display";
import { methodStyle } from "../../src/display/method-style";

const text = (figure: ReturnType<typeof means>) => figure[DISPLAY]()["text/plain"].split("\n");

describe("means over seeds", () => {
  // Two values: Student's t for one degree of freedom is 12.706, s/√2 is half their distance.
  const series = {
    LoRA: new Map([
      [1, [10, 12]],
      [64, [90, 90]],
    ]),
    full: new Map([[64, [95]]]),
  };

  it("stand in their 95 % intervals, in a table where there are no figures", () => {
    const [sentence, heads, first, second] = text(means({ title: "Facts", x: "rank", y: "%", series }));
    assert.equal(sentence, "Facts. Means of 1 to 2 seeds with their 95 % intervals; %.");
    assert.match(heads!, /^rank +LoRA +full$/);
    assert.match(first!, /^1 +11 ± 12\.7 +–$/);
    assert.match(second!, /^64 +90 ± 0 +95$/);
  });

  it("are drawn with every value beside them, on a logarithmic axis where ranks are far apart", () => {
    const figure = means({ title: "Facts", x: "rank", y: "%", series });
    assert.equal((figure.layout.xaxis as any).type, "log");
    const [mean, single] = figure.data as any[];
    assert.deepEqual(mean.y, [11, 90]);
    assert.deepEqual(mean.text, ["rank 1: 11 ± 12.7", "rank 64: 90 ± 0"]);
    assert.ok(mean.x.every((x: number, i: number) => Math.abs(x / [1, 64][i]! - 1) < 0.02));
    assert.ok(Math.abs(mean.error_y.array[0] - 12.706) < 1e-3);
    assert.deepEqual(single.y, [10, 12, 90, 90]);
    assert.deepEqual(
      single.x,
      [0, 0, 1, 1].map((i) => mean.x[i]),
    );
  });

  it("are told in the order of the numbers, whichever series has them first", () => {
    const series = {
      low: new Map([[4, [1]]]),
      high: new Map([
        [2, [1]],
        [8, [1]],
      ]),
    };
    const rows = text(means({ title: "T", x: "rank", y: "%", series })).slice(2);
    assert.deepEqual(
      rows.map((row) => row[0]),
      ["2", "4", "8"],
    );
  });

  it("that differ by factors are drawn on a logarithmic axis, which holds no zero", () => {
    const losses = { title: "T", x: "rate", y: "loss", logarithmic: true };
    const figure = means({ ...losses, series: { full: new Map([["a", [0.01, 0.02]]]) } });
    assert.equal((figure.layout.yaxis as any).type, "log");
    assert.throws(
      () => means({ ...losses, series: { full: new Map([["a", [0.01, 0]]]) } }),
      /values above 0, got 0/,
    );
  });

  it("that differ by factors all lie in the picture, which an interval down to 0 leaves", () => {
    const series = { full: new Map([["a", [0.01, 0.1]]]) }; // 0.055 ± 0.57
    const [low, high] = (
      means({ title: "T", x: "rate", y: "loss", logarithmic: true, series }).layout as any
    ).yaxis.range.map((end: number) => 10 ** end);
    assert.ok(low > 0.005 && low < 0.01, `${low}`);
    assert.ok(high > 0.2 && high < 0.3, `${high}`); // twice the highest, and a margin
  });

  it("have a look of their own beside a method, which looks as it always does", () => {
    const one = new Map([["a", [1]]]);
    const { data } = means({
      title: "T",
      x: "x",
      y: "y",
      series: { full: one, "rank 4": one, "rank 16": one },
    });
    const drawn = (data as any[]).filter(({ name }) => name);
    for (const looks of [drawn.map(({ line }) => line.color), drawn.map(({ marker }) => marker.symbol)])
      assert.equal(new Set(looks).size, 3, looks.join());
    assert.equal(drawn[0].line.color, methodStyle("full").colour);
  });

  it("stand on a logarithmic axis where that is the more even one, as rates do and steps do not", () => {
    const axis = (places: number[]) =>
      (
        means({
          title: "Facts",
          x: "rank",
          y: "loss",
          series: { LoRA: new Map(places.map((at) => [at, [1, 2]])) },
        }).layout as any
      ).xaxis;
    assert.equal(axis([2e-3, 4e-3, 8e-3]).type, "log");
    assert.deepEqual(axis([2e-3, 4e-3, 8e-3]).ticktext, ["0.002", "0.004", "0.008"]);
    assert.equal(axis([60, 120, 180]).type, undefined);
    assert.equal(axis([0, 1, 2, 4]).type, undefined);
  });

  it("that are percentages have an axis of 0 to 100, whatever their intervals", () => {
    const range = (y: string, values: number[]) =>
      (means({ title: "Facts", x: "rank", y, series: { LoRA: new Map([[1, values]]) } }).layout as any).yaxis
        .range;
    assert.deepEqual(range("right, %", [20, 90]), [-3, 103]);
    assert.equal(range("more, %", [20, 190]), undefined);
    assert.equal(range("nats", [20, 90]), undefined);
  });

  it("that are percentages have intervals that end at 0 and 100", () => {
    const series = { LoRA: new Map([[1, [80, 100]]]) }; // 90 ± 127
    const { data } = means({ title: "Facts", x: "rank", y: "right, %", series });
    const { array, arrayminus } = data[0]!.error_y as any;
    assert.deepEqual([array, arrayminus], [[10], [90]]);
  });

  it("of methods by name stand side by side", () => {
    const bars = means({ title: "T", x: "method", y: "%", series: { accuracy: new Map([["LoRA", [1]]]) } });
    assert.equal((bars.layout.xaxis as any).type, "category");
    assert.equal(text(bars)[0], "T. One seed; %.");
    const two = { before: new Map([["LoRA", [1]]]), after: new Map([["LoRA", [1, 2]]]) };
    const { data, layout } = means({ title: "T", x: "method", y: "%", series: two });
    assert.equal(layout.scattermode, "group");
    assert.deepEqual(
      data.map(({ mode, offsetgroup }) => `${mode} ${offsetgroup}`),
      ["markers 0", "markers 0", "markers 1", "markers 1"],
    );
    assert.throws(() => means({ title: "T", x: "", y: "", series: {} }), /nothing was measured/);
  });

  it("of several series at one number stand side by side, alike on both kinds of axes and within the picture", () => {
    const drawn = (places: number[]) => {
      const one = new Map(places.map((at) => [at, [1, 2]]));
      const { data, layout } = means({
        title: "T",
        x: "rank",
        y: "loss",
        series: { a: one, b: one, c: one },
      });
      const { type, range, tickvals } = layout.xaxis as any;
      const [a, b, c] = [data[0]!, data[2]!, data[4]!].map(({ x }) =>
        (x as number[]).map((at) => (type === "log" ? Math.log10(at) : at)),
      );
      return { a: a!, b: b!, c: c!, range, tickvals };
    };
    for (const places of [
      [0, 20, 80],
      [1, 4, 64],
    ]) {
      const { a, b, c, range, tickvals } = drawn(places);
      const span = range[1] - range[0];
      for (const i of [0, 1, 2]) {
        const [left, right] = [(b[i]! - a[i]!) / span, (c[i]! - b[i]!) / span];
        assert.ok(
          left > 0.005 && left < 0.01 && Math.abs(left - right) < 1e-4,
          `${places}: ${left}, ${right}`,
        );
      }
      assert.ok(range[0] < a[0]! && range[1] > c[2]!);
      assert.deepEqual(tickvals, places);
    }
    assert.equal(drawn([0, 1, 50]).tickvals, undefined); // 0 and 1 would be written over each other
  });
});
