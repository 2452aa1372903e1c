/** Reductions, scans, softmax, sorting, matrix products. */
import * as tf from "@tensorflow/tfjs";
import type { Case, Draw } from "../check";

type Reduction = (x: any, axis?: number[], keepDims?: boolean) => tf.Tensor;

const ofFloats: [string, Reduction][] = [
  ["sum", tf.sum],
  ["mean", tf.mean],
  ["max", tf.max],
  ["min", tf.min],
  ["logSumExp", tf.logSumExp],
];
const ofIntegers: [string, Reduction][] = [
  ["sum", tf.sum],
  ["mean", tf.mean],
  ["max", tf.max],
  ["min", tf.min],
  ["prod", tf.prod],
];

const over =
  (f: Reduction, inputs: (d: Draw, shape: number[]) => ReturnType<Draw["floats"]>) => (d: Draw) => {
    const shape = d.shape();
    const [axes, keepDims] = [d.axes(shape.length), d.bool()];
    return { inputs: [inputs(d, shape)], f: (x: tf.Tensor) => f(x, axes, keepDims) };
  };

const reductions: Case[] = [
  ...ofFloats.map(([name, f]): Case => ({ name, draw: over(f, (d, shape) => d.floats(shape)) })),
  ...ofIntegers.map(
    ([name, f]): Case => ({
      name: `${name} of int32`,
      gradient: false,
      draw: over(f, (d, shape) => d.ints(shape, -2, 2)),
    }),
  ),
  { name: "sum of bool", gradient: false, draw: over(tf.sum, (d, shape) => d.bools(shape)) },
  { name: "all", gradient: false, draw: over(tf.all, (d, shape) => d.bools(shape)) },
  { name: "any", gradient: false, draw: over(tf.any, (d, shape) => d.bools(shape)) },
  // Of all axes, as tfjs's gradient asks for; without zeros, where it divides.
  { name: "prod", draw: (d) => ({ inputs: [d.floats(d.shape(1), 0.5, 2)], f: (x) => tf.prod(x) }) },
  {
    name: "prod along axes",
    gradient: false,
    draw: over(tf.prod, (d, shape) => d.floats(shape, 0.5, 2)),
  },
  {
    name: "moments",
    draw: (d) => {
      const shape = d.shape(1);
      const [axes, keepDims] = [d.axes(shape.length), d.bool()];
      return {
        inputs: [d.floats(shape)],
        f: (x) => {
          const { mean, variance } = tf.moments(x, axes, keepDims);
          return [mean, variance];
        },
      };
    },
  },
  {
    name: "norm",
    draw: (d) => {
      const shape = d.shape(2, 2);
      const kind = d.pick<number | "euclidean">(1, 2, "euclidean");
      const axis = d.axis(2);
      return { inputs: [d.floats(shape, 0.5, 3)], f: (x) => [tf.norm(x), tf.norm(x, kind, axis)] };
    },
  },
  ...Object.entries({ argMax: tf.argMax, argMin: tf.argMin }).map(
    ([name, arg]): Case => ({
      name,
      gradient: false,
      draw: (d) => {
        const shape = d.shape(1);
        const axis = d.axis(shape.length);
        const x = d.bool() ? d.ints(shape, -2, 2) : d.floats(shape);
        return { inputs: [x], f: (t) => arg(t, axis) };
      },
    }),
  ),
  ...Object.entries({ cumsum: tf.cumsum, cumprod: tf.cumprod }).map(
    ([name, scan]): Case => ({
      name,
      gradient: name === "cumsum",
      draw: (d) => {
        const shape = d.shape(1);
        // tfjs's gradient along another axis than the last has its axes exchanged.
        const [axis, exclusive, reverse] = [shape.length - 1, d.bool(), d.bool()];
        const f = (x: tf.Tensor) => scan(x, axis, exclusive, reverse);
        return { inputs: [d.floats(shape, -2, 2), d.ints(shape, -2, 2)], f: (x, y) => [f(x), f(y)] };
      },
    }),
  ),
  {
    name: "cumsum and cumprod along any axis",
    gradient: false,
    draw: (d) => {
      const shape = d.shape(1);
      const axis = d.int(0, shape.length - 1);
      return { inputs: [d.floats(shape, -2, 2)], f: (x) => [tf.cumsum(x, axis), tf.cumprod(x, axis)] };
    },
  },
  { name: "softmax", draw: (d) => ({ inputs: [d.floats(d.shape(1), -8, 8)], f: (x) => tf.softmax(x) }) },
  { name: "softmax of -Infinity", gradient: false, draw: masked },
  {
    name: "logSoftmax",
    draw: (d) => {
      const shape = d.shape(1);
      const axis = d.pick(-1, shape.length - 1);
      return { inputs: [d.floats(shape, -8, 8)], f: (x) => tf.logSoftmax(x, axis) };
    },
  },
  {
    name: "topk",
    gradient: false,
    draw: (d) => {
      const shape = [...d.shape(0, 3), d.int(1, 7)];
      const k = d.int(1, shape.at(-1)!);
      // Whole numbers repeat: the lower index has to come first.
      const whole = d.ints(shape, -3, 3);
      const f = (x: tf.Tensor) => {
        const { values, indices } = tf.topk(x, k);
        return [values, indices];
      };
      return { inputs: [d.floats(shape), whole], f: (x, y) => [...f(x), ...f(y)] };
    },
  },
];

/** The rows of attention scores with future positions masked out; each keeps at least one. */
function masked(d: Draw) {
  const n = d.int(1, 5);
  const f = (x: tf.Tensor) =>
    tf.softmax(tf.where(tf.linalg.bandPart(tf.ones([n, n]), -1, 0).cast("bool"), x, -Infinity));
  return { inputs: [d.floats([2, n, n])], f };
}

/** Operands of a product, either of them transposed. */
function operands(d: Draw, batchA: number[], batchB: number[]) {
  const [m, k, n, ta, tb] = [d.int(1, 5), d.int(1, 5), d.int(1, 5), d.bool(), d.bool()];
  const a = [...batchA, ...(ta ? [k, m] : [m, k])];
  const b = [...batchB, ...(tb ? [n, k] : [k, n])];
  return { a, b, ta, tb };
}

const products: Case[] = [
  {
    name: "matMul",
    draw: (d) => {
      const batch = d.shape(0, 2);
      const { a, b, ta, tb } = operands(d, batch, batch);
      return { inputs: [d.floats(a, -2, 2), d.floats(b, -2, 2)], f: (x, y) => tf.matMul(x, y, ta, tb) };
    },
  },
  {
    // tfjs's gradient does not add up over the batches that broadcasting repeated.
    name: "matMul with a broadcast batch",
    gradient: false,
    draw: (d) => {
      const [batchA, batchB] = d.pair();
      const { a, b, ta, tb } = operands(d, batchA.slice(-2), batchB.slice(-2));
      return { inputs: [d.floats(a, -2, 2), d.floats(b, -2, 2)], f: (x, y) => tf.matMul(x, y, ta, tb) };
    },
  },
  {
    name: "matMul of int32",
    gradient: false,
    draw: (d) => {
      const { a, b, ta, tb } = operands(d, [], []);
      return { inputs: [d.ints(a), d.ints(b)], f: (x, y) => tf.matMul(x, y, ta, tb) };
    },
  },
  {
    name: "fused.matMul",
    draw: (d) => {
      const { a, b, ta, tb } = operands(d, [], []);
      const n = tb ? b[0]! : b[1]!;
      const activation = d.pick("linear", "relu", "relu6", "elu", "sigmoid") as "relu";
      return {
        inputs: [d.floats(a, -2, 2), d.floats(b, -2, 2), d.floats([n])],
        f: (x, y, bias) => tf.fused.matMul({ a: x, b: y, transposeA: ta, transposeB: tb, bias, activation }),
      };
    },
  },
  {
    name: "fused.matMul with leakyrelu and prelu",
    gradient: false,
    draw: (d) => {
      const { a, b, ta, tb } = operands(d, [], []);
      const common = { transposeA: ta, transposeB: tb };
      return {
        inputs: [d.floats(a, -2, 2), d.floats(b, -2, 2), d.floats([])],
        f: (x, y, weights) => [
          tf.fused.matMul({ a: x, b: y, ...common, activation: "leakyrelu", leakyreluAlpha: 0.3 }),
          tf.fused.matMul({ a: x, b: y, ...common, activation: "prelu", preluActivationWeights: weights }),
        ],
      };
    },
  },
  {
    // tfjs has no gradient of Einsum.
    name: "einsum",
    gradient: false,
    draw: (d) => {
      const size: Record<string, number> = { b: d.int(1, 3), i: d.int(1, 4), j: d.int(1, 4), k: d.int(1, 4) };
      const equation = d.pick("ij,jk->ik", "bij,bjk->bik", "bij,kj->bik", "ij->ji", "bij,bij->bi", "i,j->ij");
      const inputs = equation
        .split("->")[0]!
        .split(",")
        .map((term) =>
          d.floats(
            [...term].map((axis) => size[axis]!),
            -2,
            2,
          ),
        );
      return { inputs, f: (...xs) => tf.einsum(equation, ...xs) };
    },
  },
  {
    name: "dot and outerProduct",
    draw: (d) => {
      const n = d.int(1, 5);
      return { inputs: [d.floats([n]), d.floats([n])], f: (a, b) => [tf.dot(a, b), tf.outerProduct(a, b)] };
    },
  },
];

export const reduceCases: Case[] = [...reductions, ...products];
