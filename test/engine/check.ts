/**
 * How a compiled operator is tested: the same tfjs code runs eagerly on tfjs's own CPU backend and compiled on a device,
 * on inputs that fast-check draws, and values, shapes, dtypes and gradients must agree.
 */
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type Device,
  eager,
  type HostArray,
  type InputSpec,
  type TraceOptions,
  type TypedArray,
  trace,
} from "../../src/engine";
import { generator } from "../../src/engine/random";

export interface Sample {
  inputs: HostArray[];
  /** Ordinary tfjs; must not read values. */
  f: (...inputs: any[]) => tf.Tensor | tf.Tensor[];
  /** Whether tfjs has a gradient for this. */
  gradient: boolean;
}

/**
 * One operator, or a few that share their inputs.
 *
 * `tolerance` is relative to the larger of the expected element and 1. Even where ONNX Runtime computes the same
 * function it need not give the same bits: tfjs computes each element in float64 and rounds, sums in another order, and
 * ONNX Runtime's exp, tanh and erf are polynomials of a few units in the last place.
 */
export interface Case {
  name: string;
  draw: (d: Draw) => Omit<Sample, "gradient">;
  gradient?: boolean;
  tolerance?: number;
  /** For a case that takes long: at most this many samples. */
  samples?: number;
  /** Set where ONNX Runtime's GPU providers cannot do it. */
  cpuOnly?: true;
}

export const TOLERANCE = 2e-5;

/** What a case draws its inputs with: fast-check chooses shapes and options, a seed of its own the contents. */
export class Draw {
  private readonly random: () => number;

  constructor(
    private readonly gen: fc.GeneratorValue,
    readonly device: Device,
  ) {
    this.random = generator(this.int(0, 2 ** 30));
  }

  int(min: number, max: number): number {
    return this.gen(() => fc.integer({ min, max }));
  }

  bool(): boolean {
    return this.gen(fc.boolean);
  }

  pick<T>(...choices: T[]): T {
    return choices[this.int(0, choices.length - 1)]!;
  }

  /** Dimensions of 1 to 4, so that size-1 ones are common. */
  shape(minRank = 0, maxRank = 4): number[] {
    return Array.from({ length: this.int(minRank, maxRank) }, () => this.int(1, 4));
  }

  /** A shape that broadcasts to the given one. */
  narrower(shape: number[]): number[] {
    return shape.slice(this.int(0, shape.length)).map((n) => (this.int(0, 3) === 0 ? 1 : n));
  }

  /** Two shapes that broadcast together. */
  pair(): [number[], number[]] {
    const shape = this.shape();
    return this.bool() ? [shape, this.narrower(shape)] : [this.narrower(shape), shape];
  }

  /** An axis of a tensor, counted from the front or from the back. */
  axis(rank: number): number {
    return this.int(-rank, rank - 1);
  }

  /** Some axes, or all as `undefined`. */
  axes(rank: number): number[] | undefined {
    if (this.bool()) return undefined;
    const sign = this.bool() ? -rank : 0;
    return [...Array(rank).keys()].filter(() => this.bool()).map((i) => i + sign);
  }

  permutation(rank: number): number[] {
    const order = [...Array(rank).keys()];
    return this.gen(() => fc.shuffledSubarray(order, { minLength: rank, maxLength: rank }));
  }

  private fill<A extends TypedArray>(array: A, element: () => number): A {
    for (let i = 0; i < array.length; i++) array[i] = element();
    return array;
  }

  /** Uniform in [min, max); half of the time on a grid of eighths, where ties and exact zeros happen. */
  floats(shape: number[], min = -4, max = 4): HostArray {
    const grid = this.bool();
    const element = () => {
      const x = min + this.random() * (max - min);
      return grid ? Math.max(Math.round(x * 8) / 8, Math.ceil(min * 8) / 8) : x;
    };
    return {
      data: this.fill(new Float32Array(tf.util.sizeFromShape(shape)), element),
      shape,
      dtype: "float32",
    };
  }

  /** Floats with NaN, infinities and both zeros among them; on a GPU, which need not keep them, plain floats. */
  special(shape: number[]): HostArray {
    const array = this.floats(shape);
    if (this.device !== "cpu") return array;
    const odd = [Number.NaN, Infinity, -Infinity, 0, -0];
    for (let i = 0; i < array.data.length; i++) {
      if (this.random() < 0.3) array.data[i] = odd[Math.floor(this.random() * odd.length)]!;
    }
    return array;
  }

  /** Whole numbers in min … max. */
  ints(shape: number[], min = -9, max = 9): HostArray {
    const element = () => min + Math.floor(this.random() * (max - min + 1));
    return { data: this.fill(new Int32Array(tf.util.sizeFromShape(shape)), element), shape, dtype: "int32" };
  }

  bools(shape: number[]): HostArray {
    const element = () => Math.floor(this.random() * 2);
    return { data: this.fill(new Uint8Array(tf.util.sizeFromShape(shape)), element), shape, dtype: "bool" };
  }

  /** Any of the three dtypes, for operators that only move elements. */
  anything(shape: number[]): HostArray {
    return this.pick(
      () => this.floats(shape),
      () => this.ints(shape),
      () => this.bools(shape),
    )();
  }
}

type Tensors = Record<string, tf.Tensor>;

/** The outputs of f as y0, y1 … and the gradients of their weighted sum as g0, g1 … */
function evaluate(f: Sample["f"], inputs: Tensors, differentiated: string[]): Tensors {
  const names = Object.keys(inputs).filter((name) => name.startsWith("x"));
  const outputs = [f(...names.map((name) => inputs[name]!))].flat();
  const results: Tensors = Object.fromEntries(outputs.map((y, i) => [`y${i}`, y]));
  if (differentiated.length === 0) return results;
  const weighted = (...xs: tf.Tensor[]) => {
    const all = names.map((name) => xs[differentiated.indexOf(name)] ?? inputs[name]!);
    return tf.addN(
      [f(...all)].flat().flatMap((y, i) => (`c${i}` in inputs ? [tf.sum(tf.mul(y, inputs[`c${i}`]!))] : [])),
    );
  };
  const gradients = tf.grads(weighted)(differentiated.map((name) => inputs[name]!));
  for (const [i, g] of gradients.entries()) results[`g${i}`] = g;
  return results;
}

export function assertClose(name: string, actual: HostArray, expected: HostArray, tolerance: number): void {
  assert.deepEqual(actual.shape, expected.shape, `shape of ${name}`);
  assert.equal(actual.dtype, expected.dtype, `dtype of ${name}`);
  for (let i = 0; i < expected.data.length; i++) {
    const [a, e] = [actual.data[i]!, expected.data[i]!];
    const same = Object.is(a, e) || a === e || Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e));
    assert.ok(
      same,
      `${name}[${i}]: compiled ${a}, tfjs ${e}\n  ${[...actual.data]}\n  ${[...expected.data]}`,
    );
  }
}

export const onHost = (tensor: tf.Tensor): HostArray => ({
  data: tensor.dataSync() as TypedArray,
  shape: tensor.shape,
  dtype: tensor.dtype as HostArray["dtype"],
});

/** The tfjs backend to compare with: its own JavaScript, or what `LORALAB_EAGER` names. */
const REFERENCE = process.env.LORALAB_EAGER ?? "cpu";

/** Cases in which TensorFlow differs from tfjs's own backends, and how: left out when it is the reference. */
export const DIFFERENT_ON_TENSORFLOW: Record<string, string> = {
  "round of int32": "its result is not initialised",
  "step of int32": "asks TensorFlow's IsNan, which has no int32",
  "greater of bool": "TensorFlow orders no bool",
  "lessEqual of bool": "TensorFlow orders no bool",
  floorDiv: "keeps float32 where tfjs gives int32",
  "tensors without elements": "TensorFlow's Select does not broadcast",
  diag: "TensorFlow has none of bool",
  gather: "tfjs-node checks indices against the wrong axis when it is negative",
  "unsortedSegmentSum with ids beyond the last segment": "TensorFlow rejects them",
  denseBincount: "tfjs-node has no such kernel",
  searchSorted: "tfjs-node has no such kernel",
};

export const isComparable = ({ name }: Case): boolean =>
  REFERENCE !== "tensorflow" || !(name in DIFFERENT_ON_TENSORFLOW);

/** Runs a sample both ways and compares. */
export async function checkSample(
  sample: Sample,
  tolerance: number,
  options: TraceOptions,
  random: () => number,
) {
  if (REFERENCE !== "cpu") await eager();
  tf.setBackend(REFERENCE);
  const host: Record<string, HostArray> = Object.fromEntries(sample.inputs.map((x, i) => [`x${i}`, x]));
  let differentiated: string[] = [];
  const expected: Record<string, HostArray> = {};
  tf.tidy(() => {
    const tensors = Object.fromEntries(
      Object.entries(host).map(([name, x]) => [name, tf.tensor(x.data, x.shape, x.dtype)]),
    );
    if (sample.gradient) {
      const outputs = [sample.f(...Object.values(tensors))].flat();
      for (const [i, { shape, size, dtype }] of outputs.entries()) {
        if (dtype !== "float32") continue;
        differentiated = Object.keys(host).filter(
          (name) => name.startsWith("x") && host[name]!.dtype === "float32",
        );
        const data = Float32Array.from({ length: size }, () => random() * 2 - 1);
        host[`c${i}`] = { data, shape, dtype: "float32" };
        tensors[`c${i}`] = tf.tensor(data, shape);
      }
    }
    const results = evaluate(sample.f, tensors, differentiated);
    for (const [name, y] of Object.entries(results)) expected[name] = onHost(y);
  });
  const specs: Record<string, InputSpec> = Object.fromEntries(
    Object.entries(host).map(([name, { shape, dtype }]) => [name, { shape, dtype }]),
  );
  const program = await trace((inputs) => evaluate(sample.f, inputs, differentiated), specs, options);
  try {
    const actual = await program.run(
      Object.fromEntries(Object.entries(host).map(([name, x]) => [name, x.data])),
    );
    for (const [name, want] of Object.entries(expected)) assertClose(name, actual[name]!, want, tolerance);
  } finally {
    await program.dispose();
  }
}

/** Checks a case on `runs` samples. The seed is fixed: a failure is the same failure everywhere. */
export function checkCase(
  { name, draw, gradient = true, tolerance = TOLERANCE, samples }: Case,
  runs: number,
  options: TraceOptions & { device: Device },
) {
  const property = fc.asyncProperty(fc.gen(), async (gen) => {
    const d = new Draw(gen, options.device);
    const sample = draw(d);
    // GPUs may compute exp, sin, pow … to a few thousandths of a unit (WGSL, "Accuracy of Built-in Functions").
    const allowed = options.device === "cpu" ? tolerance : Math.max(tolerance, 2e-3);
    await checkSample({ gradient, ...sample }, allowed, options, generator(d.int(0, 2 ** 30)));
  });
  return fc
    .assert(property, { numRuns: Math.min(runs, samples ?? runs), seed: 20250101, endOnFailure: true })
    .catch((error: Error) => {
      throw new Error(`${name}: ${error.message}`, { cause: error });
    });
}
