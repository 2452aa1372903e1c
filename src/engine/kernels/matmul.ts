/** Matrix products. */
import { backend_util } from "@tensorflow/tfjs";
import { type Graph, sameShape, type Value } from "../graph";
import { add, elementwise, mul, sub } from "./elementwise";
import { cast, type Emit, toFloat, transpose } from "./emit";
import { gather, scatter } from "./gather";

/** x with its last two axes exchanged. */
function swap(g: Graph, x: Value): Value {
  const perm = x.shape.map((_, i) => i);
  [perm[perm.length - 1], perm[perm.length - 2]] = [perm.length - 2, perm.length - 1];
  return transpose(g, x, perm);
}

const differences = new WeakMap<Value, { p: Value; targets: Value }>();

/**
 * p − onehot(targets), given what is to stand at the targets. A product of it with a matrix knows what it is: the one-hot
 * part of that is a row of the matrix, and the difference need not be written out.
 */
function minusOneHot(g: Graph, { p, targets, places, less }: Record<string, Value>): Value {
  const difference = scatter(g, p!, places!, less!, "none");
  differences.set(difference, { p: p!, targets: targets! });
  return difference;
}

/** x and c [n, 1] of a matrix that is c∘x [n, k]. */
function withoutRowScale(a: Value): { x: Value; c: Value } | undefined {
  const { op, inputs } = a.node ?? {};
  if (op !== "Mul" || a.shape.length !== 2) return undefined;
  const c = inputs!.find(({ shape }) => sameShape(shape, [a.shape[0]!, 1]));
  const x = inputs!.find(({ shape }) => sameShape(shape, a.shape));
  return c && x ? { x, c } : undefined;
}

/**
 * a·b over the last two axes, leading axes broadcast.
 * On the CPU ONNX Runtime's FusedMatMul reads a transposed operand in place, and is left alone where a plain MatMul
 * before an Add would be made a slower Gemm; elsewhere it would fall back to the CPU, so the transpose is an operator of
 * its own (and of a frozen weight it is done once, when the session is built).
 */
export function matMul(g: Graph, a: Value, b: Value, transposeA: boolean, transposeB: boolean): Value {
  const [rows, inner] = transposeA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
  const [innerB, columns] = transposeB
    ? [b.shape.at(-1)!, b.shape.at(-2)!]
    : [b.shape.at(-2)!, b.shape.at(-1)!];
  if (inner !== innerB) {
    throw new Error(`matMul: inner dimensions differ: ${inner} of [${a.shape}], ${innerB} of [${b.shape}]`);
  }
  if (a.dtype !== "float32" && g.device !== "cpu") {
    return cast(g, matMul(g, toFloat(g, a), toFloat(g, b), transposeA, transposeB), a.dtype);
  }
  const scaled = withoutRowScale(a);
  if (scaled && b.shape.length === 2 && columns < scaled.x.shape[1]!) {
    // (c∘x)·b = c∘(x·b) and (c∘x)ᵀ·b = xᵀ·(c∘b): rows are scaled where they are narrower.
    if (!transposeA) return mul(g, matMul(g, scaled.x, b, false, transposeB), scaled.c);
    if (!transposeB) return matMul(g, scaled.x, mul(g, b, scaled.c), true, false);
  }
  const difference = differences.get(a);
  if (difference && !transposeA && !transposeB) {
    const rows = gather(g, b, difference.targets, 0, 0);
    return sub(g, matMul(g, difference.p, b, false, false), rows);
  }
  const batch = backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const type = { shape: [...batch, rows, columns], dtype: a.dtype };
  if (g.device === "cpu" && a.dtype === "float32") {
    const attributes = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 };
    return g.op("FusedMatMul", [a, b], type, attributes, "com.microsoft");
  }
  // aᵀ·b = (bᵀ·a)ᵀ: of two matrices and their product, the wide one is not transposed.
  if (transposeA && a.shape.length === 2 && b.shape.length === 2 && columns < rows)
    return swap(g, matMul(g, b, a, !transposeB, false));
  return g.op("MatMul", [transposeA ? swap(g, a) : a, transposeB ? swap(g, b) : b], type);
}

/** The kernels that tfjs's fused layers name as activations. */
const ACTIVATIONS: Record<string, string> = {
  linear: "Identity",
  relu: "Relu",
  relu6: "Relu6",
  elu: "Elu",
  prelu: "Prelu",
  leakyrelu: "LeakyRelu",
  sigmoid: "Sigmoid",
};

export const products: Record<string, Emit> = {
  MinusOneHot: (g, inputs) => minusOneHot(g, inputs as Record<string, Value>),
  BatchMatMul: (g, { a, b }, { transposeA, transposeB }) => matMul(g, a!, b!, transposeA, transposeB),
  _FusedMatMul: (g, { a, b, bias, preluActivationWeights }, attrs) => {
    const product = matMul(g, a!, b!, attrs.transposeA, attrs.transposeB);
    const sum = bias ? add(g, product, bias) : product;
    const activate = elementwise[ACTIVATIONS[attrs.activation ?? "linear"]!]!;
    return activate(g, { x: sum, alpha: preluActivationWeights! }, { alpha: attrs.leakyreluAlpha });
  },
  Einsum: (g, inputs, attrs) => {
    const operands = Object.values(inputs);
    const equation: string = attrs.equation.replace(/\s/g, "");
    const [terms, output] = equation.split("->") as [string, string];
    const size = new Map<string, number>();
    for (const [i, term] of terms.split(",").entries()) {
      for (const [j, axis] of [...term].entries()) size.set(axis, operands[i]!.shape[j]!);
    }
    const shape = [...output].map((axis) => size.get(axis)!);
    return g.op("Einsum", operands, { shape, dtype: operands[0]!.dtype }, { equation });
  },
};
