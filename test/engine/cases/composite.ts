/** What models, losses, metrics and optimizers make of the operators. */
import * as tf from "@tensorflow/tfjs";
import type { Case, Draw } from "../check";

const gelu = (x: tf.Tensor) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
const geluTanh = (x: tf.Tensor) => {
  const inner = tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1));
};
const silu = (x: tf.Tensor) => tf.mul(x, tf.sigmoid(x));
const layerNorm = (x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) => {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), weight), bias);
};

const activations: Case[] = Object.entries({ gelu, geluTanh, silu }).map(([name, f]) => ({
  name,
  draw: (d) => ({ inputs: [d.floats(d.shape())], f }),
}));

/**
 * Labels and predictions of one shape, and weights that broadcast to it. tfjs has gradients for the predictions only,
 * so the others are constants of the function.
 */
function labelled(d: Draw, loss: Loss): ReturnType<Case["draw"]> {
  const shape = d.shape(2, 2);
  const [labels, weights] = [d.ints(shape, 0, 1), d.floats([shape[0]!, 1], 0.25, 2)];
  const reduction = d.pick(Reduction.NONE, Reduction.MEAN, Reduction.SUM, Reduction.SUM_BY_NONZERO_WEIGHTS);
  const f = (predictions: tf.Tensor) =>
    loss(
      tf.tensor(Float32Array.from(labels.data), shape),
      predictions,
      tf.tensor(weights.data, weights.shape),
      reduction,
    );
  return { inputs: [d.floats(shape, 0.2, 0.8)], f };
}

const { losses, Reduction } = tf;
type Loss = (labels: any, predictions: any, weights: any, reduction: number) => tf.Tensor;
const lossFunctions: Record<string, Loss> = {
  absoluteDifference: losses.absoluteDifference,
  hingeLoss: losses.hingeLoss,
  huberLoss: (y, p, w, r) => losses.huberLoss(y, p, w, 0.5, r),
  logLoss: (y, p, w, r) => losses.logLoss(y, p, w, 1e-7, r),
  meanSquaredError: losses.meanSquaredError,
  sigmoidCrossEntropy: (y, p, w, r) => losses.sigmoidCrossEntropy(y, p, w, 0.1, r),
  cosineDistance: (y, p, w, r) => losses.cosineDistance(y, p, 1, w, r),
};

const lossCases: Case[] = [
  ...Object.entries(lossFunctions).map(
    ([name, loss]): Case => ({ name: `losses.${name}`, draw: (d) => labelled(d, loss) }),
  ),
  {
    name: "losses.softmaxCrossEntropy",
    draw: (d) => {
      const [n, classes] = [d.int(1, 4), d.int(2, 5)];
      return {
        inputs: [d.floats([n, classes], -5, 5), d.ints([n], 0, classes - 1)],
        f: (logits, targets) =>
          losses.softmaxCrossEntropy(tf.oneHot(targets, classes, 1, 0, "float32"), logits),
      };
    },
  },
  {
    name: "metrics",
    gradient: false,
    draw: (d) => {
      const shape = [d.int(1, 4), d.int(2, 4)];
      return {
        inputs: [d.floats(shape, 0.1, 0.9), d.floats(shape, 0.1, 0.9)],
        f: (y, p) => [
          tf.metrics.meanSquaredError(y, p),
          tf.metrics.meanAbsoluteError(y, p),
          tf.metrics.cosineProximity(y, p),
          tf.metrics.categoricalAccuracy(y, p),
          tf.metrics.categoricalCrossentropy(y, p),
          tf.metrics.binaryCrossentropy(y, p),
        ],
      };
    },
  },
];

const optimizers: Record<string, () => tf.Optimizer> = {
  sgd: () => tf.train.sgd(0.1),
  momentum: () => tf.train.momentum(0.1, 0.9, true),
  adagrad: () => tf.train.adagrad(0.1),
  adadelta: () => tf.train.adadelta(0.1),
  rmsprop: () => tf.train.rmsprop(0.1, 0.9, 0.5, 1e-7, true),
  adam: () => tf.train.adam(0.1),
  adamax: () => tf.train.adamax(0.1),
};

const optimizerCases: Case[] = Object.entries(optimizers).map(([name, create]) => ({
  name: `two steps of train.${name}`,
  gradient: false,
  // An optimizer divides by the root of the squares of small numbers.
  tolerance: 1e-4,
  draw: (d) => {
    const shape = d.shape(1, 2);
    return {
      inputs: [d.floats(shape), d.floats(shape)],
      f: (start, target) => {
        const variable = tf.variable(start);
        const optimizer = create();
        const loss = () => tf.sum(tf.squaredDifference(variable, target)) as tf.Scalar;
        optimizer.minimize(loss, false, [variable]);
        optimizer.minimize(loss, false, [variable]);
        const result = tf.clone(variable as tf.Tensor);
        optimizer.dispose();
        variable.dispose();
        return result;
      },
    };
  },
}));

const models: Case[] = [
  {
    name: "layerNorm",
    draw: (d) => {
      const shape = d.shape(2);
      shape[shape.length - 1] = d.int(2, 5);
      const last = shape.slice(-1);
      return { inputs: [d.floats(shape), d.floats(last), d.floats(last)], f: layerNorm };
    },
    // A row of almost equal elements has almost no variance to divide by.
    tolerance: 2e-3,
  },
  {
    name: "causal attention",
    draw: (d) => {
      const [batch, heads, n, width] = [d.int(1, 2), d.int(1, 2), d.int(2, 5), d.int(1, 4)];
      const shape = [batch, heads, n, width];
      return {
        inputs: [d.floats(shape, -2, 2), d.floats(shape, -2, 2), d.floats(shape, -2, 2)],
        f: (q, k, v) => {
          const past = tf.cast(tf.linalg.bandPart(tf.ones([n, n]), -1, 0), "bool");
          const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(width));
          return tf.matMul(tf.softmax(tf.where(past, scores, -1e9)), v);
        },
      };
    },
  },
  {
    name: "an embedding trained through gather",
    draw: (d) => {
      const [words, width, n] = [d.int(2, 5), d.int(1, 4), d.int(1, 6)];
      return {
        inputs: [d.floats([words, width]), d.ints([2, n], 0, words - 1)],
        f: (table, ids) => tf.matMul(tf.reshape(tf.gather(table, ids), [2 * n, width]), table, false, true),
      };
    },
  },
  {
    name: "a second derivative",
    draw: (d) => ({
      inputs: [d.floats(d.shape(), -2, 2)],
      f: (x) => tf.grad((t: tf.Tensor) => tf.mul(tf.sin(t), tf.tanh(t)))(x),
    }),
  },
  {
    // tfjs draws in JavaScript: traced, the mask of this seed is a constant. `Random` of the engine draws at every run.
    name: "dropout with a given seed",
    draw: (d) => ({ inputs: [d.floats([4, 5])], f: (x) => tf.dropout(x, 0.5, undefined, 3) }),
  },
  {
    name: "clipping by the global norm",
    draw: (d) => {
      const shape = d.shape(1, 2);
      return {
        inputs: [d.floats(shape, 1, 4), d.floats([3], 1, 4)],
        f: (a, b) => {
          const norm = tf.sqrt(tf.add(tf.sum(tf.square(a)), tf.sum(tf.square(b))));
          const scale = tf.minimum(tf.div(1, tf.add(norm, 1e-6)), 1) as tf.Scalar;
          return [tf.mul(a, scale), tf.mul(b, scale)];
        },
      };
    },
  },
];

export const compositeCases: Case[] = [...activations, ...lossCases, ...optimizerCases, ...models];
