/** The loss of a language model, −log p(next token), at the supervised places of a batch of rows. */
import * as tf from "@tensorflow/tfjs";
import { crossEntropy, type InputSpec, type Tensors, type TypedArray } from "../engine";
import type { ModelConfig } from "../model/config";
import { hiddenStates, type Layers, logits } from "../model/transformer";
import type { Batch } from "./data";
import type { Loss } from "./step";

/** The shape that all batches of a program share. */
export interface BatchShape {
  rows: number;
  length: number;
  /** Room for supervised predictions. */
  capacity: number;
  packed: boolean;
}

function batchSpecs({ rows, length, capacity, packed }: BatchShape): Record<string, InputSpec> {
  const grid: InputSpec = { shape: [rows, length], dtype: "int32" };
  const list: InputSpec = { shape: [capacity], dtype: "int32" };
  return {
    ids: grid,
    ...(packed && { segments: grid, positions: grid }),
    places: list,
    targets: list,
    weights: { shape: [capacity], dtype: "float32" },
  };
}

/** @param total predictions that share the loss: those of this batch, or of all batches of an accumulated step */
export function batchInputs(batch: Batch, total: number): Record<string, TypedArray> {
  const { ids, places, targets, mask, segments, positions } = batch;
  const weights = mask.map((x) => x / total);
  return { ids, places, targets, weights, ...(segments && positions && { segments, positions }) };
}

/** Σ weightᵢ · −log p(targetᵢ) over the supervised places: with weights of 1/n the mean loss in nats per token. */
export function languageLoss(config: ModelConfig, shape: BatchShape): Loss {
  const everywhere = shape.capacity === shape.rows * shape.length;
  return {
    inputs: batchSpecs(shape),
    compute(layers: Layers, x: Tensors) {
      const { hidden } = hiddenStates(config, layers, x.ids as tf.Tensor2D, {
        segments: x.segments as tf.Tensor2D | undefined,
        positions: x.positions as tf.Tensor2D | undefined,
      });
      const wanted = everywhere ? hidden : tf.gather(hidden, x.places as tf.Tensor1D);
      const nats = crossEntropy(logits(layers, wanted), x.targets as tf.Tensor1D);
      return { loss: tf.sum(tf.mul(nats, x.weights!)) };
    },
  };
}
