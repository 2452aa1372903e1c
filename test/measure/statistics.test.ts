import assert from "node:assert/strict";
import fc from "fast-check";
import { statistics, studentT } from "../../src/measure/statistics";

describe("statistics", () => {
  it("takes Student's t from the distribution: the values of the printed tables", () => {
    // Abramowitz & Stegun, 1964, table 26.10: A(t|ν) = 0.95 and 0.99.
    const table: [number, number, number][] = [
      [1, 12.706, 63.657],
      [2, 4.303, 9.925],
      [3, 3.182, 5.841],
      [4, 2.776, 4.604],
      [5, 2.571, 4.032],
      [9, 2.262, 3.25],
      [10, 2.228, 3.169],
      [29, 2.045, 2.756],
      [30, 2.042, 2.75],
      [120, 1.98, 2.617],
    ];
    for (const [freedom, at95, at99] of table) {
      assert.equal(studentT(0.95, freedom).toFixed(3), at95.toFixed(3), `ν = ${freedom}`);
      assert.equal(studentT(0.99, freedom).toFixed(3), at99.toFixed(3), `ν = ${freedom}`);
    }
  });

  it("equals the closed forms for one and two degrees of freedom, and the normal for very many", () => {
    for (const level of [0.5, 0.9, 0.95, 0.999]) {
      const one = Math.tan((Math.PI / 2) * level);
      const two = level * Math.sqrt(2 / (1 - level ** 2));
      assert.ok(Math.abs(studentT(level, 1) / one - 1) < 1e-12);
      assert.ok(Math.abs(studentT(level, 2) / two - 1) < 1e-12);
    }
    assert.ok(Math.abs(studentT(0.95, 1_000_000) - 1.959964) < 1e-5);
  });

  it("gives the interval of Student's own data", () => {
    // Hours of sleep gained, ten patients (Student, 1908, first drug): mean 0.75, s = 1.789; 0.75 ± 2.262·1.789/√10.
    const hours = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2];
    const { n, mean, deviation, margin, interval } = statistics(hours);
    assert.equal(n, 10);
    assert.ok(Math.abs(mean - 0.75) < 1e-12);
    assert.equal(deviation.toFixed(3), "1.789");
    assert.equal(margin.toFixed(2), "1.28");
    assert.deepEqual(interval, [mean - margin, mean + margin]);
  });

  it("says nothing but the mean of a single value, and that equal values do not vary", () => {
    assert.deepEqual(statistics([3]), {
      n: 1,
      mean: 3,
      deviation: Number.NaN,
      margin: Number.NaN,
      interval: [Number.NaN, Number.NaN],
    });
    assert.deepEqual(statistics([2, 2, 2]), { n: 3, mean: 2, deviation: 0, margin: 0, interval: [2, 2] });
  });

  it("moves and stretches with the values", () => {
    const values = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(values, (xs) => {
        const plain = statistics(xs);
        const moved = statistics(xs.map((x) => 2 * x + 5));
        assert.ok(Math.abs(moved.mean - (2 * plain.mean + 5)) < 1e-9);
        assert.ok(Math.abs(moved.margin - 2 * plain.margin) < 1e-6);
      }),
    );
  });

  it("refuses no values and values that are no numbers", () => {
    assert.throws(() => statistics([]), /expected at least one value, got none/);
    assert.throws(() => statistics([1, Number.NaN]), /value 1 is NaN: expected a finite number/);
  });
});
