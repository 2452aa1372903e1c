/** Reductions, scans, softmax and sorting kernels. */
import type { Graph, Value } from "../graph";
import { mul, sub } from "./elementwise";
import {
  cast,
  concat,
  type Emit,
  parseAxes,
  reduce,
  reshape,
  sliceAxis,
  toFloat,
  toInt32,
  unary,
} from "./emit";

/** tfjs sums bool and int32 as int32. */
const number = (g: Graph, x: Value): Value => (x.dtype === "bool" ? cast(g, x, "int32") : x);

const over =
  (op: string): Emit =>
  (g, { x }, { axis, reductionIndices, keepDims }) =>
    reduce(g, op, number(g, x!), parseAxes(reductionIndices ?? axis, x!.shape.length), keepDims ?? false);

/** All and Any are the minimum and maximum of zeros and ones. */
const logical =
  (op: string): Emit =>
  (g, { x }, { axis, keepDims }) =>
    cast(g, reduce(g, op, cast(g, x!, "int32"), parseAxes(axis, x!.shape.length), keepDims ?? false), "bool");

const arg =
  (op: string): Emit =>
  (g, { x }, { axis }) => {
    const at = parseAxes(axis, x!.shape.length)[0]!;
    const shape = x!.shape.filter((_, i) => i !== at);
    return toInt32(g, g.op(op, [x!], { shape, dtype: "int64" }, { axis: at, keepdims: 0 }), x!.shape[at]!);
  };

/** On WebGPU only Softmax is an operator of its own. */
function logSoftmax(g: Graph, x: Value, axis: number): Value {
  if (g.device !== "webgpu") return unary(g, "LogSoftmax", x, { axis });
  const axes = parseAxes(axis, x.shape.length);
  const shifted = sub(g, x, reduce(g, "ReduceMax", x, axes, true));
  return sub(g, shifted, unary(g, "Log", reduce(g, "ReduceSum", unary(g, "Exp", shifted), axes, true)));
}

/**
 * Running products by doubling (Hillis & Steele, 1986): after step s every element is the product of the last 2ˢ,
 * so ⌈log₂ n⌉ multiplications do, where ONNX has no operator. The gradient of Prod is made of these.
 */
function cumprod(g: Graph, x: Value, axis: number, exclusive: boolean, reverse: boolean): Value {
  const n = x.shape[axis]!;
  const shift = (v: Value, by: number): Value => {
    const ones = g.fill(
      1,
      x.shape.map((m, i) => (i === axis ? by : m)),
      x.dtype as "float32",
    );
    const kept = reverse ? sliceAxis(g, v, axis, by, n) : sliceAxis(g, v, axis, 0, n - by);
    return concat(g, reverse ? [kept, ones] : [ones, kept], axis);
  };
  let product = exclusive ? shift(x, 1) : x;
  for (let by = 1; by < n; by *= 2) product = mul(g, product, shift(product, by));
  return product;
}

export const reductions: Record<string, Emit> = {
  Sum: over("ReduceSum"),
  Mean: (g, { x }, { axis, keepDims }) =>
    reduce(g, "ReduceMean", toFloat(g, x!), parseAxes(axis, x!.shape.length), keepDims ?? false),
  Max: over("ReduceMax"),
  Min: over("ReduceMin"),
  Prod: over("ReduceProd"),
  All: logical("ReduceMin"),
  Any: logical("ReduceMax"),
  ArgMax: arg("ArgMax"),
  ArgMin: arg("ArgMin"),
  Cumsum: (g, { x }, { axis, exclusive, reverse }) => {
    const terms = number(g, x!);
    const [at] = parseAxes(axis, terms.shape.length);
    const attributes = { exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 };
    const type = { shape: terms.shape, dtype: terms.dtype };
    return g.op("CumSum", [terms, reshape(g, g.int64([at!]), [])], type, attributes);
  },
  Cumprod: (g, { x }, { axis, exclusive, reverse }) =>
    cumprod(g, number(g, x!), parseAxes(axis, x!.shape.length)[0]!, exclusive, reverse),
  Softmax: (g, { logits }, { dim }) => unary(g, "Softmax", toFloat(g, logits!), { axis: dim }),
  LogSoftmax: (g, { logits }, { axis }) => logSoftmax(g, toFloat(g, logits!), axis),
  TopK: (g, { x }, { k, sorted }) => {
    // Off the CPU floats alone are sorted: exact for integers up to 2²⁴.
    const keys = g.device === "cpu" ? x! : toFloat(g, x!);
    const shape = [...x!.shape.slice(0, -1), k];
    const types = [
      { shape, dtype: keys.dtype },
      { shape, dtype: "int64" as const },
    ];
    const [values, indices] = g.multi("TopK", [keys, g.int64([k])], types, { sorted: sorted ? 1 : 0 });
    return [cast(g, values!, x!.dtype), toInt32(g, indices!, x!.shape.at(-1)!)];
  },
};
