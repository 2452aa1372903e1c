/**
 * Optimizers on one flat vector of parameters. Each is a few element-wise operations; what changes from step to step
 * (learning rate, bias corrections) enters as numbers, so that one compiled program serves the whole run.
 */
import * as tf from "@tensorflow/tfjs";

export interface OptimizerSettings {
  /** Decay rates of Adam's first and second moments; `beta1` is SGD's momentum. */
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Decoupled weight decay, a fraction per unit of learning rate. */
  weightDecay: number;
}

export interface Optimizer {
  defaults: OptimizerSettings;
  /** Names of the state vectors that these settings need, each as long as the parameters and zero at the start. */
  state(settings: OptimizerSettings): readonly string[];
  /** The numbers that step `t` (from 1) needs, in the order in which `update` reads them. */
  numbers(t: number, learningRate: number, settings: OptimizerSettings): number[];
  /**
   * @param decay how much of the weight decay applies, [size]; absent without weight decay
   * @param rates factors of the learning rate, [size]; absent where it is one for all
   * @returns the new parameters followed by the new state
   */
  update(
    parameters: tf.Tensor1D,
    gradient: tf.Tensor1D,
    state: tf.Tensor1D[],
    numbers: tf.Tensor[],
    settings: OptimizerSettings,
    decay?: tf.Tensor1D,
    rates?: tf.Tensor1D,
  ): tf.Tensor1D[];
}

/** The exponential moving average β·old + (1 − β)·value. */
const average = (old: tf.Tensor1D, value: tf.Tensor1D, beta: number): tf.Tensor1D =>
  tf.add(tf.mul(old, beta), tf.mul(value, 1 - beta));

/**
 * AdamW (Loshchilov & Hutter, arXiv:1711.05101), as in PyTorch:
 *   θ ← θ·(1 − η·λ) − η·m̂ / (√v̂ + ε),   m̂ = m/(1 − β₁ᵗ),   v̂ = v/(1 − β₂ᵗ)
 */
export const adamw: Optimizer = {
  defaults: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  state: () => ["first", "second"],
  numbers: (t, learningRate, { beta1, beta2, weightDecay }) => [
    learningRate / (1 - beta1 ** t),
    1 / Math.sqrt(1 - beta2 ** t),
    learningRate * weightDecay,
  ],
  update(parameters, gradient, [first, second], [stepSize, rootCorrection, shrink], settings, decay, rates) {
    const m = average(first!, gradient, settings.beta1);
    const v = average(second!, tf.square(gradient), settings.beta2);
    const denominator = tf.add(tf.mul(tf.sqrt(v), rootCorrection!), settings.epsilon);
    const even = tf.div(tf.mul(m, stepSize!), denominator);
    const step = rates ? tf.mul(even, rates) : even;
    const shrunk = decay ? tf.sub(parameters, tf.mul(parameters, tf.mul(decay, shrink!))) : parameters;
    return [tf.sub(shrunk, step), m, v] as tf.Tensor1D[];
  },
};

/**
 * Stochastic gradient descent with PyTorch's momentum, u ← β·u + g, and AdamW's weight decay (PyTorch's SGD adds λ·θ to
 * the gradient instead):  θ ← θ·(1 − η·λ) − η·u
 * Without momentum u is the gradient, and nothing is kept from step to step.
 */
export const sgd: Optimizer = {
  defaults: { beta1: 0, beta2: 0, epsilon: 0, weightDecay: 0 },
  state: ({ beta1 }) => (beta1 > 0 ? ["velocity"] : []),
  numbers: (_t, learningRate, { weightDecay }) => [learningRate, learningRate * weightDecay],
  update(parameters, gradient, [velocity], [rate, shrink], settings, decay, rates) {
    const u = velocity ? tf.add(tf.mul(velocity, settings.beta1), gradient) : gradient;
    const shrunk = decay ? tf.sub(parameters, tf.mul(parameters, tf.mul(decay, shrink!))) : parameters;
    const step = tf.mul(rates ? tf.mul(u, rates) : u, rate!);
    return [tf.sub(shrunk, step), ...(velocity ? [u] : [])] as tf.Tensor1D[];
  },
};

export const OPTIMIZERS = { adamw, sgd };
export type OptimizerName = keyof typeof OPTIMIZERS;
