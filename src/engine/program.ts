/**
 * Traced functions as native programs: graph → ONNX model → ONNX Runtime session.
 */
import type * as tf from "@tensorflow/tfjs";
import { record as recordGraph } from "./backend";
import { chosenDevice, type Device } from "./device";
import { type DType, sizeOf, type TypedArray } from "./graph";
import { writeModel } from "./onnx";
import * as ort from "./runtime";
import { outputOf, State } from "./state";
import { computeThread, type Session } from "./thread";
import { mostThreads } from "./threads";

/** A tensor in ordinary memory, row-major. bool is 0 or 1 in a Uint8Array. */
export interface HostArray {
  data: TypedArray;
  shape: number[];
  dtype: DType;
}

export interface InputSpec {
  shape: number[];
  dtype: DType;
}

export type Tensors = Record<string, tf.Tensor>;

export interface TraceOptions {
  /** The execution provider; by default what `device()` reports. */
  device?: Device;
  /**
   * Threads of one operator on the CPU; by default `LORALAB_THREADS`, or else one per physical core, and one where work is
   * done side by side.
   */
  threads?: number;
  /**
   * Names that are inputs and outputs both, of one shape each. They are given to the first run, and kept from then on: on the
   * device where it has a memory of its own, on the program's thread where it has one. No run returns them; `read` does.
   */
  state?: readonly string[];
  /** ONNX Runtime's own session options, over the ones chosen here. */
  session?: ort.InferenceSession.SessionOptions;
}

const ARRAY = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

/**
 * How a provider is asked for, where its name alone gives a slower one. WebGPU's default rounds sizes of buffers up to a
 * few and keeps all of them; programs here have static shapes, so buffers of the very sizes come back at each run.
 */
const PROVIDER: Partial<Record<Device, ort.InferenceSession.ExecutionProviderConfig>> = {
  webgpu: {
    name: "webgpu",
    storageBufferCacheMode: "simple",
  } as ort.InferenceSession.WebGpuExecutionProviderOption,
};

/** A compiled function of named arrays. Holds native memory until `dispose`. */
export class Program {
  private closed = false;
  /** Whether there was a run, so that there is a state. */
  private hasState = false;
  /** Settled when all runs that have begun are over. */
  private idle: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly session: Session,
    readonly inputs: Record<string, InputSpec>,
    /** Those that `run` returns. */
    readonly outputs: string[],
    readonly device: Device,
    private readonly state: readonly string[] = [],
  ) {}

  /**
   * Runs once. Arrays are read in place and must not change before the promise resolves. After the first run `state` may be
   * left out; what is given replaces it.
   * @throws when an input is missing, unknown, or differs in length or type from what was traced
   */
  async run(inputs: Record<string, TypedArray>): Promise<Record<string, HostArray>> {
    if (this.closed) throw new Error("This program was disposed and cannot run any more.");
    const unknown = Object.keys(inputs).find((name) => !(name in this.inputs));
    if (unknown) {
      throw new Error(
        `There is no input "${unknown}": this program's inputs are ${Object.keys(this.inputs).join(", ")}.`,
      );
    }
    const feeds: Record<string, ort.Tensor> = {};
    for (const [name, { shape, dtype }] of Object.entries(this.inputs)) {
      const data = inputs[name];
      if (!data && this.hasState && this.state.includes(name)) continue;
      const want = `${ARRAY[dtype].name} of ${sizeOf(shape)} elements (shape [${shape}])`;
      if (!data) throw new Error(`Input "${name}" is missing: expected a ${want}.`);
      if (data.length !== sizeOf(shape) || data.constructor.name !== ARRAY[dtype].name) {
        throw new Error(
          `Input "${name}": expected a ${want}, got a ${data.constructor.name} of ${data.length}.`,
        );
      }
      feeds[name] = new ort.Tensor(dtype, data as never, shape);
    }
    const running = this.session.run(feeds);
    this.idle = Promise.allSettled([this.idle, running]).then(() => undefined);
    const results = await running;
    this.hasState = true;
    const outputs: Record<string, HostArray> = {};
    for (const name of this.outputs) {
      const { data, dims, type } = results[outputOf(name)]!;
      outputs[name] = { data: data as TypedArray, shape: [...dims], dtype: type as DType };
    }
    return outputs;
  }

  /**
   * What the last run has left in a state, as an array that nobody else changes.
   * @throws before the first run, and for a name that is no state
   */
  async read(name: string): Promise<TypedArray> {
    if (!this.state.includes(name))
      throw new Error(`There is no state "${name}": this program's are ${this.state.join(", ") || "none"}.`);
    if (!this.hasState || this.closed)
      throw new Error(`The state "${name}" is there from the first run to dispose().`);
    return this.session.read(name);
  }

  /** Frees the native memory, after the runs that have begun. */
  async dispose(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.idle;
    await this.session.release();
  }
}

/**
 * Runs `fn` once on recording tensors and builds the program that it describes.
 * What `fn` closes over (tensors, typed arrays given to `tf.tensor`) becomes a frozen constant of the program.
 *
 * @param fn takes and returns records of tensors; ordinary tfjs on static shapes, gradients included
 * @param inputs shape and dtype of each input
 * @throws for an operator without a compiled form, for a read of a tensor's value inside `fn`, and what `fn` throws
 */
export async function trace(
  fn: (inputs: Tensors) => Tensors,
  inputs: Record<string, InputSpec>,
  options: TraceOptions = {},
): Promise<Program> {
  const device = chosenDevice(options.device);
  const { model, externalData, outputs } = record(fn, inputs, device);
  const thread = device === "cpu" ? computeThread() : undefined;
  const threads = options.threads ?? (thread ? 1 : mostThreads());
  const state = options.state ?? [];
  const places = outputs.map((name) => [outputOf(name), state.includes(name) ? "gpu-buffer" : "cpu"]);
  const sessionOptions: ort.InferenceSession.SessionOptions = {
    executionProviders: device === "cpu" ? ["cpu"] : [PROVIDER[device] ?? device, "cpu"],
    ...(threads && { intraOpNumThreads: threads }),
    ...(device === "webgpu" && state.length > 0 && { preferredOutputLocation: Object.fromEntries(places) }),
    externalData,
    logSeverityLevel: 3,
    // A planned block for all values would come on top of what the first run, without a plan, has taken and keeps.
    enableMemPattern: false,
    ...options.session,
  };
  const session = thread
    ? await thread.create(model, sessionOptions, state)
    : sessionHere(await ort.InferenceSession.create(model, sessionOptions), state, device);
  return new Program(
    session,
    inputs,
    outputs.filter((name) => !state.includes(name)),
    device,
    state,
  );
}

/** A session of this thread, with its state. */
function sessionHere(session: ort.InferenceSession, names: readonly string[], device: Device): Session {
  const state = new State(names, (tensor) => download(tensor, device));
  return {
    run: async (feeds) => {
      const results = { ...(await session.run(state.feeds(feeds))) };
      state.keep(results);
      return results;
    },
    read: (name) => state.read(name),
    release: async () => {
      state.dispose();
      await session.release();
    },
  };
}

/** ONNX Runtime's binding hands tensors of a device on and does not read them; a program that passes one through does. */
async function download(tensor: ort.Tensor, device: Device): Promise<TypedArray> {
  const spec: InputSpec = { shape: [...tensor.dims], dtype: tensor.type as DType };
  const { model, externalData } = record(({ x }) => ({ x: x! }), { x: spec }, device);
  const session = await ort.InferenceSession.create(model, {
    executionProviders: [PROVIDER[device] ?? device, "cpu"],
    externalData,
    logSeverityLevel: 3,
  });
  const { [outputOf("x")]: result } = await session.run({ x: tensor });
  const data = (result!.data as Float32Array).slice();
  await session.release();
  return data;
}

/**
 * The ONNX model that `trace` would run on a device, with the constants that stay outside of it.
 * @throws as `trace` does
 */
export function record(fn: (inputs: Tensors) => Tensors, inputs: Record<string, InputSpec>, device: Device) {
  const { graph, outputs } = recordGraph(fn, inputs, device);
  return { ...writeModel(graph, outputs), outputs: Object.keys(outputs) };
}
