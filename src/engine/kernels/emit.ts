/** Small helpers that the kernels share: broadcasting, casts, shape changes, each simplified where it does nothing. */
import { backend_util } from "@tensorflow/tfjs";
import { type DType, type Graph, sameShape, sizeOf, type Value } from "../graph";

export type Attrs = Record<string, any>;
/** Writes one tfjs kernel into the graph. `x` holds the kernel's inputs under the names that tfjs gives them. */
export type Emit = (g: Graph, x: Record<string, Value>, attrs: Attrs) => Value | Value[];

export const broadcastShape = (a: Value, b: Value): number[] =>
  backend_util.assertAndGetBroadcastShape(a.shape, b.shape);

/** Row-major axes, negative ones counted from the end, sorted; none given means all. */
export function parseAxes(axis: number | number[] | null | undefined, rank: number): number[] {
  const axes = axis === undefined || axis === null ? [...Array(rank).keys()] : [axis].flat();
  return [...new Set(axes.map((a) => (a < 0 ? a + rank : a)))].sort((a, b) => a - b);
}

export const isSplat = (v: Value, n: number): boolean => v.splat === n;

/** What an element-wise operator may read in place of `v`: one number, or what was expanded to give `v`. */
function slim(g: Graph, v: Value): Value {
  if (v.splat !== undefined) return g.scalar(v.splat, v.dtype as DType);
  if (v.node?.op === "Expand") return v.node.inputs[0]!;
  return v;
}

/** An ONNX operator of two broadcasting inputs. */
export function binary(g: Graph, op: string, a: Value, b: Value, dtype = a.dtype): Value {
  const shape = broadcastShape(a, b);
  const [sa, sb] = [slim(g, a), slim(g, b)];
  // Slim inputs are used only while they still broadcast to the full shape of the result.
  const pairs: [Value, Value][] = [
    [sa, sb],
    [sa, b],
    [a, sb],
  ];
  const [x, y] = pairs.find(([p, q]) => sameShape(broadcastShape(p, q), shape)) ?? [a, b];
  return g.op(op, [x, y], { shape, dtype });
}

/** An ONNX operator of one input; of a filled tensor it is computed once. */
export function unary(g: Graph, op: string, x: Value, attributes = {}): Value {
  const operand = x.splat === undefined ? x : g.scalar(x.splat, x.dtype as DType);
  return expand(g, g.op(op, [operand], { shape: operand.shape, dtype: x.dtype }, attributes), x.shape);
}

export function cast(g: Graph, x: Value, dtype: Value["dtype"]): Value {
  if (x.dtype === dtype) return x;
  if (x.splat !== undefined && dtype !== "int64") {
    const value =
      dtype === "bool" ? Number(x.splat !== 0) : dtype === "float32" ? x.splat : Math.trunc(x.splat);
    return g.fill(value, x.shape, dtype);
  }
  const to = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9 }[dtype];
  return g.op("Cast", [x], { shape: x.shape, dtype }, { to });
}

/**
 * An operator that only moves elements. ONNX Runtime's GPU providers have those for numbers alone, so truth values
 * travel as int32 there.
 */
export function move(g: Graph, x: Value, build: (x: Value) => Value): Value {
  if (x.dtype !== "bool" || g.device === "cpu") return build(x);
  return cast(g, build(cast(g, x, "int32")), "bool");
}

/** Indices in 0 … bound − 1 as ArgMax and TopK give them. Off the CPU no Cast reads int64, but a table look-up does. */
export function toInt32(g: Graph, indices: Value, bound: number): Value {
  if (g.device === "cpu") return cast(g, indices, "int32");
  return g.op("Gather", [iota(g, bound), indices], { shape: indices.shape, dtype: "int32" }, { axis: 0 });
}

/** 0 … n − 1 */
export const iota = (g: Graph, n: number): Value =>
  g.constant(
    Int32Array.from({ length: n }, (_, i) => i),
    [n],
    "int32",
  );

export const toFloat = (g: Graph, x: Value): Value => cast(g, x, "float32");

export function reshape(g: Graph, x: Value, shape: number[]): Value {
  if (sameShape(x.shape, shape)) return x;
  if (x.splat !== undefined) return g.fill(x.splat, shape, x.dtype as DType);
  if (x.data) return g.constant(x.data, shape, x.dtype);
  const source = x.node?.op === "Reshape" ? x.node.inputs[0]! : x;
  if (sameShape(source.shape, shape)) return source;
  // Without allowzero a 0 would mean "as in the input".
  const attributes: Record<string, number> = shape.includes(0) ? { allowzero: 1 } : {};
  return g.op("Reshape", [source, g.int64(shape)], { shape, dtype: x.dtype }, attributes);
}

export function transpose(g: Graph, x: Value, perm: number[]): Value {
  const shape = perm.map((axis) => x.shape[axis]!);
  if (x.splat !== undefined) return g.fill(x.splat, shape, x.dtype as DType);
  if (x.node?.op === "Transpose") {
    const inner = x.node.attributes.perm as number[];
    return transpose(
      g,
      x.node.inputs[0]!,
      perm.map((axis) => inner[axis]!),
    );
  }
  const moved = perm.filter((axis) => x.shape[axis] !== 1);
  if (moved.every((axis, i) => i === 0 || moved[i - 1]! < axis)) return reshape(g, x, shape);
  return move(g, x, (v) => g.op("Transpose", [v], { shape, dtype: v.dtype }, { perm }));
}

export function expand(g: Graph, x: Value, shape: number[]): Value {
  if (sameShape(x.shape, shape)) return x;
  if (x.splat !== undefined) return g.fill(x.splat, shape, x.dtype as DType);
  return g.op("Expand", [x, g.int64(shape)], { shape, dtype: x.dtype });
}

/** A reduction over `axes`; ONNX takes them as an input since opset 18. */
export function reduce(g: Graph, op: string, x: Value, axes: number[], keepDims: boolean): Value {
  const kept = x.shape.map((n, i) => (axes.includes(i) ? 1 : n));
  const shape = keepDims ? kept : x.shape.filter((_, i) => !axes.includes(i));
  if (axes.every((axis) => x.shape[axis] === 1)) return reshape(g, x, shape);
  if (x.splat !== undefined && sizeOf(x.shape) > 0 && op !== "ReduceProd") {
    const count = sizeOf(x.shape) / sizeOf(shape);
    return g.fill(op === "ReduceSum" ? x.splat * count : x.splat, shape, x.dtype as DType);
  }
  const type = { shape, dtype: x.dtype };
  return g.op(op, [x, g.int64(axes)], type, { keepdims: keepDims ? 1 : 0 });
}

/** a where the condition holds, else b. */
export function where(g: Graph, condition: Value, a: Value, b: Value): Value {
  if (a.dtype === "bool") {
    return cast(g, where(g, condition, cast(g, a, "int32"), cast(g, b, "int32")), "bool");
  }
  const broadcast = (values: Value[]): number[] =>
    values.map((v) => v.shape).reduce((p, q) => backend_util.assertAndGetBroadcastShape(p, q));
  const full = [condition, a, b];
  const slimmed = full.map((v) => slim(g, v));
  const shape = broadcast(full);
  const operands = sameShape(broadcast(slimmed), shape) ? slimmed : full;
  return g.op("Where", operands, { shape, dtype: a.dtype });
}

/** Elements [start, end) along one axis. */
export function sliceAxis(g: Graph, x: Value, axis: number, start: number, end: number): Value {
  const size = x.shape.map((n, i) => (i === axis ? end - start : n));
  return slice(
    g,
    x,
    x.shape.map((_, i) => (i === axis ? start : 0)),
    size,
  );
}

/** Elements begin … begin + size along every axis. */
export function slice(g: Graph, x: Value, begin: number[], size: number[]): Value {
  return stridedSlice(
    g,
    x,
    begin,
    size,
    size.map(() => 1),
  );
}

/** `size` elements along every axis, from `begin` on and `strides` apart; a negative stride goes backwards. */
export function stridedSlice(g: Graph, x: Value, begin: number[], size: number[], strides: number[]): Value {
  if (x.splat !== undefined) return g.fill(x.splat, size, x.dtype as DType);
  const axes = [...x.shape.keys()].filter((i) => size[i] !== x.shape[i] || strides[i] !== 1);
  if (axes.length === 0) return x;
  if (x.dtype !== "float32" && g.device !== "cpu") return axes.reduce(pick, x);
  // Past the front an end counts from the back: there it has to be far out.
  const ends = axes.map((i) => begin[i]! + size[i]! * strides[i]!).map((end) => (end < 0 ? -(2 ** 31) : end));
  const inputs = [x, g.int64(axes.map((i) => begin[i]!)), g.int64(ends), g.int64(axes)];
  if (axes.some((i) => strides[i] !== 1)) inputs.push(g.int64(axes.map((i) => strides[i]!)));
  return g.op("Slice", inputs, { shape: size, dtype: x.dtype });

  /** Off the CPU Slice exists for float32 alone; Gather takes anything. */
  function pick(from: Value, axis: number): Value {
    const places = Int32Array.from({ length: size[axis]! }, (_, i) => begin[axis]! + i * strides[axis]!);
    const shape = from.shape.map((n, i) => (i === axis ? places.length : n));
    return g.op(
      "Gather",
      [from, g.constant(places, [places.length], "int32")],
      { shape, dtype: x.dtype },
      { axis },
    );
  }
}

/** How many pieces one WebGPU shader joins or cuts: with the whole, eight storage buffers, which every device has. */
export const MOST_BUFFERS = 7;

export function concat(g: Graph, values: Value[], axis: number): Value {
  const parts = values.filter((v) => sizeOf(v.shape) > 0 || values.length === 1);
  if (parts.length === 0) return values[0]!;
  if (parts.length === 1) return parts[0]!;
  if (g.device !== "cpu" && parts.length > MOST_BUFFERS) {
    const groups = Math.ceil(parts.length / MOST_BUFFERS);
    const joined = Array.from({ length: groups }, (_, i) =>
      concat(g, parts.slice(i * MOST_BUFFERS, (i + 1) * MOST_BUFFERS), axis),
    );
    return concat(g, joined, axis);
  }
  const shape = [...parts[0]!.shape];
  shape[axis] = parts.reduce((n, v) => n + v.shape[axis]!, 0);
  const dtype = parts[0]!.dtype;
  if (dtype === "bool" && g.device !== "cpu") {
    return cast(
      g,
      concat(
        g,
        parts.map((v) => cast(g, v, "int32")),
        axis,
      ),
      "bool",
    );
  }
  return g.op("Concat", parts, { shape, dtype }, { axis });
}
