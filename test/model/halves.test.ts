import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from "../../src/model/halves";

const all = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** IEEE 754's definition of a binary float: (−1)^sign · 2^(exponent − bias) · 1.mantissa, subnormal, infinite or NaN. */
function value(bits: number, exponentBits: number, mantissaBits: number): number {
  const exponent = (bits >> mantissaBits) & (2 ** exponentBits - 1);
  const mantissa = bits & (2 ** mantissaBits - 1);
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 2 ** exponentBits - 1) return mantissa ? Number.NaN : sign * Infinity;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias);
}

const formats = [
  { name: "float16", exponent: 5, mantissa: 10, decode: decodeFloat16, encode: encodeFloat16 },
  { name: "bfloat16", exponent: 8, mantissa: 7, decode: decodeBfloat16, encode: encodeBfloat16 },
];

for (const { name, exponent, mantissa, decode, encode } of formats) {
  describe(name, () => {
    const decoded = new Float32Array(65536);
    before(() => decode(all, decoded, 0));

    it("is decoded as IEEE 754 defines it, all 65,536 values", () => {
      for (const bits of all)
        assert.ok(Object.is(decoded[bits], value(bits, exponent, mantissa)), `bits ${bits}`);
    });

    it("comes back unchanged from float32, NaNs as NaNs", () => {
      const back = encode(decoded);
      for (const bits of all) {
        if (Number.isNaN(decoded[bits])) assert.ok(Number.isNaN(value(back[bits], exponent, mantissa)));
        else assert.equal(back[bits], bits);
      }
    });

    it("is rounded to the nearest value, ties to the even one", () => {
      const infinity = (2 ** exponent - 1) << mantissa;
      const check = (x: number) => {
        const got = encode(Float32Array.of(x))[0];
        assert.equal(got >> 15, x < 0 || Object.is(x, -0) ? 1 : 0, "sign");
        const magnitude = got & 0x7fff;
        // Infinity rounds as if it were the next value after the largest.
        const at = (bits: number) =>
          bits === infinity ? 2 ** (2 ** (exponent - 1)) : value(bits, exponent, mantissa);
        const distance = (bits: number) => Math.abs(at(bits) - Math.abs(Math.fround(x)));
        for (const neighbour of [magnitude - 1, magnitude + 1]) {
          if (neighbour < 0 || neighbour > infinity) continue;
          const [here, there] = [distance(magnitude), distance(neighbour)];
          assert.ok(here < there || (here === there && magnitude % 2 === 0), `${x} became ${at(magnitude)}`);
        }
      };
      fc.assert(fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), check), { numRuns: 2000 });
      // Ties themselves: halfway between neighbours, subnormal and normal, and one float32 to either side.
      const half = fc.integer({ min: 0, max: infinity - 2 });
      const sides = fc.constantFrom(-1, 0, 1);
      fc.assert(
        fc.property(half, sides, (bits, side) => {
          const middle = (value(bits, exponent, mantissa) + value(bits + 1, exponent, mantissa)) / 2;
          const word = new Uint32Array(Float32Array.of(middle).buffer);
          word[0] += middle === 0 ? 0 : side;
          check(new Float32Array(word.buffer)[0]);
        }),
        { numRuns: 2000 },
      );
    });
  });
}
