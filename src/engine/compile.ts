/** `compile`: the engine as users see it, tfjs tensors in and tfjs tensors out. */
import * as tf from "@tensorflow/tfjs";
import type { DType, TypedArray } from "./graph";
import { type HostArray, type Program, type TraceOptions, trace } from "./program";
import { onThread } from "./thread";

type Result = tf.Tensor | tf.Tensor[] | Record<string, tf.Tensor>;

export interface Compiled<A extends tf.Tensor[], R extends Result> {
  (...inputs: A): Promise<R>;
  /** How many programs have been built: one for each combination of input shapes and dtypes. */
  readonly programs: number;
  /** Frees the native memory of all programs. */
  dispose(): Promise<void>;
}

/**
 * The same function, traced once and run natively.
 *
 * `fn` is ordinary tfjs code on tensors of static shape: no reads of values inside, no branches on them. It is run once
 * for each combination of input shapes and dtypes; tensors that it closes over are frozen as they were then. Gradients
 * (`tf.grads`, `tf.valueAndGrads` …) may be taken inside.
 *
 * @example
 *   const f = compile((x: tf.Tensor2D) => tf.softmax(tf.matMul(x, w)));
 *   (await f(tf.ones([2, 3]))).print();
 * @returns a function of the same tensors; its result has the form of `fn`'s: a tensor, an array or a record of tensors
 * @throws (when called) for an operator without a compiled form, for a read of a tensor's value inside `fn`, for an
 *   async `fn`, for arguments that are not tensors of float32, int32 or bool, and what `fn` throws
 */
export function compile<A extends tf.Tensor[], R extends Result>(
  fn: (...inputs: A) => R,
  options: TraceOptions = {},
): Compiled<A, R> {
  const programs = new Map<string, Promise<{ program: Program; form: Result }>>();

  const build = async (inputs: tf.Tensor[]) => {
    let form: Result | undefined;
    const specs = Object.fromEntries(
      inputs.map((x, i) => [`input${i}`, { shape: x.shape, dtype: x.dtype as DType }]),
    );
    // On this thread, whoever calls it first: it is kept for all who call it later.
    const program = await onThread(undefined, () =>
      trace(
        (tensors) => {
          const result = fn(...(Object.values(tensors) as A));
          if (result instanceof tf.Tensor) {
            form = result;
            return { value: result };
          }
          form = Array.isArray(result) ? [] : {};
          return { ...result } as Record<string, tf.Tensor>;
        },
        specs,
        options,
      ),
    );
    return { program, form: form! };
  };

  const run = async (...inputs: A): Promise<R> => {
    const key = inputs.map((x, i) => {
      if (!(x instanceof tf.Tensor))
        throw new Error(`compile: argument ${i} must be a tensor, got ${typeof x}.`);
      if (!["float32", "int32", "bool"].includes(x.dtype))
        throw new Error(`compile: argument ${i} must be float32, int32 or bool, got ${x.dtype}.`);
      return `${x.dtype}[${x.shape}]`;
    });
    const id = key.join();
    if (!programs.has(id)) programs.set(id, build(inputs));
    const building = programs.get(id)!;
    // A function that could not be traced may be traced again later, for instance when what it closes over has changed.
    building.catch(() => programs.get(id) === building && programs.delete(id));
    // Read at once: the caller may dispose of the arguments while the program is being built.
    const [{ program, form }, ...data] = await Promise.all([building, ...inputs.map((x) => x.data())]);
    const feeds = Object.fromEntries(data.map((values, i) => [`input${i}`, values as TypedArray]));
    const outputs = await program.run(feeds);
    const tensor = ({ data, shape, dtype }: HostArray) => tf.tensor(data, shape, dtype);
    if (form instanceof tf.Tensor) return tensor(outputs.value!) as R;
    if (Array.isArray(form)) return Object.values(outputs).map(tensor) as R;
    return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, tensor(value)])) as R;
  };

  return Object.defineProperties(run, {
    programs: { get: () => programs.size },
    dispose: {
      value: async () => {
        const built = [...programs.values()];
        programs.clear();
        // One that could not be built has told so to whoever called for it.
        for (const one of built) await (await one.catch(() => undefined))?.program.dispose();
      },
    },
  }) as Compiled<A, R>;
}
