/** Element-wise operators of one and two inputs, comparisons, logic, choice. */
import * as tf from "@tensorflow/tfjs";
import type { Case, Draw } from "../check";

type Unary = (x: any) => tf.Tensor;

/** Functions of floats, each with the interval on which it is smooth and moderate. */
const smooth: [string, Unary, number, number][] = [
  ["acos", tf.acos, -0.9, 0.9],
  ["acosh", tf.acosh, 1.1, 5],
  ["asin", tf.asin, -0.9, 0.9],
  ["asinh", tf.asinh, -3, 3],
  ["atan", tf.atan, -3, 3],
  ["atanh", tf.atanh, -0.9, 0.9],
  ["cos", tf.cos, -3, 3],
  ["cosh", tf.cosh, -3, 3],
  ["elu", tf.elu, -4, 4],
  ["erf", tf.erf, -3, 3],
  ["exp", tf.exp, -4, 4],
  ["expm1", tf.expm1, -2, 2],
  ["leakyRelu", (x) => tf.leakyRelu(x, 0.1), -4, 4],
  ["log", tf.log, 0.1, 5],
  ["log1p", tf.log1p, -0.8, 5],
  ["logSigmoid", tf.logSigmoid, -4, 4],
  ["reciprocal", tf.reciprocal, 0.3, 4],
  ["rsqrt", tf.rsqrt, 0.3, 4],
  ["selu", tf.selu, -4, 4],
  ["sigmoid", tf.sigmoid, -6, 6],
  ["sin", tf.sin, -3, 3],
  ["sinh", tf.sinh, -3, 3],
  ["softplus", tf.softplus, -6, 6],
  ["sqrt", tf.sqrt, 0.1, 4],
  ["tan", tf.tan, -1.2, 1.2],
  ["tanh", tf.tanh, -3, 3],
];

/** Functions that are exact, or defined, for every float. */
const everywhere: [string, Unary][] = [
  ["abs", tf.abs],
  ["ceil", tf.ceil],
  ["clipByValue", (x) => tf.clipByValue(x, -1.5, 2)],
  ["clone", (x) => tf.clone(x)],
  ["floor", tf.floor],
  ["isFinite", tf.isFinite],
  ["isInf", tf.isInf],
  ["isNaN", tf.isNaN],
  ["neg", tf.neg],
  ["onesLike", tf.onesLike],
  ["relu", tf.relu],
  ["relu6", tf.relu6],
  ["round", tf.round],
  ["square", tf.square],
  ["zerosLike", tf.zerosLike],
];

const integers: [string, Unary][] = [
  ["abs", tf.abs],
  ["clipByValue", (x) => tf.clipByValue(x, -3, 4)],
  ["exp", tf.exp],
  ["neg", tf.neg],
  ["onesLike", tf.onesLike],
  ["relu", tf.relu],
  ["relu6", tf.relu6],
  ["round", tf.round],
  ["sign", tf.sign],
  ["square", tf.square],
  ["step", tf.step],
  ["zerosLike", tf.zerosLike],
];

const unary: Case[] = [
  ...smooth.map(
    ([name, f, min, max]): Case => ({ name, draw: (d) => ({ inputs: [d.floats(d.shape(), min, max)], f }) }),
  ),
  ...everywhere.flatMap(([name, f]): Case[] => [
    { name, draw: (d) => ({ inputs: [d.floats(d.shape())], f }) },
    // tfjs's step(NaN) is NaN; ours, a comparison, is 0. The gradients of abs and relu inherit that.
    {
      name: `${name} of special values`,
      gradient: false,
      draw: (d) => ({ inputs: [d.special(d.shape())], f }),
    },
  ]),
  ...integers.map(
    ([name, f]): Case => ({
      name: `${name} of int32`,
      gradient: false,
      draw: (d) => ({ inputs: [d.ints(d.shape())], f }),
    }),
  ),
  { name: "sign", draw: (d) => ({ inputs: [d.floats(d.shape())], f: tf.sign }) },
  {
    name: "step",
    draw: (d) => {
      const slope = d.pick(0, 0.5);
      return { inputs: [d.floats(d.shape())], f: (x) => tf.step(x, slope) };
    },
  },
  {
    name: "cast",
    draw: (d) => {
      const to = d.pick("float32", "int32", "bool") as "float32";
      return { inputs: [d.anything(d.shape())], f: (x) => tf.cast(x, to) };
    },
  },
  { name: "logicalNot", draw: (d) => ({ inputs: [d.bools(d.shape())], f: tf.logicalNot }) },
  {
    name: "prelu",
    draw: (d) => {
      const shape = d.shape();
      return { inputs: [d.floats(shape), d.floats(d.narrower(shape))], f: tf.prelu };
    },
  },
];

type Binary = (a: any, b: any) => tf.Tensor;
const floats = (d: Draw) => d.pair().map((shape) => d.floats(shape));
/** tfjs's gradients of some operators do not add up what broadcasting repeated. */
const alike = (d: Draw) => {
  const shape = d.shape();
  return [d.floats(shape), d.floats(shape)];
};
const positive = (d: Draw) => d.pair().map((shape) => d.floats(shape, 0.3, 3));

const arithmetic: [string, Binary, (d: Draw) => ReturnType<Draw["floats"]>[]][] = [
  ["add", tf.add, floats],
  ["sub", tf.sub, floats],
  ["mul", tf.mul, floats],
  ["maximum", tf.maximum, alike],
  ["minimum", tf.minimum, alike],
  ["squaredDifference", tf.squaredDifference, alike],
  ["div", tf.div, (d) => [d.floats(d.pair()[0]), d.floats([], 0.3, 3)]],
  ["div with broadcast", tf.div, positive],
  ["pow", tf.pow, positive],
  ["atan2", tf.atan2, positive],
];

const specials = (d: Draw) => d.pair().map((shape) => d.special(shape));
const ints = (d: Draw) => d.pair().map((shape) => d.ints(shape));
const bools = (d: Draw) => d.pair().map((shape) => d.bools(shape));
/** Whole quotients are exact on every device; elsewhere a rounded quotient decides. */
const dividends = (d: Draw) => {
  const [a, b] = d.pair();
  const divisor = d.ints(b, 1, 4);
  const data = Float32Array.from(divisor.data, (n) => (d.device === "cpu" && n > 2 ? -n : n));
  return [d.floats(a, -9, 9), { ...divisor, data, dtype: "float32" as const }];
};
const divisors = (d: Draw) => {
  const [a, b] = d.pair();
  const divisor = d.bool() ? d.ints(b, 1, 5) : d.ints(b, -5, -1);
  return [d.ints(a, -20, 20), divisor];
};

const discrete: [string, Binary, (d: Draw) => ReturnType<Draw["floats"]>[]][] = [
  ["squaredDifference with broadcast", tf.squaredDifference, floats],
  ["add of special values", tf.add, specials],
  ["mul of special values", tf.mul, specials],
  ["div of special values", tf.div, specials],
  ["maximum of special values", tf.maximum, specials],
  ["minimum of special values", tf.minimum, specials],
  ["equal", tf.equal, specials],
  ["notEqual", tf.notEqual, specials],
  ["less", tf.less, specials],
  ["lessEqual", tf.lessEqual, specials],
  ["greater", tf.greater, specials],
  ["greaterEqual", tf.greaterEqual, specials],
  ["add of int32", tf.add, ints],
  ["sub of int32", tf.sub, ints],
  ["mul of int32", tf.mul, ints],
  ["div of int32", tf.div, divisors],
  ["floorDiv of int32", tf.floorDiv, divisors],
  ["mod of int32", tf.mod, divisors],
  ["mod of int32 by a constant", (a) => tf.mod(a, tf.scalar(-3, "int32")), (d) => [d.ints(d.shape())]],
  ["pow of int32", tf.pow, (d) => [d.ints(d.shape(), -4, 4), d.ints([], 0, 3)]],
  [
    "pow of a negative base",
    tf.pow,
    (d) => [d.floats(d.shape()), { ...d.floats([]), data: Float32Array.of(d.int(0, 3)) }],
  ],
  ["maximum of int32", tf.maximum, ints],
  ["minimum of int32", tf.minimum, ints],
  ["squaredDifference of int32", tf.squaredDifference, ints],
  ["equal of int32", tf.equal, ints],
  ["notEqual of int32", tf.notEqual, ints],
  ["less of int32", tf.less, ints],
  ["greaterEqual of int32", tf.greaterEqual, ints],
  ["equal of bool", tf.equal, bools],
  ["notEqual of bool", tf.notEqual, bools],
  ["greater of bool", tf.greater, bools],
  ["lessEqual of bool", tf.lessEqual, bools],
  ["logicalAnd", tf.logicalAnd, bools],
  ["logicalOr", tf.logicalOr, bools],
  ["logicalXor", tf.logicalXor, bools],
  ["add of int32 and float32", tf.add, (d) => [d.ints(d.shape()), d.floats([])]],
  [
    "atan2 in every quadrant",
    tf.atan2,
    (d) =>
      [d.ints(d.shape()), d.ints([])].map((x) => ({
        ...x,
        data: Float32Array.from(x.data),
        dtype: "float32",
      })),
  ],
];

const binary: Case[] = [
  ...arithmetic.map(([name, f, inputs]): Case => ({ name, draw: (d) => ({ inputs: inputs(d), f }) })),
  ...discrete.map(
    ([name, f, inputs]): Case => ({ name, gradient: false, draw: (d) => ({ inputs: inputs(d), f }) }),
  ),
  { name: "mod", draw: (d) => ({ inputs: dividends(d), f: tf.mod }) },
  { name: "floorDiv", gradient: false, draw: (d) => ({ inputs: dividends(d), f: tf.floorDiv }) },
  {
    name: "addN",
    draw: (d) => {
      const shape = d.shape();
      const inputs = Array.from({ length: d.int(1, 4) }, () => d.floats(shape));
      return { inputs, f: (...xs) => tf.addN(xs) };
    },
  },
  {
    name: "where",
    draw: (d) => {
      const [a, b] = d.pair();
      const inputs = [d.bools(d.pick(a, b)), d.floats(a), d.floats(b)];
      return { inputs, f: (condition, x, y) => tf.where(condition, x, y) };
    },
  },
  {
    name: "where of int32 and bool",
    gradient: false,
    draw: (d) => {
      const shape = d.shape();
      const inputs = [d.bools(shape), d.ints(shape), d.ints([]), d.bools(shape), d.bools([])];
      return { inputs, f: (c, x, y, p, q) => [tf.where(c, x, y), tf.where(c, p, q)] };
    },
  },
  {
    name: "batchNorm",
    draw: (d) => {
      const shape = d.shape(2, 4);
      const channels = shape.slice(-1);
      const inputs = [
        d.floats(shape),
        d.floats(channels),
        d.floats(channels, 0.5, 2),
        d.floats(channels),
        d.floats(channels),
      ];
      return {
        inputs,
        f: (x, mean, variance, offset, scale) => tf.batchNorm(x, mean, variance, offset, scale, 1e-3),
      };
    },
  },
];

export const elementwiseCases: Case[] = [...unary, ...binary];
