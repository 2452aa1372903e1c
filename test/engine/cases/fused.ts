/** The engine's own operators, each beside the tfjs chain that defines it. */
import * as tf from "@tensorflow/tfjs";
import {
  crossEntropy,
  matMul4bit,
  matMulInt4,
  rmsNorm,
  rotate,
  softmaxAttention,
  swiglu,
} from "../../../src/engine";
import {
  dequantize4bit,
  dequantizeInt4,
  type Quantized4bit,
  quantize4bit,
  quantizeInt4,
} from "../../../src/quantize";
import type { Case, Draw, Sample } from "../check";

interface Definition {
  name: string;
  inputs: (d: Draw) => Sample["inputs"];
  operator: (...inputs: any[]) => tf.Tensor;
  chain: (...inputs: any[]) => tf.Tensor;
}

/** Tables of a rotation: equal halves in cos, opposite ones in sin. Constant, as a model has them, or computed. */
const angles = (seq: number, half: number) => Float32Array.from({ length: seq * half }, (_, i) => i / 3);
function tables(seq: number, half: number): [tf.Tensor4D, tf.Tensor4D] {
  const table = (f: (angle: number) => number, sign: number) => {
    const rows = angles(seq, half);
    const data = Float32Array.from({ length: seq * half * 2 }, (_, i) => {
      const [row, column] = [Math.floor(i / (2 * half)), i % (2 * half)];
      return (column < half ? sign : 1) * f(rows[row * half + (column % half)]!);
    });
    return tf.tensor4d(data, [1, 1, seq, 2 * half]);
  };
  return [table(Math.cos, 1), table(Math.sin, -1)];
}
const rotateBy = (x: tf.Tensor4D, cos: tf.Tensor4D, sin: tf.Tensor4D) => {
  const [first, second] = tf.split(x, 2, 3);
  return tf.add(tf.mul(x, cos), tf.mul(tf.concat([second!, first!], 3), sin));
};

/** A mask that lets a row see the keys up to its own. */
const causal = (rows: number) =>
  tf.tensor(
    Float32Array.from({ length: rows * rows }, (_, i) => (i % rows > Math.floor(i / rows) ? -1e9 : 0)),
    [rows, rows],
  );

/** A 4-bit matrix for inputs of this width; also with an odd number of elements, and blocks that go over rows' ends. */
function matrix4bit(width: number, type: Quantized4bit["type"], doubleQuantization: boolean): Quantized4bit {
  const shape = [2 * width + 1, width];
  const data = Float32Array.from({ length: shape[0]! * width }, (_, i) => Math.sin(i * i));
  return quantize4bit({ data, shape }, { type, blockSize: 32, doubleQuantization });
}
const product4bit = (type: Quantized4bit["type"], doubleQuantization: boolean): Definition => ({
  name: `matMul4bit of ${type}${doubleQuantization ? ", double quantization" : ""}`,
  // The GPU has other shaders for 16 rows and more, and for widths that four divides.
  inputs: (d) => [d.floats([d.pick(1, 3, 20), d.pick(3, 4, 7, 16)])],
  operator: (x) => matMul4bit(x, matrix4bit(x.shape[1], type, doubleQuantization)),
  chain: (x) => {
    const w = dequantize4bit(matrix4bit(x.shape[1], type, doubleQuantization));
    return tf.matMul(x, tf.tensor(w.data, w.shape), false, true);
  },
});

/** A matrix of integers for inputs of this width, some of whose groups are far from zero. */
function matrixInt4(width: number, groupSize: number) {
  const shape = [9, width];
  const data = Float32Array.from(
    { length: shape[0]! * width },
    (_, i) => Math.sin(i * i) + (i % 3 === 0 ? 1 : 0),
  );
  return quantizeInt4({ data, shape }, groupSize);
}
const productInt4 = (groupSize: number): Definition => ({
  name: `matMulInt4 in groups of ${groupSize}`,
  inputs: (d) => [d.floats([d.pick(1, 3, 20), groupSize * d.pick(1, 2, 3)])],
  operator: (x) => matMulInt4(x, matrixInt4(x.shape[1], groupSize)),
  chain: (x) => {
    const w = dequantizeInt4(matrixInt4(x.shape[1], groupSize));
    return tf.matMul(x, tf.tensor(w.data, w.shape), false, true);
  },
});

export const definitions: Definition[] = [
  productInt4(16),
  productInt4(32),
  product4bit("nf4", false),
  product4bit("fp4", false),
  product4bit("nf4", true),
  {
    name: "rmsNorm",
    inputs: (d) => {
      const shape = d.shape(2, 4);
      return [d.floats(shape, 0.5, 4), d.floats(shape.slice(-1))];
    },
    operator: (x, w) => rmsNorm(x, w, 1e-5),
    chain: (x, w) => tf.mul(tf.div(x, tf.sqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5))), w),
  },
  {
    name: "crossEntropy",
    inputs: (d) => {
      const [n, classes] = [d.int(1, 5), d.int(2, 7)];
      return [d.floats([n, classes], -8, 8), d.ints([n], 0, classes - 1)];
    },
    operator: crossEntropy,
    chain: (z, targets) =>
      tf.neg(tf.sum(tf.mul(tf.logSoftmax(z, 1), tf.oneHot(targets, z.shape[1], 1, 0, "float32")), 1)),
  },
  {
    name: "rotate",
    inputs: (d) => [d.floats([d.int(1, 2), d.int(1, 3), d.int(1, 4), 2 * d.int(1, 3)])],
    operator: (x) => rotate(x, ...tables(x.shape[2], x.shape[3] / 2)),
    chain: (x) => rotateBy(x, ...tables(x.shape[2], x.shape[3] / 2)),
  },
  {
    name: "rotate by computed angles",
    inputs: (d) => {
      const [seq, half] = [d.int(1, 4), d.int(1, 3)];
      return [d.floats([2, d.int(1, 3), seq, 2 * half]), d.ints([2, 1, seq, half], 0, 9)];
    },
    operator: (x, n) => rotate(x, ...computed(n)),
    chain: (x, n) => rotateBy(x, ...computed(n)),
  },
  {
    name: "swiglu",
    inputs: (d) => {
      const shape = d.shape(2, 2);
      return [d.floats(shape), d.floats(shape)];
    },
    operator: swiglu,
    chain: (gate, up) => tf.mul(tf.mul(gate, tf.sigmoid(gate)), up),
  },
  {
    name: "softmaxAttention",
    inputs: (d) => {
      const [batch, heads, groups, seq, width] = [
        d.int(1, 2),
        d.int(1, 2),
        d.int(1, 2),
        d.int(1, 4),
        d.int(1, 4),
      ];
      const shape = [batch, heads, seq, width];
      return [
        d.floats([batch, heads, groups * seq, width], -2, 2),
        d.floats(shape, -2, 2),
        d.floats(shape, -2, 2),
      ];
    },
    operator: (q, k, v) => softmaxAttention(q, k, v, causal(k.shape[2])),
    chain: (q, k, v) => {
      const [batch, heads, rows] = q.shape;
      const seq = k.shape[2];
      const scores = tf.reshape(tf.matMul(q, k, false, true), [batch, heads, rows / seq, seq, seq]);
      const p = tf.softmax(tf.add(scores, causal(seq)));
      return tf.matMul(tf.reshape(p, [batch, heads, rows, seq]), v);
    },
  },
];

function computed(n: tf.Tensor): [tf.Tensor4D, tf.Tensor4D] {
  const turns = tf.cast(n, "float32");
  const [cos, sin] = [tf.cos(turns), tf.sin(turns)];
  return [tf.concat([cos, cos], 3) as tf.Tensor4D, tf.concat([tf.neg(sin), sin], 3) as tf.Tensor4D];
}

export const fusedCases: Case[] = definitions.map(({ name, inputs, operator }) => ({
  name,
  draw: (d) => ({ inputs: inputs(d), f: operator }),
}));
