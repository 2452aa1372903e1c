/**
 * Sixteen-bit floats: float16 (IEEE 754 binary16: 5 exponent bits, 10 of mantissa) and bfloat16 (the upper half of a
 * float32). Reading goes through bit patterns only, so that NaNs and signed zeros survive; writing rounds to the
 * nearest value, ties to even, as PyTorch does.
 */

/** Bit pattern of the float32 equal to each of the 65,536 float16 values; made on first use. */
let float16Table: Uint32Array | undefined;

function float16Bits(): Uint32Array {
  if (float16Table) return float16Table;
  const table = new Uint32Array(65536);
  for (let half = 0; half < 65536; half++) {
    const sign = (half & 0x8000) << 16;
    let exponent = (half >> 10) & 0x1f;
    let mantissa = half & 0x3ff;
    let bits: number;
    if (exponent === 0x1f) bits = 0x7f800000 | (mantissa << 13);
    else if (exponent !== 0) bits = ((exponent + 112) << 23) | (mantissa << 13);
    else if (mantissa === 0) bits = 0;
    else {
      // A subnormal float16 is a normal float32: shift until the leading one becomes the implicit one.
      exponent = 113;
      while ((mantissa & 0x400) === 0) {
        mantissa <<= 1;
        exponent--;
      }
      bits = (exponent << 23) | ((mantissa & 0x3ff) << 13);
    }
    table[half] = sign | bits;
  }
  float16Table = table;
  return table;
}

/** float16 bit patterns → float32, into `target` at `offset`. */
export function decodeFloat16(source: Uint16Array, target: Float32Array, offset: number): void {
  const table = float16Bits();
  const bits = new Uint32Array(target.buffer, target.byteOffset + 4 * offset, source.length);
  for (let i = 0; i < source.length; i++) bits[i] = table[source[i]];
}

/** bfloat16 bit patterns → float32, into `target` at `offset`. */
export function decodeBfloat16(source: Uint16Array, target: Float32Array, offset: number): void {
  const bits = new Uint32Array(target.buffer, target.byteOffset + 4 * offset, source.length);
  for (let i = 0; i < source.length; i++) bits[i] = source[i] << 16;
}

/** float32 → float16 bit patterns. Magnitudes from 65,520 on become infinite, as IEEE 754 has it. */
export function encodeFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const sign = (bits[i] >>> 16) & 0x8000;
    const magnitude = bits[i] & 0x7fffffff;
    if (magnitude > 0x7f800000) out[i] = sign | 0x7e00;
    else if (magnitude >= 0x477ff000) out[i] = sign | 0x7c00;
    else if (magnitude >= 0x38800000) {
      // Normal: rebias the exponent; adding 0xfff and the last kept bit rounds half to even, carrying into the exponent.
      out[i] = sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
    } else if (magnitude < 0x33000000) out[i] = sign;
    else {
      // Subnormal: the same rounding after shifting the explicit leading one into place.
      const shift = 126 - (magnitude >>> 23);
      const mantissa = (magnitude & 0x7fffff) | 0x800000;
      const kept = mantissa >>> shift;
      const rest = mantissa & ((1 << shift) - 1);
      const half = 1 << (shift - 1);
      out[i] = sign | (rest > half || (rest === half && kept & 1) ? kept + 1 : kept);
    }
  }
  return out;
}

/** float32 → bfloat16 bit patterns. */
export function encodeBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const notANumber = (bits[i] & 0x7fffffff) > 0x7f800000;
    out[i] = notANumber ? (bits[i] >>> 16) | 0x40 : (bits[i] + 0x7fff + ((bits[i] >>> 16) & 1)) >>> 16;
  }
  return out;
}
