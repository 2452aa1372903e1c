/**
 * The compiled programs of training: the loss, its gradient, and one step of the optimizer, each a pure function of flat
 * vectors.
 */
import * as tf from "@tensorflow/tfjs";
import {
  crossEntropy,
  type InputSpec,
  type Program,
  Random,
  type Tensors,
  type TraceOptions,
  type TypedArray,
  trace,
} from "../engine";
import type { LanguageModel } from "../model/language-model";
import { hiddenStates, type Layers, logits } from "../model/transformer";
import type { Batch } from "./data";
import type { Optimizer, OptimizerSettings } from "./optimizers";

/** The shape that all batches of a program share. */
export interface BatchShape {
  rows: number;
  length: number;
  /** Room for supervised predictions. */
  capacity: number;
  packed: boolean;
}

const SEED: InputSpec = { shape: [2], dtype: "int32" };
const NUMBER: InputSpec = { shape: [], dtype: "float32" };

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
export function batchLoss(model: LanguageModel, layers: Layers, shape: BatchShape, x: Tensors): tf.Scalar {
  const { hidden } = hiddenStates(model.config, layers, x.ids as tf.Tensor2D, {
    segments: x.segments as tf.Tensor2D | undefined,
    positions: x.positions as tf.Tensor2D | undefined,
  });
  const everywhere = shape.capacity === shape.rows * shape.length;
  const wanted = everywhere ? hidden : tf.gather(hidden, x.places as tf.Tensor1D);
  const nats = crossEntropy(logits(layers, wanted), x.targets as tf.Tensor1D);
  return tf.sum(tf.mul(nats, x.weights!));
}

/** The loss and its gradient with respect to the adapter's flat parameters. */
function lossAndGradient(model: LanguageModel, shape: BatchShape, x: Tensors) {
  // Differentiated with respect to the pieces: through the cut, each would give a gradient as long as the vector.
  const pieces = model.adapter!.parameters.split(x.parameters as tf.Tensor1D);
  const loss = (...trainable: tf.Tensor[]) =>
    batchLoss(model, model.layers(trainable, new Random(x.seed as tf.Tensor1D)), shape, x);
  const { value, grads } = tf.valueAndGrads(loss)(pieces);
  const flat = grads.map((gradient, i) => tf.reshape(gradient ?? tf.zerosLike(pieces[i]!), [-1]));
  return { loss: value, gradient: tf.concat(flat) as tf.Tensor1D };
}

export interface UpdateSettings {
  optimizer: Optimizer;
  settings: OptimizerSettings;
  /** Largest norm of the whole gradient; longer ones are scaled down to it. Infinity for none. */
  maxGradientNorm: number;
}

function updateSpecs(size: number, { optimizer, settings }: UpdateSettings): Record<string, InputSpec> {
  const vector: InputSpec = { shape: [size], dtype: "float32" };
  const names = optimizer.numbers(1, 1, settings).map((_, i) => `number${i}`);
  return {
    parameters: vector,
    ...Object.fromEntries(optimizer.state.map((name) => [name, vector])),
    ...Object.fromEntries(names.map((name) => [name, NUMBER])),
  };
}

/** The numbers of step t, as inputs of a program that updates. */
export function updateInputs({ optimizer, settings }: UpdateSettings, t: number, learningRate: number) {
  const numbers = optimizer.numbers(t, learningRate, settings);
  return Object.fromEntries(numbers.map((n, i) => [`number${i}`, Float32Array.of(n)]));
}

/** Clips by the global norm and takes the optimizer's step. */
function update(model: LanguageModel, gradient: tf.Tensor1D, x: Tensors, update: UpdateSettings): Tensors {
  const { optimizer, settings, maxGradientNorm } = update;
  const gradientNorm = tf.sqrt(tf.sum(tf.square(gradient)));
  const clipped = Number.isFinite(maxGradientNorm)
    ? tf.mul(gradient, tf.minimum(1, tf.div(maxGradientNorm, tf.add(gradientNorm, 1e-6))))
    : gradient;
  const numbers = optimizer.numbers(1, 1, settings).map((_, i) => x[`number${i}`]!);
  const [parameters, ...state] = optimizer.update(
    x.parameters as tf.Tensor1D,
    clipped as tf.Tensor1D,
    optimizer.state.map((name) => x[name] as tf.Tensor1D),
    numbers,
    settings,
    settings.weightDecay > 0 ? decayMask(model) : undefined,
  );
  const named = Object.fromEntries(optimizer.state.map((name, i) => [name, state[i]!]));
  return { gradientNorm, parameters: parameters!, ...named };
}

/** Matrices decay; norms and biases, which are vectors, do not. */
function decayMask(model: LanguageModel): tf.Tensor1D {
  const { parameters } = model.adapter!;
  const mask = new Float32Array(parameters.size);
  let offset = 0;
  for (const [, { data, shape }] of parameters.entries()) {
    mask.fill(shape.length > 1 ? 1 : 0, offset, offset + data.length);
    offset += data.length;
  }
  return tf.tensor1d(mask);
}

/** One whole training step as a function: batch, parameters and state in; loss, gradient norm and new ones out. */
export function stepFunction(model: LanguageModel, shape: BatchShape, settings: UpdateSettings) {
  return {
    fn: (x: Tensors): Tensors => {
      const { loss, gradient } = lossAndGradient(model, shape, x);
      return { loss, ...update(model, gradient, x, settings) };
    },
    inputs: { ...batchSpecs(shape), ...updateSpecs(model.trainableCount, settings), seed: SEED },
  };
}

/** The same, compiled. */
export function stepProgram(
  model: LanguageModel,
  shape: BatchShape,
  settings: UpdateSettings,
  options?: TraceOptions,
): Promise<Program> {
  const { fn, inputs } = stepFunction(model, shape, settings);
  return trace(fn, inputs, options);
}

/** Loss and gradient of one batch, added to an earlier gradient. */
export function gradientProgram(
  model: LanguageModel,
  shape: BatchShape,
  options?: TraceOptions,
): Promise<Program> {
  const vector: InputSpec = { shape: [model.trainableCount], dtype: "float32" };
  return trace(
    (x) => {
      const { loss, gradient } = lossAndGradient(model, shape, x);
      return { loss, gradient: tf.add(x.earlier!, gradient) };
    },
    { ...batchSpecs(shape), parameters: vector, earlier: vector, seed: SEED },
    options,
  );
}

/** The optimizer's step alone, for gradients accumulated over several batches. */
export function updateProgram(
  model: LanguageModel,
  settings: UpdateSettings,
  options?: TraceOptions,
): Promise<Program> {
  const size = model.trainableCount;
  return trace(
    (x) => update(model, x.gradient as tf.Tensor1D, x, settings),
    { ...updateSpecs(size, settings), gradient: { shape: [size], dtype: "float32" } },
    options,
  );
}

/** The loss of one batch, without training: Σ weightᵢ · −log p(targetᵢ). */
export async function measureLoss(
  model: LanguageModel,
  shape: BatchShape,
  inputs: Record<string, TypedArray>,
  options?: TraceOptions,
): Promise<number> {
  const { loss } = await model.run(
    `loss ${JSON.stringify(shape)}`,
    (layers, x) => ({ loss: batchLoss(model, layers, shape, x) }),
    batchSpecs(shape),
    inputs,
    options,
  );
  return loss!.data[0]!;
}
