/** Weights in 4 bits: blockwise NF4 and FP4 (QLoRA), group-wise integers (QA-LoRA). Arrays in, arrays out. */
export {
  absmaxOf,
  type BlockSize,
  bytes4bit,
  dequantize4bit,
  type FloatArray,
  type Quantized4bit,
  type QuantizedAbsmax,
  quantize4bit,
  type Settings4bit,
} from "./blockwise";
export { CODES, dynamicMap, nearestCode, type Type4bit } from "./codebooks";
export {
  type Activations,
  bytesInt4,
  dequantizeInt4,
  type QuantizedInt4,
  quantizeInt4,
} from "./groupwise";
