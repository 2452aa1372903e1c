import assert from "node:assert/strict";
import {
  bytes,
  columns,
  counted,
  duration,
  integer,
  nats,
  percent,
  short,
  times,
} from "../../src/measure/format";

describe("numbers as people read them", () => {
  it("groups digits by three", () => assert.equal(integer(4194304), "4,194,304"));

  it("keeps about three digits, and writes very small numbers with an exponent", () => {
    assert.deepEqual([0, 0.5, 12.345, 1234.5, 0.00123, 0.000012, -0.0001].map(short), [
      "0",
      "0.5",
      "12.3",
      "1,235",
      "0.00123",
      "1.2e-5",
      "-1e-4",
    ]);
  });

  it("gives bytes in decimal units, never 1000.0 of one", () => {
    assert.deepEqual([999, 11_010_048, 999_960, 26_953_662_464].map(bytes), [
      "999 B",
      "11.0 MB",
      "1.0 MB",
      "27.0 GB",
    ]);
  });

  it("gives percentages, factors, losses and counts", () => {
    assert.deepEqual([0.0042, 1, 0.000622].map(percent), ["0.42 %", "100 %", "0.0622 %"]);
    assert.deepEqual([256, 10.667].map(times), ["256×", "10.7×"]);
    assert.deepEqual([3.21456, 0.1, 0.00321].map(nats), ["3.215", "0.100", "0.00321"]);
    assert.deepEqual([counted(1, "step"), counted(2000, "step")], ["1 step", "2,000 steps"]);
  });

  it("gives durations in the unit that fits", () => {
    assert.deepEqual([0.84, 9.96, 59.6, 125, 3720].map(duration), [
      "0.8 s",
      "10 s",
      "1 min 00 s",
      "2 min 05 s",
      "1 h 02 min",
    ]);
  });

  it("aligns columns to the left or right", () => {
    const rows = [
      ["q", "1,024"],
      ["embedding", "8"],
    ];
    assert.equal(columns(rows, "lr"), "q          1,024\nembedding      8");
  });
});
