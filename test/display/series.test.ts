import assert from "node:assert/strict";
import fc from "fast-check";
import { svg, ticks } from "../../src/display/picture";
import { smooth, sparkline, thin } from "../../src/display/series";

const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true });

describe("smoothing", () => {
  it("leaves a straight line where it is, but for the end", () => {
    const line = [0, 1, 2, 3, 4, 5, 6, 7];
    assert.deepEqual(smooth(line, 2).slice(0, -2), line.slice(0, -2));
  });

  it("takes the mean of what is there at the end", () => {
    // The last window of half 2 holds 6, 0 and 3; the one before 6, 6, 0 and 3.
    assert.deepEqual(smooth([6, 6, 6, 0, 3], 2).slice(-2), [3.75, 3]);
  });

  it("with half 0 changes nothing", () => assert.deepEqual(smooth([3, 1, 2], 0), [3, 1, 2]));
});

describe("thinning", () => {
  it("keeps order, both ends and both extremes, and no more points than asked for", () => {
    fc.assert(
      fc.property(
        fc.array(finite, { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 4, max: 60 }),
        (values, most) => {
          const items = values.map((value, i) => ({ value, i }));
          const kept = thin(items, most, ({ value }) => value);
          assert.ok(kept.length <= Math.max(most, 1));
          assert.deepEqual(
            kept.map(({ i }) => i),
            kept.map(({ i }) => i).sort((a, b) => a - b),
          );
          assert.equal(new Set(kept).size, kept.length);
          assert.equal(kept[0], items[0]);
          assert.equal(kept.at(-1), items.at(-1));
          assert.equal(Math.max(...kept.map(({ value }) => value)), Math.max(...values));
          assert.equal(Math.min(...kept.map(({ value }) => value)), Math.min(...values));
        },
      ),
    );
  });

  it("returns a short series as it is", () => {
    const few = [1, 2, 3];
    assert.equal(thin(few, 4, Number), few);
  });
});

describe("sparkline", () => {
  it("goes from the lowest to the highest bar", () => {
    assert.equal(sparkline([0, 1, 2, 3, 4, 5, 6, 7]), "▁▂▃▄▅▆▇█");
    assert.equal(sparkline([5, 5]), "▁▁");
  });

  it("averages when there are more values than characters", () => {
    assert.equal(sparkline([0, 2, 8, 8], 2), "▁█");
    assert.equal(sparkline(new Array(1000).fill(1)).length, 40);
  });
});

describe("ticks", () => {
  it("are round numbers that enclose the values", () => {
    assert.deepEqual(ticks([0.3, 3.25]), [0, 1, 2, 3, 4]);
    assert.deepEqual(ticks([1, 200]), [0, 50, 100, 150, 200]);
  });

  it("enclose any values, few and evenly spaced", () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 0, maxLength: 20 }), (values) => {
        const marks = ticks(values);
        assert.ok(marks.length >= 2 && marks.length <= 9, `${marks}`);
        const slack = (marks[1] - marks[0]) * 1e-6;
        for (const value of values) {
          assert.ok(marks[0] <= value + slack && value <= marks.at(-1)! + slack, `${value} in ${marks}`);
        }
      }),
    );
  });
});

describe("a chart as SVG", () => {
  it("has a point at each value, scaled to the axes", () => {
    const points = [
      { x: 0, y: 0 },
      { x: 100, y: 4 },
    ];
    const drawn = svg([{ points, colour: "#123456" }], { x: "step", y: "a < b" });
    // From the lower left to the upper right corner of a plot of 48 … 616 by 206 … 10.
    assert.match(drawn, /d="M48\.0 206\.0L616\.0 10\.0"/);
    assert.match(drawn, /a &lt; b/);
  });

  it("draws axes when there is no point, and leaves out points that are no numbers", () => {
    assert.doesNotMatch(svg([], { x: "step", y: "loss" }), /NaN|Infinity/);
    const points = [
      { x: 1, y: Number.NaN },
      { x: 2, y: 1 },
    ];
    assert.doesNotMatch(
      svg([{ points, colour: "red", dots: true }], { x: "step", y: "loss" }),
      /NaN|Infinity/,
    );
  });
});
