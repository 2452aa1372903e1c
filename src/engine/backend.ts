/**
 * The tfjs backend named "trace": its kernels compute nothing, they write ONNX operators into a graph.
 *
 * tfjs's own machinery works on it unchanged. Its gradient tape calls the same kernels for the backward pass, so a whole
 * training step becomes one graph. Tensors from another backend arrive through `move` and become constants.
 */
import * as tf from "@tensorflow/tfjs";
import { type DType, Graph, type TypedArray, type Value } from "./graph";
import { kernels } from "./kernels";

export const TRACE = "trace";

interface Entry {
  value: Value;
  /** The graph that the value is of. */
  graph?: Graph;
  refCount: number;
}

type DataId = object;

class TraceBackend extends tf.KernelBackend {
  /** The graph being written; only `record` sets it. */
  graph?: Graph;
  private readonly entries = new tf.DataStorage<Entry>(this, tf.engine());

  /** A tensor's value in the graph being written. */
  value(dataId: DataId): Value {
    if (!this.entries.has(dataId) && !isAlive(dataId)) {
      throw new Error(
        "A tensor that was disposed of is used inside a compiled function: keep it (tf.keep) until the first call.",
      );
    }
    const entry = this.entries.get(dataId);
    if (entry.graph !== this.graph) {
      // An eager tensor that an earlier trace closed over too, and that has not been used eagerly since.
      const { shape, dtype } = entry.value;
      entry.value = this.constant(this.readSync(dataId), shape, dtype as DType);
      entry.graph = this.graph;
    }
    return entry.value;
  }

  put(value: Value): tf.TensorInfo {
    const dataId = {};
    this.entries.set(dataId, { value, graph: this.graph, refCount: 1 });
    return { dataId, shape: value.shape, dtype: value.dtype as DType };
  }

  override write(values: tf.BackendValues | null, shape: number[], dtype: tf.DataType): DataId {
    return this.put(this.constant(values, shape, dtype)).dataId;
  }

  override move(
    dataId: DataId,
    values: tf.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    this.entries.set(dataId, { value: this.constant(values, shape, dtype), graph: this.graph, refCount });
  }

  private constant(values: tf.BackendValues | null, shape: number[], dtype: tf.DataType): Value {
    if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") {
      throw new Error(
        `A ${dtype} tensor cannot be part of a compiled function: expected float32, int32 or bool. ` +
          "Convert it with .cast(), or keep this part outside of compile().",
      );
    }
    if (!this.graph) throw new Error('The "trace" backend works only inside compile() and trace().');
    return this.graph.constant(values as TypedArray, shape, dtype);
  }

  /** Constants can be read at any time (an eager tensor that was used inside goes back to its own backend so). */
  override readSync(dataId: DataId): tf.BackendValues {
    const { value } = this.entries.get(dataId);
    if (value.data) return value.data as TypedArray;
    if (value.splat !== undefined) {
      const array = { float32: Float32Array, int32: Int32Array, bool: Uint8Array }[value.dtype as DType];
      return new array(tf.util.sizeFromShape(value.shape)).fill(value.splat);
    }
    throw new Error(
      `The value of a ${value.dtype} tensor of shape [${value.shape}] was read inside a compiled function ` +
        "(data, dataSync, array, arraySync, print or a condition on it). Inside compile() and trace() tensors have " +
        "a shape and a dtype but no value yet: return the tensor and read it outside, or choose with tf.where().",
    );
  }

  override async read(dataId: DataId): Promise<tf.BackendValues> {
    return this.readSync(dataId);
  }

  override refCount(dataId: DataId): number {
    return this.entries.has(dataId) ? this.entries.get(dataId).refCount : 0;
  }

  override incRef(dataId: DataId): void {
    this.entries.get(dataId).refCount++;
  }

  decRef(dataId: DataId): void {
    if (this.entries.has(dataId)) this.entries.get(dataId).refCount--;
  }

  /** Forgets the tensor; what it stands for stays in the graph. */
  override disposeData(dataId: DataId, force = false): boolean {
    if (this.entries.has(dataId)) {
      const entry = this.entries.get(dataId);
      entry.refCount--;
      if (!force && entry.refCount > 0) return false;
      this.entries.delete(dataId);
    }
    return true;
  }

  override numDataIds(): number {
    return this.entries.numDataIds();
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override dispose(): void {}
}

/** Whether any backend of tfjs still holds the data. */
const isAlive = (dataId: DataId): boolean =>
  (tf.engine() as unknown as { state: { tensorInfo: WeakMap<DataId, object> } }).state.tensorInfo.has(dataId);

// Without this, tfjs greets every process with advice to install another package.
tf.env().set("PROD", true);

const backend = new TraceBackend();
tf.registerBackend(TRACE, () => backend, -1);

for (const [kernelName, emit] of Object.entries(kernels)) {
  tf.registerKernel({
    kernelName,
    backendName: TRACE,
    kernelFunc: ({ inputs, attrs }) => {
      const graph = backend.graph!;
      const values: Record<string, Value> = {};
      for (const [name, info] of Object.entries(inputs)) {
        if (info) values[name] = backend.value((info as tf.TensorInfo).dataId);
      }
      const out = emit(graph, values, attrs ?? {});
      return Array.isArray(out) ? out.map((value) => backend.put(value)) : backend.put(out);
    },
  });
}

/** Whether code is being recorded: where it is, an operator may be written in ONNX's fused form. */
export const isTracing = (): boolean => backend.graph !== undefined;

/** One tfjs kernel of the trace backend alone, run by name: how the fused operators get into a graph. */
export const emitKernel = (name: string, inputs: tf.NamedTensorMap, attrs: object = {}): tf.Tensor =>
  tf.engine().runKernel(name, inputs, attrs as tf.NamedAttrMap) as tf.Tensor;

/** Code that is not the caller's: tfjs (in its package, or in its sources where source maps are on), the engine, Node. */
const INNER =
  /@tensorflow[\\/]|tfjs-\w+[\\/]src[\\/]|[\\/]engine[\\/](backend|program|compile|ops)\.[jt]s:|node:/;

/** The line of the caller's own code in a stack. */
function callSite(stack: string): string {
  const frame = stack
    .split("\n")
    .slice(1)
    .find((line) => !INNER.test(line));
  return frame ? frame.trim().replace(/^at /, "") : "an unknown place";
}

function explain(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const missing = /[Kk]ernel '(\w+)' (?:not registered )?for backend 'trace'/.exec(error.message);
  if (missing) {
    return new Error(
      `The tfjs operator ${missing[1]} has no compiled form. It was called at ${callSite(error.stack ?? "")}. ` +
        "Write it with other operators, or keep this part outside of compile().",
      { cause: error },
    );
  }
  return error;
}

/** Which backend was active before a trace; tfjs chooses one lazily, and only "trace" would be there to choose. */
function activeBackend(): string {
  const engine = tf.engine() as unknown as { backendName?: string };
  return engine.backendName && engine.backendName !== TRACE ? engine.backendName : "cpu";
}

/**
 * Runs `fn` once on symbolic inputs and returns the graph that it wrote, with its outputs.
 * Synchronous from end to end: the active tfjs backend is exchanged meanwhile and put back, also after an error.
 */
export function record(
  fn: (inputs: Record<string, tf.Tensor>) => Record<string, tf.Tensor>,
  inputs: Record<string, { shape: number[]; dtype: DType }>,
  device: string,
): { graph: Graph; outputs: Record<string, Value> } {
  if (backend.graph)
    throw new Error("trace() or compile() was called inside a function that is being traced.");
  const graph = new Graph(device);
  const before = activeBackend();
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 100; // an error in a gradient has much of tfjs above the line that called for it
  const engine = tf.engine();
  backend.graph = graph;
  void tf.setBackend(TRACE);
  engine.startScope("trace");
  try {
    const tensors: Record<string, tf.Tensor> = {};
    for (const [name, type] of Object.entries(inputs)) {
      tensors[name] = engine.makeTensorFromTensorInfo(backend.put(graph.input(name, type)), backend);
    }
    const outputs: Record<string, Value> = {};
    const results = Object.entries(fn(tensors));
    if (results.length === 0) {
      throw new Error(
        "A compiled function must return at least one tensor, at once: an async function cannot be compiled.",
      );
    }
    for (const [name, tensor] of results) {
      if (!(tensor instanceof tf.Tensor)) {
        throw new Error(`A compiled function must return tensors: its output "${name}" is ${typeof tensor}.`);
      }
      outputs[name] = backend.value(tensor.dataId);
    }
    return { graph, outputs };
  } catch (error) {
    throw explain(error);
  } finally {
    engine.endScope();
    backend.graph = undefined;
    Error.stackTraceLimit = stackTraceLimit;
    void tf.setBackend(before);
  }
}
