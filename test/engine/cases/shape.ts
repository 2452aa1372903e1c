/** Operators that rearrange, cut, join, fill and pad: on every dtype, as they only move elements. */
import * as tf from "@tensorflow/tfjs";
import type { Case, Draw } from "../check";

/** Where to cut an axis of length n. */
function range(d: Draw, n: number): [number, number] {
  const start = d.int(0, n - 1);
  return [start, d.int(1, n - start)];
}

export const shapeCases: Case[] = [
  {
    name: "reshape, flatten and squeeze",
    draw: (d) => {
      const shape = d.shape();
      const size = tf.util.sizeFromShape(shape);
      const to = d.permutation(shape.length).map((i) => shape[i]!);
      if (to.length > 0 && d.bool()) to[d.int(0, to.length - 1)] = -1;
      return {
        inputs: [d.anything(shape)],
        f: (x) => [tf.reshape(x, to), tf.reshape(x, [1, size]), tf.reshape(x, [-1]), tf.squeeze(x)],
      };
    },
  },
  {
    name: "expandDims",
    draw: (d) => {
      const shape = d.shape(0, 3);
      const axis = d.int(-shape.length - 1, shape.length);
      return { inputs: [d.anything(shape)], f: (x) => tf.expandDims(x, axis) };
    },
  },
  {
    name: "transpose",
    draw: (d) => {
      const shape = d.shape();
      const order = d.permutation(shape.length);
      return { inputs: [d.anything(shape)], f: (x) => tf.transpose(x, order) };
    },
  },
  {
    name: "transpose of a transpose",
    draw: (d) => {
      const shape = d.shape();
      const [p, q] = [d.permutation(shape.length), d.permutation(shape.length)];
      return { inputs: [d.floats(shape)], f: (x) => tf.transpose(tf.transpose(x, p), q) };
    },
  },
  {
    name: "concat",
    draw: (d) => {
      const shape = d.shape(1);
      const axis = d.axis(shape.length);
      const like = d.anything([]);
      const inputs = Array.from({ length: d.int(1, 3) }, () => {
        const own = [...shape];
        own[axis < 0 ? axis + own.length : axis] = d.int(1, 3);
        return like.dtype === "float32" ? d.floats(own) : like.dtype === "int32" ? d.ints(own) : d.bools(own);
      });
      return { inputs, f: (...xs) => tf.concat(xs, axis) };
    },
  },
  {
    name: "concat with an empty part",
    gradient: false,
    draw: (d) => {
      const n = d.int(1, 3);
      return {
        inputs: [d.floats([2, n])],
        f: (x) => tf.concat([x, tf.zeros([0, n]), x, tf.tensor2d([], [0, n])]),
      };
    },
  },
  {
    name: "tensors without elements",
    cpuOnly: true,
    gradient: false,
    draw: (d) => {
      const n = d.int(1, 3);
      return {
        inputs: [d.floats([2, n])],
        f: (x) => {
          const empty = tf.slice(x, [0, 0], [0, n]);
          return [
            tf.add(empty, 1),
            tf.sum(empty, 0),
            tf.max(empty, 1),
            tf.softmax(empty),
            tf.transpose(empty),
            tf.reshape(empty, [n, 0]),
            tf.matMul(empty, x, false, true),
            tf.matMul(tf.slice(x, [0, 0], [2, 0]), tf.zeros([0, 3])),
            tf.gather(x, tf.tensor1d([], "int32")),
            tf.where(tf.greater(empty, 0), empty, 1),
          ];
        },
      };
    },
  },
  {
    name: "stack and unstack",
    draw: (d) => {
      const shape = d.shape(1, 3);
      const [into, from] = [d.axis(shape.length + 1), d.axis(shape.length)];
      // tfjs has no gradient of a single piece.
      shape[from < 0 ? from + shape.length : from] = d.int(2, 4);
      return {
        inputs: [d.floats(shape), d.floats(shape)],
        f: (a, b) => [tf.stack([a, b], into), ...tf.unstack(a, from)],
      };
    },
  },
  {
    name: "stack and unstack of int32 and bool",
    gradient: false,
    draw: (d) => {
      const inputs = [d.ints([2, 3]), d.bools([2, 3])];
      return {
        inputs,
        f: (x, p) => [tf.stack([x, x], 1), tf.stack([p, p]), ...tf.unstack(x), ...tf.unstack(p, 1)],
      };
    },
  },
  {
    name: "split",
    draw: (d) => {
      const shape = d.shape(1);
      const axis = d.axis(shape.length);
      const at = axis < 0 ? axis + shape.length : axis;
      shape[at] = d.pick(2, 4, 6);
      // tfjs writes what −1 stands for into the array that it was given.
      const sizes = d.pick<() => number | number[]>(
        () => 2,
        () => [1, shape[at]! - 1],
        () => [1, -1],
        () => [shape[at]!],
      );
      return { inputs: [d.anything(shape)], f: (x) => tf.split(x, sizes(), axis) };
    },
  },
  {
    name: "slice",
    draw: (d) => {
      const shape = d.shape(1);
      const ranges = shape.map((n) => range(d, n));
      const [begin, size] = [ranges.map((r) => r[0]), ranges.map((r) => (d.int(0, 3) === 0 ? -1 : r[1]))];
      return { inputs: [d.anything(shape)], f: (x) => tf.slice(x, begin, size) };
    },
  },
  {
    // tfjs has no gradient of StridedSlice.
    name: "stridedSlice",
    gradient: false,
    draw: (d) => {
      const shape = d.shape(1);
      const rank = d.int(1, shape.length);
      const bits = () => (d.bool() ? 0 : d.int(0, 2 ** rank - 1));
      const ends = Array.from({ length: rank }, (_, i) => {
        const [start, size] = range(d, shape[i]!);
        const step = d.pick(1, 2);
        // Backwards from the last element of the range, down to the one before its first (which −n − 1 stands for).
        if (d.bool()) return [start, start + size, step];
        return [start + size - 1, start === 0 ? -shape[i]! - 1 : start - 1, -step];
      });
      const [begin, end, strides] = [0, 1, 2].map((k) => ends.map((e) => e[k]!)) as [
        number[],
        number[],
        number[],
      ];
      const masks: [number, number] = [bits(), bits()];
      // An axis shrunk to one element; tfjs's own kernel goes wrong when another axis is strided at the same time.
      const shrink = strides.every((step) => step === 1) ? bits() : 0;
      return {
        inputs: [d.anything(shape)],
        f: (x) => tf.stridedSlice(x, begin, end, strides, ...masks, 0, 0, shrink),
      };
    },
  },
  {
    name: "stridedSlice with an ellipsis and a new axis",
    gradient: false,
    draw: (d) => {
      const shape = d.shape(2);
      return {
        inputs: [d.anything(shape)],
        f: (x) => [
          tf.stridedSlice(x, [0, 0], [1, 1], [1, 1], 0, 0, 1),
          tf.stridedSlice(x, [0, 0], [1, 1], [1, 1], 0, 0, 0, 1),
        ],
      };
    },
  },
  {
    name: "tile and broadcastTo",
    draw: (d) => {
      const shape = d.shape(1);
      const reps = shape.map(() => d.int(1, 3));
      const wide = [d.int(1, 3), ...shape.map((n) => (n === 1 ? d.int(1, 3) : n))].slice(-4);
      const narrow = wide.length > shape.length || d.bool();
      const target = narrow ? wide : shape.map((n, i) => (n === 1 ? wide[i]! : n));
      return { inputs: [d.anything(shape)], f: (x) => [tf.tile(x, reps), tf.broadcastTo(x, target)] };
    },
  },
  {
    name: "pad",
    draw: (d) => {
      const shape = d.shape(1);
      const paddings = shape.map((): [number, number] => [d.int(0, 2), d.int(0, 2)]);
      const x = d.anything(shape);
      const value = x.dtype === "bool" ? 1 : d.int(-2, 2);
      return { inputs: [x], f: (t) => tf.pad(t, paddings, value) };
    },
  },
  {
    name: "mirrorPad",
    draw: (d) => {
      const mode = d.pick("reflect", "symmetric") as "reflect";
      const shape = d.shape(1).map((n) => n + 1);
      const most = (n: number) => (mode === "reflect" ? n - 1 : n);
      const paddings = shape.map((n): [number, number] => [d.int(0, most(n)), d.int(0, most(n))]);
      return { inputs: [d.anything(shape)], f: (x) => tf.mirrorPad(x, paddings, mode) };
    },
  },
  {
    name: "reverse",
    draw: (d) => {
      const shape = d.shape();
      const axes = d.axes(shape.length);
      return { inputs: [d.anything(shape)], f: (x) => tf.reverse(x, axes) };
    },
  },
  {
    name: "fill, range, linspace, eye and oneHot constants",
    gradient: false,
    draw: (d) => {
      const [n, start, step] = [d.int(1, 6), d.int(-3, 3), d.pick(1, 2, -1)];
      return {
        inputs: [d.floats([n])],
        f: (x) => [
          x,
          tf.fill([2, n], 0.25),
          tf.fill([2], 7, "int32"),
          tf.range(start, start + n * step, step),
          tf.range(0, n, 1, "int32"),
          tf.linspace(start, start + 2, n),
          tf.eye(n),
          tf.ones([2], "bool"),
        ],
      };
    },
  },
  {
    name: "diag",
    gradient: false,
    draw: (d) => ({ inputs: [d.anything(d.shape(1, 2))], f: tf.diag }),
  },
  {
    name: "bandPart",
    gradient: false,
    draw: (d) => {
      const [rows, columns] = [d.int(2, 5), d.int(2, 5)];
      const [lower, upper] = [d.int(-1, rows - 1), d.int(-1, columns - 1)];
      return { inputs: [d.floats([2, rows, columns])], f: (x) => tf.linalg.bandPart(x, lower, upper) };
    },
  },
  {
    name: "operators that cancel",
    draw: (d) => {
      const shape = d.shape(2);
      const back = shape.map((_, i) => shape.length - 1 - i);
      return {
        inputs: [d.floats(shape)],
        f: (x) => [
          tf.transpose(tf.transpose(x, back), back),
          tf.reshape(tf.reshape(x, [-1]), shape),
          tf.add(tf.mul(x, 1), tf.zeros(shape)),
          tf.add(tf.broadcastTo(tf.scalar(2), shape), x),
        ],
      };
    },
  },
];
