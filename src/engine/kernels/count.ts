/** Kernels that count: how often each value occurs, how many elements lie before one. */
import type { Graph, Value } from "../graph";
import { binary, cast, type Emit, iota, reduce, reshape, where } from "./emit";

/** Sums the weights of equal values along the last axis of x; values of `size` and more count for nothing. */
function bincount(g: Graph, x: Value, weights: Value, size: number, seen: boolean): Value {
  const bins = binary(g, "Equal", reshape(g, x, [...x.shape, 1]), iota(g, size), "bool");
  const dtype = weights.dtype as "float32";
  const weight = weights.shape.includes(0) ? g.scalar(1, dtype) : reshape(g, weights, [...x.shape, 1]);
  const axis = x.shape.length - 1;
  if (seen) return cast(g, reduce(g, "ReduceMax", cast(g, bins, "int32"), [axis], false), dtype);
  return reduce(g, "ReduceSum", where(g, bins, weight, g.scalar(0, dtype)), [axis], false);
}

export const counts: Record<string, Emit> = {
  Bincount: (g, { x, weights }, { size }) => bincount(g, x!, weights!, size, false),
  DenseBincount: (g, { x, weights }, { size, binaryOutput }) => bincount(g, x!, weights!, size, binaryOutput),
  // A sorted row is searched by counting: its elements below a value come before that value's place.
  SearchSorted: (g, { sortedSequence, values }, { side }) => {
    const [batch, n] = sortedSequence!.shape as [number, number];
    const row = reshape(g, sortedSequence!, [batch, 1, n]);
    const value = reshape(g, values!, [...values!.shape, 1]);
    const before = binary(g, side === "left" ? "Less" : "LessOrEqual", row, value, "bool");
    return reduce(g, "ReduceSum", cast(g, before, "int32"), [2], false);
  },
};
