import assert from "node:assert/strict";
import fc from "fast-check";
import { generator } from "../../src/engine";
import {
  absmaxOf,
  bytes4bit,
  CODES,
  dequantize4bit,
  dynamicMap,
  nearestCode,
  quantize4bit,
} from "../../src/quantize";
import { readGoldens } from "./goldens";

const vector = (...values: number[]) => ({ data: Float32Array.from(values), shape: [values.length] });

describe("blockwise 4-bit quantization", () => {
  for (const file of ["bitsandbytes-4bit.json", "bitsandbytes-4bit-edges.json"]) {
    for (const { name, settings, input, expected, dequantized, codes, nestedCodes } of readGoldens(file)) {
      it(`equals bitsandbytes bit for bit: ${name}`, () => {
        const quantized = quantize4bit(input, settings);
        assert.deepEqual(quantized, expected);
        assert.deepEqual(dequantize4bit(quantized), {
          data: dequantized,
          shape: input.shape,
          dtype: "float32",
        });
        if (codes) assert.deepEqual(CODES[settings.type], codes);
        if (nestedCodes) assert.deepEqual(dynamicMap(), nestedCodes);
      });
    }
  }

  it("gives every value of a codebook back, and rounds midpoints to the lower value", () => {
    for (const codes of [CODES.nf4, CODES.fp4, dynamicMap()]) {
      const nearest = nearestCode(codes);
      const sorted = codes.slice().sort();
      for (const [i, value] of sorted.entries()) {
        assert.equal(codes[nearest(value)], value);
        if (i === 0) continue;
        const [below, middle] = [sorted[i - 1]!, Math.fround((sorted[i - 1]! + value) / 2)];
        assert.equal(codes[nearest(middle)], below);
        assert.equal(codes[nearest(middle + 1e-7 * Math.abs(middle))], value);
      }
    }
  });

  it("puts the first element in the high four bits", () => {
    assert.deepEqual([...quantize4bit(vector(-1, 1)).packed], [0x0f]);
    assert.deepEqual([...quantize4bit(vector(1, -1)).packed], [0xf0]);
  });

  it("keeps a block of zeros, and a block's largest magnitude", () => {
    const data = new Float32Array(128);
    data[100] = -3;
    const back = dequantize4bit(quantize4bit({ data, shape: [2, 64] }));
    assert.deepEqual(back.data, data);
  });

  it("errs by at most half the widest gap of the codebook, in units of the block's scale", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("nf4" as const, "fp4" as const),
        fc.integer({ min: 1, max: 400 }),
        fc.nat(),
        (type, size, seed) => {
          const random = generator(seed);
          const data = Float32Array.from({ length: size }, () => 4 * random() - 2);
          const quantized = quantize4bit({ data, shape: [size] }, { type });
          const back = dequantize4bit(quantized).data;
          const sorted = CODES[type].slice().sort();
          const gap = Math.max(...sorted.slice(1).map((value, i) => value - sorted[i]!));
          const absmax = absmaxOf(quantized);
          for (const [i, x] of data.entries()) {
            const scale = absmax[Math.floor(i / 64)]!;
            assert.ok(Math.abs(x - back[i]!) <= (gap / 2) * scale * (1 + 1e-6));
          }
        },
      ),
      { seed: 20250101 },
    );
  });

  it("takes 4.5 bits per parameter, 4.127 with double quantization", () => {
    const data = Float32Array.from({ length: 64 * 256 * 8 }, (_, i) => Math.sin(i));
    const bits = (doubleQuantization: boolean) =>
      (8 * bytes4bit(quantize4bit({ data, shape: [data.length] }, { doubleQuantization }))) / data.length;
    assert.equal(bits(false), 4 + 32 / 64);
    // The offset of the whole array is four bytes more.
    assert.equal(bits(true), 4 + 8 / 64 + 32 / (64 * 256) + 32 / data.length);
    assert.equal(bits(true).toFixed(3), "4.127");
  });

  it("explains what it cannot quantize", () => {
    assert.throws(() => quantize4bit(vector(1), { type: "int4" as never }), /one of nf4, fp4, got "int4"/);
    assert.throws(
      () => quantize4bit(vector(1), { blockSize: 48 as never }),
      /one of 32, 64, 128, 256, got 48/,
    );
    assert.throws(() => quantize4bit(vector(0, Number.NaN)), /element 1 is NaN/);
    assert.throws(() => quantize4bit(vector(0, 0, -Infinity)), /element 2 is -Infinity/);
  });
});
