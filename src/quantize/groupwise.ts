/**
 * Group-wise 4-bit integers with zero points, the form of a weight in QA-LoRA (Xu et al., arXiv:2309.14717, eq. 1).
 *
 *   w ≈ scale · (q − zero)        q = 0 … 15
 *
 * Each row of W [out, in] is cut into groups of 32 inputs, and each group has its own scale = (max − min)/15 and
 * zero = −min/scale, so that the smallest weight is q = 0 and the largest q = 15. A zero point need not be whole. That is
 * QA-LoRA's point: an update that is constant within a group moves the zero point and no code, so merging it is exact.
 */
import type { FloatArray } from "./blockwise";

export interface QuantizedInt4 {
  /** [out, in] */
  shape: [number, number];
  /** Inputs that share a scale and a zero point. */
  groupSize: number;
  /** Two codes a byte, the first of them in the low four bits (the order of ONNX Runtime's MatMulNBits). */
  packed: Uint8Array;
  /** [out, in / groupSize] */
  scales: Float32Array;
  /** [out, in / groupSize], in units of a code. */
  zeros: Float32Array;
  /** How the inputs of a product are taken; "float32" where it is not said. */
  activations?: Activations;
}

/**
 * "int8" rounds the inputs of a product, each group of a row by its own largest value, to −127 … 127, and adds up products of
 * whole numbers (the W4A8 of the literature): faster where memory or whole numbers are, at the cost of that rounding.
 */
export type Activations = "float32" | "int8";

const LEVELS = 15;

/**
 * Quantizes a matrix to 4-bit integers by the smallest and the largest weight of each group.
 * @param matrix [out, in]
 * @param groupSize a whole, even number that divides the inputs
 * @throws for another group size, for an array that is not a matrix, and for values that are not finite
 */
export function quantizeInt4({ data, shape }: FloatArray, groupSize = 32): QuantizedInt4 {
  if (shape.length !== 2) throw new Error(`quantizeInt4: expected a matrix [out, in], got [${shape}]`);
  const [out, inputs] = shape as [number, number];
  if (!Number.isInteger(groupSize) || groupSize < 2 || groupSize % 2 !== 0 || inputs % groupSize !== 0) {
    throw new Error(
      `quantizeInt4: groupSize must be an even number that divides the ${inputs} inputs of [${shape}], got ${groupSize}`,
    );
  }
  const groups = (out * inputs) / groupSize;
  const packed = new Uint8Array((out * inputs) / 2);
  const [scales, zeros] = [new Float32Array(groups), new Float32Array(groups)];
  for (let g = 0; g < groups; g++) {
    const from = g * groupSize;
    let [min, max] = [Infinity, -Infinity];
    for (let i = from; i < from + groupSize; i++) {
      if (!Number.isFinite(data[i]!)) {
        throw new Error(`quantizeInt4: element ${i} is ${data[i]}: only finite numbers can be quantized.`);
      }
      min = Math.min(min, data[i]!);
      max = Math.max(max, data[i]!);
    }
    // In a group of one value the zero point carries it, in any unit.
    scales[g] = (max - min) / LEVELS || 1;
    zeros[g] = -min / scales[g]!;
    for (let i = from; i < from + groupSize; i++) {
      const code = Math.round((data[i]! - min) / scales[g]!);
      packed[i >> 1]! |= Math.min(code, LEVELS) << (i % 2 === 0 ? 0 : 4);
    }
  }
  return { shape: [out, inputs], groupSize, packed, scales, zeros };
}

/** Bytes that a quantized matrix occupies: codes, scales and zero points. */
export const bytesInt4 = ({ packed, scales, zeros }: QuantizedInt4): number =>
  packed.byteLength + scales.byteLength + zeros.byteLength;

/** scale · (q − zero), float32 [out, in]. */
export function dequantizeInt4({ shape, groupSize, packed, scales, zeros }: QuantizedInt4) {
  const data = new Float32Array(shape[0] * shape[1]);
  for (let i = 0; i < data.length; i++) {
    const code = (packed[i >> 1]! >> (i % 2 === 0 ? 0 : 4)) & 15;
    const g = Math.floor(i / groupSize);
    data[i] = scales[g]! * (code - zeros[g]!);
  }
  return { data, shape: [...shape], dtype: "float32" as const };
}
