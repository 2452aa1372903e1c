/** Operators that exist in ONNX Runtime as one kernel and in tfjs only as a chain. See `ops.ts` for their gradients. */
import { type Graph, sizeOf, type Value } from "../graph";
import { add, mul } from "./elementwise";
import { type Attrs, concat, type Emit, reshape, slice, sliceAxis, transpose, unary } from "./emit";

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

/**
 * x [n, k]·Wᵀ for W [m, k] in 4 bits, of which only `packed` and `absmax` are constants of the program.
 * W's codes are read in one row after the other, and a block may go over the end of a row. So the same codes serve as a
 * matrix of any shape with as many elements.
 */
function product4bit(g: Graph, x: Value, m: number, { packed, absmax, type, blockSize }: Attrs): Value {
  const [n, k] = x.shape as [number, number];
  const constants = [
    g.constant(packed, [packed.length], "uint8"),
    g.constant(absmax, [absmax.length], "float32"),
  ];
  const attributes = {
    K: k,
    N: m,
    block_size: blockSize,
    quant_type: type === "nf4" ? 1 : 0,
    training_mode: 1,
    transB: 1,
  };
  return g.op("MatMulBnb4", [x, ...constants], { shape: [n, m], dtype: "float32" }, attributes, CONTRIB);
}

/** x [n, k]·Wᵀ for W [m, k] of 4-bit integers with zero point 8; the same codes, cut into other rows, are other matrices. */
function productInt4(
  g: Graph,
  x: Value,
  m: number,
  { packed, scales, groupSize, activations }: Attrs,
): Value {
  const [n, k] = x.shape as [number, number];
  const constants = [
    g.constant(packed, [m, k / groupSize, groupSize / 2], "uint8"),
    g.constant(scales, [scales.length], "float32"),
  ];
  const attributes = {
    ...{ K: k, N: m, bits: 4, block_size: groupSize },
    ...(activations === "int8" && { accuracy_level: 4 }),
  };
  return g.op("MatMulNBits", [x, ...constants], { shape: [n, m], dtype: "float32" }, attributes, CONTRIB);
}

/** The identity [n, n] as a value that is computed, from an element of `after`: a constant would be folded with W. */
function lateIdentity(g: Graph, after: Value, n: number): Value {
  const some = slice(g, reshape(g, after, [sizeOf(after.shape), 1]), [0, 0], [1, 1]);
  const equal = g.op("Equal", [some, some], { shape: [1, 1], dtype: "bool" });
  const ones = Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
  const constant = g.constant(ones, [n, n], "float32");
  return g.op("Where", [equal, constant, constant], constant);
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

  /** x·Wᵀ; ONNX Runtime's operator has bitsandbytes' order of codes. */
  MatMul4bit: (g, { x }, attrs) => product4bit(g, x!, attrs.shape[0], attrs),

  /**
   * W in float32, written out when `after` is known and not before.
   *
   * ONNX Runtime's operator for the other direction (`transB: 0`) computes something else on the CPU and is missing on
   * WebGPU. But the product of the identity with W, read as a matrix of 8 columns, is that matrix transposed. Were the
   * identity a constant, ONNX Runtime would compute W once when it builds the session and keep it; so it is computed,
   * from an element of `after`.
   */
  Dequantize4bit: (g, { after }, attrs) => {
    const size = sizeOf(attrs.shape);
    const width = [8, 4, 2].find((n) => size % n === 0) ?? 1;
    const columns = product4bit(g, lateIdentity(g, after!, width), size / width, attrs);
    return reshape(g, transpose(g, columns, [1, 0]), attrs.shape);
  },

  /** x·Wᵀ with zero points of 8. */
  MatMulInt4: (g, { x }, attrs) => productInt4(g, x!, attrs.shape[0], attrs),

  /** W with zero points of 8, as above: the product of the identity with W read as a matrix of one group a row. */
  DequantizeInt4: (g, { after }, attrs) => {
    const rows = sizeOf(attrs.shape) / attrs.groupSize;
    const exact = { ...attrs, activations: "float32" };
    const columns = productInt4(g, lateIdentity(g, after!, attrs.groupSize), rows, exact);
    return reshape(g, transpose(g, columns, [1, 0]), attrs.shape);
  },
};
