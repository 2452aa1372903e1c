/**
 * The compiled programs of training: the loss, its gradient, and one step of the optimizer, each a pure function of flat
 * vectors.
 */
import * as tf from "@tensorflow/tfjs";
import {
  type HostArray,
  type InputSpec,
  type Program,
  Random,
  type Tensors,
  type TraceOptions,
  type TypedArray,
  trace,
} from "../engine";
import type { LanguageModel } from "../model/language-model";
import type { Layers } from "../model/transformer";
import type { Optimizer, OptimizerSettings } from "./optimizers";

const SEED: InputSpec = { shape: [2], dtype: "int32" };
const NUMBER: InputSpec = { shape: [], dtype: "float32" };

/** The loss of one batch, as a pure function that programs are traced from. */
export interface Loss {
  /** What it is computed from, by name. */
  inputs: Record<string, InputSpec>;
  /** The loss and, by their names, metrics that are looked at and not trained on; all scalars, sums of weighted terms. */
  compute(layers: Layers, x: Tensors): { loss: tf.Scalar; [metric: string]: tf.Scalar };
}

/** Metrics among the outputs of a program. */
const METRIC = "metric ";
const asOutputs = (metrics: Tensors): Tensors =>
  Object.fromEntries(Object.entries(metrics).map(([name, value]) => [METRIC + name, value]));

/** The metrics of a program's outputs, by their own names. */
export const metricsOf = (outputs: Record<string, HostArray>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(outputs)
      .filter(([name]) => name.startsWith(METRIC))
      .map(([name, { data }]) => [name.slice(METRIC.length), data[0]!]),
  );

/**
 * The loss, its metrics, and the gradient with respect to the adapter's flat parameters. What the adapter adds to the loss,
 * weighted by the batch's share of its step, is in the gradient, and beside the loss as the metric "penalty".
 */
function lossAndGradient(model: LanguageModel, { compute }: Loss, x: Tensors) {
  // Differentiated with respect to the pieces: through the cut, each would give a gradient as long as the vector.
  const pieces = model.adapter!.parameters.split(x.parameters as tf.Tensor1D);
  let metrics: Tensors = {};
  let alone: tf.Scalar | undefined; // the loss without the penalty
  const scalar = (...trainable: tf.Tensor[]) => {
    const penalties: tf.Scalar[] = [];
    const layers = model.layers(trainable, {
      random: new Random(x.seed as tf.Tensor1D),
      penalize: (term) => void penalties.push(term),
    });
    const { loss, ...rest } = compute(layers, x);
    const penalty = penalties.length > 0 ? tf.mul<tf.Scalar>(tf.addN(penalties), x.share ?? 1) : undefined;
    metrics = { ...rest, ...(penalty && { penalty }) };
    for (const metric of Object.values(metrics)) tf.keep(metric);
    if (!penalty) return loss;
    alone = tf.keep(loss);
    return tf.add<tf.Scalar>(loss, penalty);
  };
  const { value, grads } = tf.valueAndGrads(scalar)(pieces);
  const flat = grads.map((gradient, i) => tf.reshape(gradient ?? tf.zerosLike(pieces[i]!), [-1]));
  return { loss: alone ?? value, gradient: tf.concat(flat) as tf.Tensor1D, metrics: asOutputs(metrics) };
}

export interface UpdateSettings {
  optimizer: Optimizer;
  settings: OptimizerSettings;
  /** Largest norm of the whole gradient; longer ones are scaled down to it. Infinity for none. */
  maxGradientNorm: number;
  /** Whether the clipped gradient is wanted as well. */
  gradient?: boolean;
}

function updateSpecs(size: number, { optimizer, settings }: UpdateSettings): Record<string, InputSpec> {
  const vector: InputSpec = { shape: [size], dtype: "float32" };
  const names = optimizer.numbers(1, 1, settings).map((_, i) => `number${i}`);
  return {
    parameters: vector,
    ...Object.fromEntries(optimizer.state(settings).map((name) => [name, vector])),
    ...Object.fromEntries(names.map((name) => [name, NUMBER])),
  };
}

/** Names of the optimizer's vectors. */
const stateOf = ({ optimizer, settings }: UpdateSettings): readonly string[] => optimizer.state(settings);

/** The numbers of step t, as inputs of a program that updates. */
export function updateInputs({ optimizer, settings }: UpdateSettings, t: number, learningRate: number) {
  const numbers = optimizer.numbers(t, learningRate, settings);
  return Object.fromEntries(numbers.map((n, i) => [`number${i}`, Float32Array.of(n)]));
}

/** Clips by the global norm and takes the optimizer's step. */
function update(model: LanguageModel, gradient: tf.Tensor1D, x: Tensors, update: UpdateSettings): Tensors {
  const { optimizer, settings, maxGradientNorm, gradient: wanted } = update;
  const { rates } = model.adapter!;
  const rate = (name: string) => rates?.get(name) ?? 1;
  const gradientNorm = tf.sqrt(tf.sum(tf.square(gradient)));
  const clipped = Number.isFinite(maxGradientNorm)
    ? tf.mul(gradient, tf.minimum(1, tf.div(maxGradientNorm, tf.add(gradientNorm, 1e-6))))
    : gradient;
  const numbers = optimizer.numbers(1, 1, settings).map((_, i) => x[`number${i}`]!);
  const [parameters, ...state] = optimizer.update(
    x.parameters as tf.Tensor1D,
    clipped as tf.Tensor1D,
    optimizer.state(settings).map((name) => x[name] as tf.Tensor1D),
    numbers,
    settings,
    // Matrices decay; norms and biases, which are vectors, do not.
    settings.weightDecay > 0
      ? byArray(model, (name, shape) => (shape.length > 1 ? rate(name) : 0))
      : undefined,
    rates && byArray(model, rate),
  );
  const named = Object.fromEntries(optimizer.state(settings).map((name, i) => [name, state[i]!]));
  return { gradientNorm, parameters: parameters!, ...named, ...(wanted && { gradient: clipped }) };
}

/** A vector as long as the parameters, of one value for each array. */
function byArray({ adapter }: LanguageModel, value: (name: string, shape: number[]) => number): tf.Tensor1D {
  const { parameters } = adapter!;
  const vector = new Float32Array(parameters.size);
  let offset = 0;
  for (const [name, { data, shape }] of parameters.entries()) {
    vector.fill(value(name, shape), offset, offset + data.length);
    offset += data.length;
  }
  return tf.tensor1d(vector);
}

/** One whole training step as a function: batch, parameters and state in; loss, gradient norm and new ones out. */
export function stepFunction(model: LanguageModel, of: Loss, settings: UpdateSettings) {
  return {
    fn: (x: Tensors): Tensors => {
      const { loss, gradient, metrics } = lossAndGradient(model, of, x);
      return { loss, ...update(model, gradient, x, settings), ...metrics };
    },
    inputs: { ...of.inputs, ...updateSpecs(model.trainableCount, settings), seed: SEED },
  };
}

/** The same, compiled; the optimizer's vectors are its state. */
export function stepProgram(
  model: LanguageModel,
  of: Loss,
  settings: UpdateSettings,
  options?: TraceOptions,
): Promise<Program> {
  const { fn, inputs } = stepFunction(model, of, settings);
  return trace(fn, inputs, { ...options, state: stateOf(settings) });
}

/** Loss and gradient of one batch, added to an earlier gradient; `share` is the batch's part of the step. */
export function gradientProgram(model: LanguageModel, of: Loss, options?: TraceOptions): Promise<Program> {
  const vector: InputSpec = { shape: [model.trainableCount], dtype: "float32" };
  return trace(
    (x) => {
      const { loss, gradient, metrics } = lossAndGradient(model, of, x);
      return { loss, gradient: tf.add(x.earlier!, gradient), ...metrics };
    },
    { ...of.inputs, parameters: vector, earlier: vector, seed: SEED, share: NUMBER },
    options,
  );
}

/** The optimizer's step alone, for gradients accumulated over several batches; its vectors are the program's state. */
export function updateProgram(
  model: LanguageModel,
  settings: UpdateSettings,
  options?: TraceOptions,
): Promise<Program> {
  const size = model.trainableCount;
  return trace(
    (x) => update(model, x.gradient as tf.Tensor1D, x, settings),
    { ...updateSpecs(size, settings), gradient: { shape: [size], dtype: "float32" } },
    { ...options, state: stateOf(settings) },
  );
}

/** The loss and the metrics of one batch, without training. @param key of the loss among all of this model */
export async function measureLoss(
  model: LanguageModel,
  key: string,
  { inputs: specs, compute }: Loss,
  inputs: Record<string, TypedArray>,
  options?: TraceOptions,
): Promise<Record<string, number> & { loss: number }> {
  const out = await model.run(`loss ${key}`, compute, specs, inputs, options);
  const values = Object.entries(out).map(([name, { data }]) => [name, data[0]!]);
  return Object.fromEntries(values) as Record<string, number> & { loss: number };
}
