/** A training step of a small decoder, from token ids to updated weights, as one case: what all the others are for. */
import * as tf from "@tensorflow/tfjs";
import { crossEntropy, Random, rmsNorm, rotate, softmaxAttention, swiglu } from "../../../src/engine";
import type { Case } from "../check";

const [BATCH, LENGTH, WIDTH, HEADS, HIDDEN, WORDS] = [2, 5, 8, 2, 12, 11];
const HEAD = WIDTH / HEADS;
const shapes = {
  embedding: [WORDS, WIDTH],
  norm: [WIDTH],
  query: [WIDTH, WIDTH],
  key: [WIDTH, WIDTH],
  value: [WIDTH, WIDTH],
  out: [WIDTH, WIDTH],
  gate: [WIDTH, HIDDEN],
  up: [WIDTH, HIDDEN],
  down: [HIDDEN, WIDTH],
};
type Weights = Record<keyof typeof shapes, tf.Tensor>;
const names = Object.keys(shapes) as (keyof typeof shapes)[];
const sizes = names.map((name) => tf.util.sizeFromShape(shapes[name]));
const total = sizes.reduce((a, b) => a + b, 0);

const linear = (x: tf.Tensor, w: tf.Tensor) =>
  tf.reshape(tf.matMul(tf.reshape(x, [BATCH * LENGTH, x.shape[2]!]), w), [BATCH, LENGTH, w.shape[1]!]);
const heads = (x: tf.Tensor) =>
  tf.transpose(tf.reshape(x, [BATCH, LENGTH, HEADS, HEAD]), [0, 2, 1, 3]) as tf.Tensor4D;

/** cos and sin of position · frequency, both halves of a head alike but for the sign of sin. */
function angles(): [tf.Tensor4D, tf.Tensor4D] {
  const table = (f: (angle: number) => number, sign: number) =>
    Float32Array.from({ length: LENGTH * HEAD }, (_, i) => {
      const [position, column] = [Math.floor(i / HEAD), i % HEAD];
      return (column < HEAD / 2 ? sign : 1) * f(position / 10 ** (column % (HEAD / 2)));
    });
  const shape: [number, number, number, number] = [1, 1, LENGTH, HEAD];
  return [tf.tensor4d(table(Math.cos, 1), shape), tf.tensor4d(table(Math.sin, -1), shape)];
}

function attention(x: tf.Tensor, w: Weights): tf.Tensor {
  const [cos, sin] = angles();
  const [q, k] = [rotate(heads(linear(x, w.query)), cos, sin), rotate(heads(linear(x, w.key)), cos, sin)];
  const past = tf.cast(tf.linalg.bandPart(tf.ones([LENGTH, LENGTH]), -1, 0), "bool");
  const mask = tf.where(past, 0, -1e9);
  const mixed = softmaxAttention(tf.mul(q, 1 / Math.sqrt(HEAD)), k, heads(linear(x, w.value)), mask);
  return linear(tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [BATCH, LENGTH, WIDTH]), w.out);
}

/** Mean cross-entropy over the positions whose target is not negative. */
function loss(w: Weights, ids: tf.Tensor, targets: tf.Tensor, random: Random): tf.Scalar {
  let x: tf.Tensor = tf.gather(w.embedding, ids);
  const norm = w.norm as tf.Tensor1D;
  x = tf.add(x, random.dropout(attention(rmsNorm(x, norm, 1e-5), w), 0.2));
  const h = tf.reshape(rmsNorm(x, norm, 1e-5), [BATCH * LENGTH, WIDTH]) as tf.Tensor2D;
  const hidden = swiglu(tf.matMul(h, w.gate as tf.Tensor2D), tf.matMul(h, w.up as tf.Tensor2D));
  x = tf.add(tf.reshape(x, [BATCH * LENGTH, WIDTH]), tf.matMul(hidden, w.down));
  const logits = tf.matMul(x, w.embedding, false, true) as tf.Tensor2D;
  const supervised = tf.cast(tf.greaterEqual(targets, 0), "float32");
  const each = crossEntropy(logits, tf.maximum(targets, tf.scalar(0, "int32")) as tf.Tensor1D);
  return tf.div(tf.sum(tf.mul(each, supervised)), tf.sum(supervised));
}

/** Adam on one flat vector, its gradient clipped to norm 1. */
function step(flat: any, m: any, v: any, ids: any, targets: any, seed: any): tf.Tensor[] {
  const leaves = tf
    .split(flat, sizes)
    .map((part: tf.Tensor, i: number) => tf.reshape(part, shapes[names[i]!]));
  const random = new Random(seed);
  const { value, grads } = tf.valueAndGrads((...parts) =>
    loss(Object.fromEntries(names.map((name, i) => [name, parts[i]])) as Weights, ids, targets, random),
  )(leaves);
  const gradient = tf.concat(grads.map((g) => tf.reshape(g, [-1])));
  const clipped = tf.mul(gradient, tf.minimum(1, tf.div(1, tf.norm(gradient))));
  const first = tf.add(tf.mul(m, 0.9), tf.mul(clipped, 0.1));
  const second = tf.add(tf.mul(v, 0.999), tf.mul(tf.square(clipped), 0.001));
  const update = tf.div(first, tf.add(tf.sqrt(second), 1e-8));
  return [value, gradient, tf.sub(flat, tf.mul(update, 0.01)), first, second];
}

export const transformerCases: Case[] = [
  {
    name: "a training step of a transformer",
    gradient: false,
    tolerance: 1e-4,
    samples: 1,
    draw: (d) => ({
      inputs: [
        d.floats([total], -0.5, 0.5),
        d.floats([total], -0.1, 0.1),
        d.floats([total], 0.01, 0.1),
        d.ints([BATCH, LENGTH], 0, WORDS - 1),
        d.ints([BATCH * LENGTH], -1, WORDS - 1),
        d.ints([2], 1, 30_000),
      ],
      f: step,
    }),
  },
];
