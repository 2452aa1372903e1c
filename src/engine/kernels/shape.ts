/** Kernels that rearrange, cut, join, fill and pad. */
import { slice_util } from "@tensorflow/tfjs";
import { type Graph, sameShape, sizeOf, type Value } from "../graph";
import { mul } from "./elementwise";
import {
  type Attrs,
  cast,
  concat,
  type Emit,
  expand,
  MOST_BUFFERS,
  move,
  parseAxes,
  reshape,
  slice,
  sliceAxis,
  stridedSlice,
  transpose,
  where,
} from "./emit";

const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** The one dimension given as −1 is what the others leave. */
function resolveShape(shape: number[], size: number): number[] {
  const known = shape.filter((n) => n !== -1).reduce((a, b) => a * b, 1);
  return shape.map((n) => (n === -1 ? size / known : n));
}

function split(g: Graph, x: Value, sizes: number[], axis: number): Value[] {
  if (sizes.length === 1) return [x];
  // WebGPU allows a shader only few buffers, so there many pieces are cut one by one.
  const tooMany = g.device !== "cpu" && sizes.length > MOST_BUFFERS;
  if (x.splat !== undefined || sizes.some((n) => n === 0) || tooMany) {
    return sizes.map((n, i) => {
      const start = sizes.slice(0, i).reduce((a, b) => a + b, 0);
      return sliceAxis(g, x, axis, start, start + n);
    });
  }
  if (x.dtype === "bool" && g.device !== "cpu") {
    return split(g, cast(g, x, "int32"), sizes, axis).map((part) => cast(g, part, "bool"));
  }
  const types = sizes.map((n) => ({ shape: x.shape.map((m, i) => (i === axis ? n : m)), dtype: x.dtype }));
  return g.multi("Split", [x, g.int64(sizes)], types, { axis });
}

function pad(g: Graph, x: Value, paddings: [number, number][], mode: string, constant?: number): Value {
  if (paddings.every(([before, after]) => before === 0 && after === 0)) return x;
  const shape = x.shape.map((n, i) => n + paddings[i]![0] + paddings[i]![1]);
  const pads = g.int64([...paddings.map((p) => p[0]), ...paddings.map((p) => p[1])]);
  return move(g, x, (v) => {
    const fill = constant === undefined ? [] : [g.scalar(constant, v.dtype as "float32")];
    return g.op("Pad", [v, pads, ...fill], { shape, dtype: v.dtype }, { mode });
  });
}

/** "symmetric" repeats the edge element, which ONNX has no mode for: mirror by hand, one axis at a time. */
function symmetricPad(g: Graph, x: Value, paddings: [number, number][]): Value {
  return paddings.reduce((out, [before, after], axis) => {
    const n = out.shape[axis]!;
    const left = before > 0 ? [reverse(g, sliceAxis(g, out, axis, 0, before), [axis])] : [];
    const right = after > 0 ? [reverse(g, sliceAxis(g, out, axis, n - after, n), [axis])] : [];
    return concat(g, [...left, out, ...right], axis);
  }, x);
}

function reverse(g: Graph, x: Value, axes: number[]): Value {
  const begin = x.shape.map((n, i) => (axes.includes(i) ? n - 1 : 0));
  return stridedSlice(
    g,
    x,
    begin,
    x.shape,
    x.shape.map((_, i) => (axes.includes(i) ? -1 : 1)),
  );
}

function sliceByMasks(g: Graph, x: Value, attrs: Attrs): Value {
  const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attrs;
  const plan = slice_util.sliceInfo(
    x.shape,
    begin,
    end,
    strides,
    beginMask,
    endMask,
    ellipsisMask,
    newAxisMask,
    shrinkAxisMask,
  );
  const size = slice_util.computeOutShape(plan.begin, plan.end, plan.strides);
  return reshape(g, stridedSlice(g, x, plan.begin, size, plan.strides), plan.finalShape);
}

export const shapes: Record<string, Emit> = {
  Reshape: (g, { x }, { shape }) => reshape(g, x!, resolveShape(shape, sizeOf(x!.shape))),
  ExpandDims: (g, { input }, { dim }) => {
    const shape = [...input!.shape];
    shape.splice(axisOf(dim, shape.length + 1), 0, 1);
    return reshape(g, input!, shape);
  },
  Transpose: (g, { x }, { perm }) => transpose(g, x!, perm),
  Concat: (g, inputs, { axis }) => {
    const values = Object.values(inputs);
    return concat(g, values, axisOf(axis, values[0]!.shape.length));
  },
  Pack: (g, inputs, { axis }) => {
    const values = Object.values(inputs);
    const at = axisOf(axis, values[0]!.shape.length + 1);
    const rows = values.map((v) => reshape(g, v, [...v.shape.slice(0, at), 1, ...v.shape.slice(at)]));
    return concat(g, rows, at);
  },
  Unpack: (g, { value }, { axis }) => {
    const at = axisOf(axis, value!.shape.length);
    const shape = value!.shape.filter((_, i) => i !== at);
    return split(g, value!, Array(value!.shape[at]).fill(1), at).map((part) => reshape(g, part, shape));
  },
  SplitV: (g, { x }, { numOrSizeSplits, axis }) => {
    const at = axisOf(axis, x!.shape.length);
    const n = x!.shape[at]!;
    const sizes: number[] =
      typeof numOrSizeSplits === "number"
        ? Array(numOrSizeSplits).fill(n / numOrSizeSplits)
        : numOrSizeSplits.map((s: number) =>
            s === -1
              ? n - numOrSizeSplits.filter((m: number) => m !== -1).reduce((a: number, b: number) => a + b, 0)
              : s,
          );
    return split(g, x!, sizes, at);
  },
  Slice: (g, { x }, { begin, size }) => {
    const [starts, sizes] = slice_util.parseSliceParams({ shape: x!.shape } as never, begin, size);
    return slice(g, x!, starts!, sizes!);
  },
  StridedSlice: (g, { x }, attrs) => sliceByMasks(g, x!, attrs),
  Tile: (g, { x }, { reps }) => {
    const shape = x!.shape.map((n, i) => n * reps[i]);
    if (sameShape(shape, x!.shape)) return x!;
    if (x!.shape.every((n, i) => n === 1 || reps[i] === 1)) return expand(g, x!, shape);
    return move(g, x!, (v) => g.op("Tile", [v, g.int64(reps)], { shape, dtype: v.dtype }));
  },
  PadV2: (g, { x }, { paddings, constantValue }) => pad(g, x!, paddings, "constant", constantValue),
  MirrorPad: (g, { x }, { paddings, mode }) =>
    mode === "reflect" ? pad(g, x!, paddings, "reflect") : symmetricPad(g, x!, paddings),
  Reverse: (g, { x }, { dims }) =>
    x!.shape.length === 0 ? x! : reverse(g, x!, parseAxes(dims, x!.shape.length)),
  Fill: (g, _inputs, { shape, value, dtype }) => g.fill(value, shape, dtype ?? "float32"),
  ZerosLike: (g, { x }) => g.fill(0, x!.shape, x!.dtype as "float32"),
  OnesLike: (g, { x }) => g.fill(1, x!.shape, x!.dtype as "float32"),
  Range: (g, _inputs, { start, stop, step, dtype }) => {
    const n = Math.max(0, Math.ceil((stop - start) / step));
    const values = Array.from({ length: n }, (_, i) => start + i * step);
    return g.constant(dtype === "int32" ? Int32Array.from(values) : Float32Array.from(values), [n], dtype);
  },
  LinSpace: (g, _inputs, { start, stop, num }) => {
    const step = num > 1 ? (stop - start) / (num - 1) : 0;
    return g.constant(
      Float32Array.from({ length: num }, (_, i) => start + i * step),
      [num],
      "float32",
    );
  },
  Diag: (g, { x }) => {
    const n = sizeOf(x!.shape);
    const eye = g.constant(
      Uint8Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)),
      [n, n],
      "bool",
    );
    const row = reshape(g, x!, [1, n]);
    const square =
      x!.dtype === "bool" ? mul(g, row, eye) : where(g, eye, row, g.scalar(0, x!.dtype as "float32"));
    return reshape(g, square, [...x!.shape, ...x!.shape]);
  },
};
