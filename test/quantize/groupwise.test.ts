import assert from "node:assert/strict";
import { generator } from "../../src/engine";
import { dequantizeInt4, quantizeInt4 } from "../../src/quantize";

const matrix = (rows: number[][]) => ({
  data: Float32Array.from(rows.flat()),
  shape: [rows.length, rows[0]!.length],
});

describe("group-wise 4-bit integers", () => {
  it("gives a grid of sixteen values back exactly, from 0 for the smallest to 15 for the largest", () => {
    const rows = [0, 1].map((r) => Array.from({ length: 32 }, (_, i) => 0.5 * (i % 16) - 2 + r));
    const quantized = quantizeInt4(matrix(rows), 16);
    assert.deepEqual([...quantized.scales], [0.5, 0.5, 0.5, 0.5]);
    assert.deepEqual([...quantized.zeros], [4, 4, 2, 2]);
    // Low four bits first.
    assert.deepEqual([...quantized.packed.slice(0, 8)], [0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe]);
    assert.deepEqual(dequantizeInt4(quantized), { ...matrix(rows), dtype: "float32" });
  });

  it("errs by at most half a step of the group", () => {
    const random = generator(3);
    const weight = {
      data: Float32Array.from({ length: 6 * 96 }, () => random() ** 3 - 0.2),
      shape: [6, 96],
    };
    const quantized = quantizeInt4(weight);
    assert.equal(quantized.scales.length, 6 * 3);
    const back = dequantizeInt4(quantized).data;
    for (const [i, w] of weight.data.entries()) {
      const step = quantized.scales[Math.floor(i / 32)]!;
      assert.ok(Math.abs(w - back[i]!) <= step / 2 + 1e-6, `element ${i}`);
    }
  });

  it("keeps groups of one value", () => {
    const rows = [[...Array(4).fill(0), ...Array(4).fill(-2.5)]];
    assert.deepEqual(dequantizeInt4(quantizeInt4(matrix(rows), 4)).data, Float32Array.from(rows.flat()));
  });

  it("takes an update that is constant within a group into the zero points, changing no code", () => {
    const random = generator(4);
    const weight = { data: Float32Array.from({ length: 4 * 64 }, () => random() - 0.5), shape: [4, 64] };
    const quantized = quantizeInt4(weight);
    const update = Float32Array.from(quantized.zeros, () => random() - 0.5);
    const zeros = quantized.zeros.map((zero, g) => zero - update[g]! / quantized.scales[g]!);
    const before = dequantizeInt4(quantized).data;
    const after = dequantizeInt4({ ...quantized, zeros }).data;
    for (const [i, w] of after.entries()) {
      assert.ok(Math.abs(w - (before[i]! + update[Math.floor(i / 32)]!)) < 1e-6);
    }
  });

  it("explains what it cannot quantize", () => {
    const weight = { data: new Float32Array(96), shape: [2, 48] };
    assert.throws(() => quantizeInt4(weight), /divides the 48 inputs of \[2,48\], got 32/);
    assert.throws(() => quantizeInt4(weight, 3), /even number .* got 3/);
    assert.throws(
      () => quantizeInt4({ ...weight, shape: [96] }),
      /expected a matrix \[out, in\], got \[96\]/,
    );
    weight.data[7] = Number.NaN;
    assert.throws(() => quantizeInt4(weight, 16), /element 7 is NaN/);
  });
});
