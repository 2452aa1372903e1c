/** Operators that exist in ONNX Runtime as one kernel and in tfjs only as a chain. See `ops.ts` for their gradients. */
import type { Graph, Value } from "../graph";
import { add, mul } from "./elementwise";
import { concat, type Emit, sliceAxis, unary } from "./emit";

const CONTRIB = "com.microsoft";

const halfTables = new WeakMap<Value, Map<number, Value>>();

/** The first half of the last axis of a constant, as [rows, half]; made once, so that all layers share it. */
function halfTable(g: Graph, table: Value, sign: number): Value {
  const made = halfTables.get(table) ?? new Map<number, Value>();
  halfTables.set(table, made);
  const known = made.get(sign);
  if (known) return known;
  const width = table.shape.at(-1)!;
  const data = table.data as Float32Array;
  const half = new Float32Array(data.length / 2);
  for (let i = 0; i < half.length; i++) {
    const [row, column] = [Math.floor(i / (width / 2)), i % (width / 2)];
    half[i] = sign * data[row * width + column]!;
  }
  const value = g.constant(half, [data.length / width, width / 2], "float32");
  made.set(sign, value);
  return value;
}

export const fused: Record<string, Emit> = {
  /** x / √(mean(x²) + ε) · weight over the last axis. */
  RmsNorm: (g, { x, weight }, { epsilon }) =>
    g.op("SimplifiedLayerNormalization", [x!, weight!], x!, { axis: -1, epsilon: { float: epsilon } }),

  /** z·σ(z) */
  Silu: (g, { x }) => g.op("QuickGelu", [x!], x!, { alpha: { float: 1 } }, CONTRIB),

  /** x·cos ± swap(x)·sin; ONNX Runtime's operator takes its angles from a table, so only constant ones suit it. */
  Rotate: (g, { x, cos, sin }, { back }) => {
    if (cos!.data && sin!.data && cos!.shape[0] === 1) {
      const tables = [halfTable(g, cos!, 1), halfTable(g, sin!, back ? 1 : -1)];
      return g.op("RotaryEmbedding", [x!, g.int64([0]), ...tables], x!, { interleaved: 0 }, CONTRIB);
    }
    const width = x!.shape[3]!;
    const halves = [sliceAxis(g, x!, 3, width / 2, width), sliceAxis(g, x!, 3, 0, width / 2)];
    const turned = mul(g, concat(g, halves, 3), sin!);
    return add(g, mul(g, x!, cos!), back ? unary(g, "Neg", turned) : turned);
  },
};
