/** Operators that read or write at computed places, and those that count. */
import * as tf from "@tensorflow/tfjs";
import type { Case } from "../check";

export const gatherCases: Case[] = [
  {
    name: "gather",
    draw: (d) => {
      const shape = d.shape(1);
      const axis = d.axis(shape.length);
      const n = shape.at(axis)!;
      return {
        inputs: [d.floats(shape), d.ints(d.shape(1, 2), 0, n - 1)],
        f: (x, indices) => tf.gather(x, indices, axis),
      };
    },
  },
  {
    name: "gather of int32 and bool",
    gradient: false,
    draw: (d) => {
      const inputs = [d.ints([4, 2]), d.bools([4, 2]), d.ints(d.shape(0, 2), 0, 3)];
      return { inputs, f: (x, p, indices) => [tf.gather(x, indices), tf.gather(p, indices)] };
    },
  },
  {
    name: "gather with batchDims",
    gradient: false,
    draw: (d) => {
      const shape = d.shape(2);
      const batch = d.int(1, shape.length - 1);
      const axis = d.int(batch, shape.length - 1);
      const indices = [...shape.slice(0, batch), ...d.shape(1, 2)];
      return {
        inputs: [d.anything(shape), d.ints(indices, 0, shape[axis]! - 1)],
        f: (x, i) => tf.gather(x, i, axis, batch),
      };
    },
  },
  {
    name: "gather with one batch dimension",
    draw: (d) => {
      const [batch, n, k] = [d.int(1, 3), d.int(1, 4), d.int(1, 4)];
      return {
        inputs: [d.floats([batch, n]), d.ints([batch, k], 0, n - 1)],
        f: (x, i) => tf.gather(x, i, 1, 1),
      };
    },
  },
  {
    name: "gatherND",
    gradient: false,
    draw: (d) => {
      const shape = d.shape(1);
      const depth = d.int(1, shape.length);
      const places = d.ints([...d.shape(0, 2), depth], 0, 3);
      places.data.forEach((n, i) => {
        places.data[i] = n % shape[i % depth]!;
      });
      return { inputs: [d.anything(shape), places], f: (x, i) => tf.gatherND(x, i) };
    },
  },
  {
    // Repeated ids add up, rows with a negative one are dropped.
    name: "unsortedSegmentSum",
    draw: (d) => {
      const shape = d.shape(1);
      const segments = d.int(1, 4);
      return {
        inputs: [d.floats(shape), d.ints(shape.slice(0, 1), -1, segments - 1)],
        f: (x, ids) => tf.unsortedSegmentSum(x, ids, segments),
      };
    },
  },
  {
    name: "unsortedSegmentSum with ids beyond the last segment",
    gradient: false,
    draw: (d) => {
      const shape = d.shape(1);
      return {
        inputs: [d.floats(shape), d.ints(shape.slice(0, 1), 0, 5)],
        f: (x, ids) => tf.unsortedSegmentSum(x, ids, 3),
      };
    },
  },
  {
    name: "scatterND",
    gradient: false,
    draw: (d) => {
      const [rows, tail, n] = [d.int(1, 4), d.shape(0, 2), d.int(1, 6)];
      return {
        inputs: [d.ints([n, 1], 0, rows - 1), d.floats([n, ...tail]), d.ints([n, ...tail])],
        f: (i, x, y) => [tf.scatterND(i, x, [rows, ...tail]), tf.scatterND(i, y, [rows, ...tail])],
      };
    },
  },
  {
    name: "tensorScatterUpdate",
    gradient: false,
    draw: (d) => {
      const [rows, tail] = [d.int(1, 5), d.shape(0, 2)];
      const places = d.permutation(rows).slice(0, d.int(1, rows));
      const indices = { data: Int32Array.from(places), shape: [places.length, 1], dtype: "int32" as const };
      const shapes = [
        [rows, ...tail],
        [places.length, ...tail],
      ];
      const [into, updates] = d.pick(
        () => shapes.map((s) => d.floats(s)),
        () => shapes.map((s) => d.ints(s)),
        () => shapes.map((s) => d.bools(s)),
      )();
      return { inputs: [into!, indices, updates!], f: (x, i, u) => tf.tensorScatterUpdate(x, i, u) };
    },
  },
  {
    name: "oneHot",
    gradient: false,
    draw: (d) => {
      const [depth, on, off] = [d.int(2, 5), d.pick(1, 3), d.pick(0, -1)];
      return {
        inputs: [d.ints(d.shape(1, 3), -1, depth)],
        f: (i) => [tf.oneHot(i, depth, on, off), tf.oneHot(i, depth, 1, 0, "float32")],
      };
    },
  },
  {
    name: "bincount",
    gradient: false,
    draw: (d) => {
      const [n, size] = [d.int(1, 8), d.int(1, 5)];
      return {
        inputs: [d.ints([n], 0, size), d.floats([n]), d.ints([n])],
        f: (x, w, v) => [tf.bincount(x, w, size), tf.bincount(x, v, size), tf.bincount(x, [] as never, size)],
      };
    },
  },
  {
    name: "denseBincount",
    gradient: false,
    draw: (d) => {
      const [rows, n, size] = [d.int(1, 3), d.int(1, 6), d.int(1, 5)];
      return {
        inputs: [d.ints([rows, n], 0, size), d.floats([rows, n])],
        f: (x, w) => [tf.denseBincount(x, w, size), tf.denseBincount(x, [] as never, size, true)],
      };
    },
  },
  {
    name: "searchSorted",
    gradient: false,
    draw: (d) => {
      const [n, k] = [d.int(1, 6), d.int(1, 6)];
      const row = d.ints([n], -4, 4);
      row.data.sort();
      return {
        inputs: [row, d.ints([k], -5, 5)],
        f: (sorted, values) => [tf.lowerBound(sorted, values), tf.upperBound(sorted, values)],
      };
    },
  },
  {
    name: "confusionMatrix",
    gradient: false,
    draw: (d) => {
      const [n, classes] = [d.int(1, 6), d.int(2, 4)];
      const inputs = [d.ints([n], 0, classes - 1), d.ints([n], 0, classes - 1)];
      return { inputs, f: (labels, predictions) => tf.math.confusionMatrix(labels, predictions, classes) };
    },
  },
];
