/**
 * Weights held in 4 bits. To code that asks for values such a weight is an array like any other, dequantized at each
 * question; the products of a forward pass ask for its codes.
 */
import type { HostArray } from "../engine";
import { bytes4bit, dequantize4bit, type Quantized4bit, quantize4bit, type Settings4bit } from "../quantize";

export class QuantizedWeight implements HostArray {
  readonly shape: number[];
  readonly dtype = "float32";
  readonly #quantized: Quantized4bit;

  constructor(quantized: Quantized4bit) {
    this.shape = quantized.shape;
    this.#quantized = quantized;
  }

  get quantized(): Quantized4bit {
    return this.#quantized;
  }

  /** The values, a new float32 array each time. */
  get data(): Float32Array {
    return dequantize4bit(this.#quantized).data;
  }
}

/** Bytes that a weight occupies as it is held. */
export const bytesHeld = (weight: HostArray): number =>
  weight instanceof QuantizedWeight ? bytes4bit(weight.quantized) : weight.data.byteLength;

/** The matrices inside the layers in 4 bits; the embedding, the head, norms and biases as they were. */
export function quantizeWeights(
  weights: ReadonlyMap<string, HostArray>,
  settings: Partial<Settings4bit>,
): Map<string, HostArray> {
  return new Map(
    [...weights].map(([name, weight]) => {
      const inside = name.startsWith("model.layers.") && weight.shape.length === 2;
      return [name, inside ? new QuantizedWeight(quantize4bit(weight, settings)) : weight];
    }),
  );
}
