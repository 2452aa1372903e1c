/**
 * Weights held in 4 bits. To code that asks for values such a weight is an array like any other, dequantized at each
 * question; the products of a forward pass ask for its codes.
 */
import type * as tf from "@tensorflow/tfjs";
import { type HostArray, matMul4bit, matMulInt4 } from "../engine";
import {
  type Activations,
  bytes4bit,
  bytesInt4,
  dequantize4bit,
  dequantizeInt4,
  type Quantized4bit,
  type QuantizedInt4,
  quantize4bit,
  quantizeInt4,
  type Settings4bit,
} from "../quantize";

/** Group-wise integers, which QA-LoRA trains on, in place of a codebook. */
export interface SettingsInt4 {
  type: "int4";
  /** How many inputs of a row share a scale and a zero point: 16, 32, 64, 128 or 256; 32 by default. */
  groupSize?: number;
  /** "int8" rounds the inputs of products too; "float32" by default. */
  activations?: Activations;
}

export type QuantizationSettings = Partial<Settings4bit> | SettingsInt4;

type Quantized = Quantized4bit | QuantizedInt4;
const isInt4 = (quantized: Quantized): quantized is QuantizedInt4 => "zeros" in quantized;

export class QuantizedWeight implements HostArray {
  readonly shape: number[];
  readonly dtype = "float32";
  readonly #quantized: Quantized;

  constructor(quantized: Quantized) {
    this.shape = quantized.shape;
    this.#quantized = quantized;
  }

  get quantized(): Quantized {
    return this.#quantized;
  }

  /** The group-wise integers, where it is held as such. */
  get int4(): QuantizedInt4 | undefined {
    return isInt4(this.#quantized) ? this.#quantized : undefined;
  }

  /** Bytes that it occupies. */
  get bytes(): number {
    const quantized = this.#quantized;
    return isInt4(quantized) ? bytesInt4(quantized) : bytes4bit(quantized);
  }

  /** The values, a new float32 array each time. */
  get data(): Float32Array {
    const quantized = this.#quantized;
    return (isInt4(quantized) ? dequantizeInt4(quantized) : dequantize4bit(quantized)).data;
  }

  /** The settings that it was quantized with, complete with defaults. */
  get settings(): QuantizationSettings {
    const quantized = this.#quantized;
    if (isInt4(quantized)) {
      const { groupSize, activations } = quantized;
      return { type: "int4", groupSize, ...(activations && { activations }) };
    }
    const { type, blockSize, absmax } = quantized;
    return { type, blockSize, doubleQuantization: !(absmax instanceof Float32Array) };
  }

  /** Other values in the form that these have. */
  requantize(values: HostArray): QuantizedWeight {
    return quantizeWeight(values, this.settings);
  }

  /** x·Wᵀ of x [n, in], from the codes. */
  product(x: tf.Tensor2D): tf.Tensor2D {
    const quantized = this.#quantized;
    return isInt4(quantized) ? matMulInt4(x, quantized) : matMul4bit(x, quantized);
  }
}

/** Bytes that a weight of a model occupies as it is held: of one in 4 bits its codes and scales. */
export const bytesHeld = (weight: HostArray): number =>
  weight instanceof QuantizedWeight ? weight.bytes : weight.data.byteLength;

/** A matrix in 4 bits. */
export function quantizeWeight(weight: HostArray, settings: QuantizationSettings): QuantizedWeight {
  if (settings.type !== "int4") return new QuantizedWeight(quantize4bit(weight, settings));
  const { groupSize, activations } = settings;
  if (activations !== undefined && !["float32", "int8"].includes(activations))
    throw new Error(
      `quantize: activations should be "float32" or "int8", got ${JSON.stringify(activations)}.`,
    );
  return new QuantizedWeight({ ...quantizeInt4(weight, groupSize), ...(activations && { activations }) });
}

/** A weight in 4 bits if it is a matrix inside the layers; embedding, head, norms and biases stay as they are. */
export function quantizeInside(name: string, weight: HostArray, settings: QuantizationSettings): HostArray {
  const inside = name.startsWith("model.layers.") && weight.shape.length === 2;
  return inside ? quantizeWeight(weight, settings) : weight;
}
