/**
 * Blockwise 4-bit quantization (Dettmers et al., arXiv:2305.14314, §2 and §3), equal to bitsandbytes bit for bit.
 *
 * The array is read row by row and cut into blocks of 64. Each block is divided by its largest magnitude (its absmax),
 * which is kept in float32, and each quotient is stored as the 4-bit code of the nearest value of the codebook:
 * 4 + 32/64 = 4.5 bits per number. Double quantization stores the absmaxes themselves in 8 bits, less their mean and in
 * blocks of 256: 4 + 8/64 + 32/(64·256) = 4.127 bits.
 */
import { CODES, dynamicMap, nearestCode, type Type4bit } from "./codebooks";
import { mean } from "./mean";

/** An array on the host, row-major. */
export interface FloatArray {
  data: ArrayLike<number>;
  shape: number[];
}

/** Block sizes that both bitsandbytes and ONNX Runtime know. */
const BLOCK_SIZES = [32, 64, 128, 256] as const;
export type BlockSize = (typeof BLOCK_SIZES)[number];

export interface Settings4bit {
  /** bitsandbytes: `quant_type`. */
  type: Type4bit;
  /** How many neighbours share a scale. bitsandbytes: `blocksize`. */
  blockSize: BlockSize;
  /** Whether the scales are quantized too. bitsandbytes: `compress_statistics`. */
  doubleQuantization: boolean;
}

/** The absmaxes of double quantization: absmax = value(code) · nested absmax + offset. */
export interface QuantizedAbsmax {
  /** One code of the dynamic 8-bit type for each block. */
  codes: Uint8Array;
  /** Mean of the absmaxes, subtracted before. */
  offset: number;
  /** The largest magnitude of each 256 of what was left. */
  absmax: Float32Array;
}

export interface Quantized4bit {
  type: Type4bit;
  blockSize: BlockSize;
  shape: number[];
  /** Two codes a byte, the first of them in the high four bits; of an odd number of elements, the last has a byte. */
  packed: Uint8Array;
  /** The scale of each block. */
  absmax: Float32Array | QuantizedAbsmax;
}

/** Scales that share one scale themselves. */
const NESTED_BLOCK = 256;
/** What bitsandbytes takes for the absmax of a block of zeros, so that its quotients are zeros as well. */
const TINY = Math.fround(1e-38);

/**
 * Quantizes a float array to 4 bits.
 * @param array of any shape; blocks run on from one row to the next
 * @throws for an unknown type or block size, and for values that are not finite
 */
export function quantize4bit(
  { data, shape }: FloatArray,
  { type = "nf4", blockSize = 64, doubleQuantization = false }: Partial<Settings4bit> = {},
): Quantized4bit {
  checkSettings(type, blockSize);
  const { codes, absmax } = quantizeBlocks(data, blockSize, CODES[type]);
  const packed = new Uint8Array(Math.ceil(codes.length / 2));
  const codeOfZero = nearestCode(CODES[type])(0);
  for (let i = 0; i < packed.length; i++) packed[i] = (codes[2 * i]! << 4) | (codes[2 * i + 1] ?? codeOfZero);
  return { type, blockSize, shape, packed, absmax: doubleQuantization ? quantizeAbsmax(absmax) : absmax };
}

/** What the codes stand for: float32, each rounded once. */
export function dequantize4bit(quantized: Quantized4bit): {
  data: Float32Array;
  shape: number[];
  dtype: "float32";
} {
  const { type, blockSize, shape, packed } = quantized;
  const [codes, absmax] = [CODES[type], absmaxOf(quantized)];
  const data = new Float32Array(shape.reduce((product, n) => product * n, 1));
  for (let i = 0; i < data.length; i++) {
    const pair = packed[i >> 1]!;
    data[i] = codes[i % 2 === 0 ? pair >> 4 : pair & 15]! * absmax[Math.floor(i / blockSize)]!;
  }
  return { data, shape, dtype: "float32" };
}

/** The scale of each block in float32; with double quantization dequantized anew at each call. */
export function absmaxOf({ absmax: stored }: Quantized4bit): Float32Array {
  if (stored instanceof Float32Array) return stored;
  const { codes, offset, absmax } = stored;
  const map = dynamicMap();
  return Float32Array.from(
    codes,
    (code, i) => Math.fround(map[code]! * absmax[Math.floor(i / NESTED_BLOCK)]!) + offset,
  );
}

/** Bytes that a quantized array occupies: codes and scales. */
export function bytes4bit({ packed, absmax }: Quantized4bit): number {
  if (absmax instanceof Float32Array) return packed.byteLength + absmax.byteLength;
  return packed.byteLength + absmax.codes.byteLength + absmax.absmax.byteLength + 4;
}

function quantizeAbsmax(absmax: Float32Array): QuantizedAbsmax {
  const offset = mean(absmax);
  const nested = quantizeBlocks(
    absmax.map((x) => x - offset),
    NESTED_BLOCK,
    dynamicMap(),
  );
  return { codes: nested.codes, offset, absmax: nested.absmax };
}

/** Scales each block by its largest magnitude and rounds to the codebook, in float32 throughout. */
function quantizeBlocks(data: ArrayLike<number>, blockSize: number, codebook: Float32Array) {
  const { fround, abs } = Math;
  const nearest = nearestCode(codebook);
  const codes = new Uint8Array(data.length);
  const absmax = new Float32Array(Math.ceil(data.length / blockSize));
  for (const b of absmax.keys()) {
    const [from, to] = [b * blockSize, Math.min((b + 1) * blockSize, data.length)];
    let largest = 0;
    for (let i = from; i < to; i++) {
      const size = abs(data[i]!);
      if (!(size < Infinity)) throw notFinite(data[i]!, i);
      if (size > largest) largest = size;
    }
    // As in bitsandbytes: a last block that is not full is divided by its absmax, the others are multiplied by the
    // reciprocal, which may round differently.
    const full = to - from === blockSize;
    const divisor = Math.max(fround(largest), TINY);
    absmax[b] = full ? largest : divisor;
    const reciprocal = fround(1 / divisor);
    for (let i = from; i < to; i++) {
      const scaled = fround(full ? fround(data[i]!) * reciprocal : fround(data[i]!) / divisor);
      codes[i] = nearest(Math.max(-1, Math.min(1, scaled)));
    }
  }
  return { codes, absmax };
}

const notFinite = (value: number, i: number) =>
  new Error(`quantize: element ${i} is ${value}: only finite numbers can be quantized.`);

function checkSettings(type: Type4bit, blockSize: number): void {
  if (!(type in CODES)) {
    const known = Object.keys(CODES).join(", ");
    throw new Error(`quantize4bit: type must be one of ${known}, got ${JSON.stringify(type)}`);
  }
  if (!(BLOCK_SIZES as readonly number[]).includes(blockSize)) {
    throw new Error(`quantize4bit: blockSize must be one of ${BLOCK_SIZES.join(", ")}, got ${blockSize}`);
  }
}
