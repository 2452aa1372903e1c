/**
 * The graph that a trace writes down: values and the operators between them, already in ONNX terms.
 *
 * Every value has a static shape, so the graph can be tidied while it is being built instead of in passes afterwards:
 *
 * - identical operators on identical inputs are the same value (common subexpressions disappear by construction);
 * - a filled tensor is remembered as one number and only spelled out where an operator cannot broadcast it;
 * - what no output needs is never visited when the model is written (dead code).
 */

export type DType = "float32" | "int32" | "bool";
export type TypedArray = Float32Array | Int32Array | Uint8Array;
/** int64 and uint8 occur only inside a graph: shapes, axes and indices that ONNX operators ask for. */
export type GraphDType = DType | "int64" | "uint8";
type GraphArray = TypedArray | BigInt64Array;

export type Attribute = number | string | number[] | { float: number };

export interface GraphNode {
  op: string;
  domain: string;
  inputs: Value[];
  outputs: Value[];
  attributes: Record<string, Attribute>;
}

export interface Value {
  id: number;
  shape: number[];
  dtype: GraphDType;
  /** What computes it; absent for inputs and constants. */
  node?: GraphNode;
  /** The contents of a constant, row-major. */
  data?: GraphArray;
  /** Set when every element of a constant is this number; a splat of several elements has no `data`. */
  splat?: number;
  /** The name of a graph input. */
  input?: string;
}

export interface OutputType {
  shape: number[];
  dtype: GraphDType;
}

const ARRAY = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
  uint8: Uint8Array,
};

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

/** Constants up to this many elements are recognised by content, larger ones by identity of their buffer. */
const SMALL = 64;

export class Graph {
  readonly inputs: Value[] = [];
  private readonly known = new Map<string, GraphNode | Value>();
  private readonly buffers = new Map<ArrayBufferLike, Value[]>();
  private nextId = 0;

  constructor(
    /** The execution provider that the graph is written for: some operators exist on one only. */
    readonly device: string,
  ) {}

  input(name: string, type: OutputType): Value {
    const value: Value = { id: this.nextId++, ...type, input: name };
    this.inputs.push(value);
    return value;
  }

  constant(data: GraphArray, shape: number[], dtype: GraphDType): Value {
    if (dtype !== "int64" && data.length > 0 && data.every((x: unknown) => Object.is(x, data[0]))) {
      return this.fill(Number(data[0]), shape, dtype);
    }
    const make = () => ({ id: this.nextId++, shape, dtype, data });
    if (data.length <= SMALL) {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return this.remember(`constant ${dtype} [${shape}] ${bytes}`, make);
    }
    const sharing = this.buffers.get(data.buffer) ?? [];
    const same = sharing.find(
      (v) => v.data!.byteOffset === data.byteOffset && sameShape(v.shape, shape) && v.dtype === dtype,
    );
    if (same) return same;
    const value = make();
    this.buffers.set(data.buffer, [...sharing, value]);
    return value;
  }

  /** A tensor of which every element is `value`; costs one element. */
  fill(value: number, shape: number[], dtype: DType | "uint8"): Value {
    return this.remember(`fill ${dtype} [${shape}] ${Object.is(value, -0) ? "-0" : value}`, () => ({
      id: this.nextId++,
      shape,
      dtype,
      splat: value,
      data: sizeOf(shape) === 1 ? ARRAY[dtype].of(value) : undefined,
    }));
  }

  /** The same value in a form that any operator takes: a splat is spelled out by the program when it runs. */
  dense(value: Value): Value {
    if (value.splat === undefined || value.data) return value;
    const one = this.fill(value.splat, [], value.dtype as DType);
    return this.op("Expand", [one, this.int64(value.shape)], { shape: value.shape, dtype: value.dtype });
  }

  scalar(value: number, dtype: DType | "uint8"): Value {
    return this.fill(value, [], dtype);
  }

  /** A one-dimensional int64 constant, the type in which ONNX wants shapes and axes. */
  int64(values: readonly number[]): Value {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length], "int64");
  }

  /** One operator with one output. */
  op(
    op: string,
    inputs: Value[],
    type: OutputType,
    attributes: Record<string, Attribute> = {},
    domain = "",
  ): Value {
    return this.multi(op, inputs, [type], attributes, domain)[0]!;
  }

  /** One operator with several outputs. */
  multi(
    op: string,
    inputs: Value[],
    types: OutputType[],
    attributes: Record<string, Attribute> = {},
    domain = "",
  ): Value[] {
    inputs = inputs.map((input) => this.dense(input));
    const key = `${domain}.${op}(${inputs.map((v) => v.id)})${types.map((t) => t.dtype)}${JSON.stringify(attributes)}`;
    return this.remember(key, () => {
      const node: GraphNode = { op, domain, inputs, outputs: [], attributes };
      node.outputs = types.map(({ shape, dtype }) => ({ id: this.nextId++, shape, dtype, node }));
      return node;
    }).outputs;
  }

  private remember<T extends GraphNode | Value>(key: string, make: () => T): T {
    const found = this.known.get(key);
    if (found) return found as T;
    const made = make();
    this.known.set(key, made);
    return made;
  }
}

/** The nodes that `outputs` need, each after the nodes that it needs itself; and the constants they use. */
export function reachable(outputs: readonly Value[]): { nodes: GraphNode[]; constants: Value[] } {
  const nodes: GraphNode[] = [];
  const constants: Value[] = [];
  const seen = new Set<Value | GraphNode>();
  // An explicit stack: a training step is thousands of nodes deep.
  const stack: { value: Value; expanded: boolean }[] = [...outputs]
    .reverse()
    .map((value) => ({ value, expanded: false }));
  while (stack.length > 0) {
    const { value, expanded } = stack.pop()!;
    const node = value.node;
    if (!node) {
      if (value.data && !seen.has(value)) constants.push(value);
      seen.add(value);
    } else if (expanded) {
      if (!seen.has(node)) nodes.push(node);
      seen.add(node);
    } else if (!seen.has(node)) {
      stack.push({ value, expanded: true });
      for (const input of [...node.inputs].reverse()) stack.push({ value: input, expanded: false });
    }
  }
  return { nodes, constants };
}
