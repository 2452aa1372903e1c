/** Kernels that read or write at computed places: gathers (embeddings), scatters (their gradients), one-hot. */
import { type Graph, sizeOf, type Value } from "../graph";
import { add, clip } from "./elementwise";
import { binary, cast, type Emit, iota, move, parseAxes, reshape, transpose, where } from "./emit";

export function gather(g: Graph, x: Value, indices: Value, axis: number, batchDims: number): Value {
  const at = parseAxes(axis ?? 0, x.shape.length)[0]!;
  const batch = batchDims < 0 ? batchDims + indices.shape.length : (batchDims ?? 0);
  if (batch === 0) {
    const shape = [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)];
    return g.op("Gather", [x, indices], { shape, dtype: x.dtype }, { axis: at });
  }
  // Bring the axis behind the batch and make one of both; afterwards put back what lay between.
  const between = [...Array(at - batch).keys()].map((i) => batch + i);
  const after = [...x.shape.keys()].slice(at + 1);
  const front = transpose(g, x, [...Array(batch).keys(), at, ...between, ...after]);
  const n = x.shape[at]!;
  const batches = sizeOf(x.shape.slice(0, batch));
  const rest = front.shape.slice(batch + 1);
  const offsets = Int32Array.from({ length: batches }, (_, i) => i * n);
  const offset = g.constant(
    offsets,
    [...x.shape.slice(0, batch), ...indices.shape.slice(batch).fill(1)],
    "int32",
  );
  const rows = gather(g, reshape(g, front, [batches * n, ...rest]), add(g, indices, offset), 0, 0);
  const places = [...rows.shape.keys()];
  const own = places.splice(batch, indices.shape.length - batch);
  places.splice(at, 0, ...own);
  return transpose(g, rows, places);
}

/** Adds the rows of x into the segments that ids name; rows with an id outside of them are dropped, as in tfjs. */
function segmentSum(g: Graph, x: Value, ids: Value, segments: number): Value {
  const tail = x.shape.slice(1);
  const inside = clip(g, ids, 0, segments - 1);
  const kept = reshape(g, binary(g, "Equal", ids, inside, "bool"), [ids.shape[0]!, ...tail.map(() => 1)]);
  const rows = where(g, kept, x, g.scalar(0, x.dtype as "float32"));
  const into = g.fill(0, [segments, ...tail], x.dtype as "float32");
  return scatter(g, into, reshape(g, inside, [ids.shape[0]!, 1]), rows, "add");
}

export function scatter(g: Graph, into: Value, indices: Value, updates: Value, reduction: string): Value {
  const places = cast(g, indices, "int64");
  if (into.dtype === "bool") {
    const sums = scatter(g, cast(g, into, "int32"), places, cast(g, updates, "int32"), reduction);
    return cast(g, sums, "bool");
  }
  return g.op("ScatterND", [into, places, updates], { shape: into.shape, dtype: into.dtype }, { reduction });
}

export const gathers: Record<string, Emit> = {
  GatherV2: (g, { x, indices }, { axis, batchDims }) => gather(g, x!, indices!, axis, batchDims),
  GatherNd: (g, { params, indices }) => {
    const shape = [...indices!.shape.slice(0, -1), ...params!.shape.slice(indices!.shape.at(-1))];
    const places = cast(g, indices!, "int64");
    return move(g, params!, (v) => g.op("GatherND", [v, places], { shape, dtype: v.dtype }));
  },
  UnsortedSegmentSum: (g, { x, segmentIds }, { numSegments }) => segmentSum(g, x!, segmentIds!, numSegments),
  ScatterNd: (g, { indices, updates }, { shape }) =>
    scatter(g, g.fill(0, shape, updates!.dtype as "float32"), indices!, updates!, "add"),
  TensorScatterUpdate: (g, { tensor, indices, updates }) => scatter(g, tensor!, indices!, updates!, "none"),
  OneHot: (g, { indices }, { depth, onValue, offValue, dtype }) => {
    const hit = binary(g, "Equal", reshape(g, indices!, [...indices!.shape, 1]), iota(g, depth), "bool");
    if (onValue === 1 && offValue === 0) return cast(g, hit, dtype ?? "int32");
    return where(g, hit, g.scalar(onValue, dtype), g.scalar(offValue, dtype));
  },
};
