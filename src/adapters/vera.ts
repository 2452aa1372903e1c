/**
 * VeRA: vector-based random matrix adaptation (Kopiczko et al., arXiv:2310.11454).
 *
 *   y = x·Wᵀ + Λ_b·B·Λ_d·A·drop(x)        A [r, in] and B [out, r] random and frozen,  d [r] and b [out] trained
 *
 * All layers share one A and one B; a layer has only the diagonals Λ_d and Λ_b of its own, r + out numbers. b starts at
 * zero, so training starts exactly at the base, and d at 0.1. Where layers differ in size, A and B are made for the
 * largest, and a smaller one takes their first columns and rows.
 */
import * as tf from "@tensorflow/tfjs";
import { generator, type HostArray } from "../engine";
import type { Adapter, Base, Method } from "../model/adapter";
import { Parameters } from "../model/parameters";
import { checkDropout, product, sum } from "./low-rank";
import { type LinearShape, selectTargets, type Targets } from "./targets";
import { mergedWeights, wholeModules } from "./whole-modules";

export interface VeraSettings {
  /** r, the rows of A: far more than LoRA's rank, since each costs one number per layer. PEFT: `r`. */
  rank: number;
  /** Which linear layers get an update. PEFT: `target_modules`. */
  targets: Targets;
  /** Probability with which an element of A's input is dropped in training. PEFT: `vera_dropout`. */
  dropout: number;
  /** What d starts from. PEFT: `d_initial`. */
  dInitial: number;
  /** Modules to train whole besides, such as "lm_head": their weights themselves. PEFT: `modules_to_save`. */
  modulesToSave: readonly string[];
}

/** A target's diagonals with their places in the parameters. */
export interface VeraScaling extends LinearShape {
  /** Parameter names of b [out] and d [rank]. */
  b: string;
  d: string;
}

export interface VeraAdapter extends Adapter {
  readonly method: "vera";
  readonly settings: Readonly<VeraSettings> & Record<string, unknown>;
  readonly scalings: readonly VeraScaling[];
  /** "vera_A" [rank, widest input] and "vera_B" [widest output, rank]: saved with the adapter, shared by all layers. */
  readonly buffers: ReadonlyMap<string, HostArray>;
  /** ΔW = Λ_b·B·Λ_d·A of one target, [out, in]. */
  delta(path: string): HostArray;
}

/**
 * VeRA (Kopiczko et al., arXiv:2310.11454) with these settings, to `attach` to a model: y = x·Wᵀ + Λ_b·B·Λ_d·A·drop(x)
 * with A [rank, in] and B [out, rank] random, frozen and shared by all layers, b [out] zero and d [rank] `dInitial` at
 * the start. Defaults: rank 256, "all-linear", no dropout, dInitial 0.1. The diagonals want a higher learning rate than
 * LoRA's matrices. PEFT: `VeraConfig`; its adapter files must hold the projections (`save_projection`, its default).
 * @throws for settings out of range; when attached, for targets and modules that match nothing
 */
export function vera({
  rank = 256,
  targets = "all-linear",
  dropout = 0,
  dInitial = 0.1,
  modulesToSave = [],
}: Partial<VeraSettings> = {}): Method {
  if (!Number.isInteger(rank) || rank < 1)
    throw new Error(`vera: rank must be a whole number from 1, got ${rank}`);
  if (!Number.isFinite(dInitial)) throw new Error(`vera: dInitial must be a number, got ${dInitial}`);
  checkDropout("vera", dropout);
  const settings = { rank, targets, dropout, dInitial, modulesToSave };
  return { method: "vera", bind: (base, seed) => bind(settings, base, seed) };
}

function bind(settings: VeraSettings, base: Base, seed: number): VeraAdapter {
  const { rank, targets, dropout, dInitial, modulesToSave } = settings;
  const scalings = selectTargets(base, targets).map(
    (target): VeraScaling => ({
      ...target,
      b: `${target.path}.vera_lambda_b`,
      d: `${target.path}.vera_lambda_d`,
    }),
  );
  const scalingOf = new Map(scalings.map((scaling) => [scaling.path, scaling]));
  const whole = wholeModules("vera", base, modulesToSave, scalings);
  const vector = (data: Float32Array): HostArray => ({ data, shape: [data.length], dtype: "float32" });
  const initial = scalings.flatMap(({ b, d, out }): [string, HostArray][] => [
    [b, vector(new Float32Array(out))],
    [d, vector(new Float32Array(rank).fill(dInitial))],
  ]);
  const parameters = new Parameters(new Map([...initial, ...whole.arrays]));

  const random = generator(seed);
  const widest = (side: "in" | "out") => Math.max(...scalings.map((scaling) => scaling[side]));
  const [A, B] = [kaimingUniform(rank, widest("in"), random), kaimingUniform(widest("out"), rank, random)];

  const delta = (path: string): HostArray => {
    const scaling = scalingOf.get(path);
    if (!scaling) {
      throw new Error(`vera: ${path} is not a target; targets are ${[...scalingOf.keys()].join(", ")}`);
    }
    const { out, in: inputs } = scaling;
    const [b, d] = [parameters.get(scaling.b).data, parameters.get(scaling.d).data];
    const scaled = (B.data as Float32Array)
      .subarray(0, out * rank)
      .map((x, i) => b[Math.floor(i / rank)]! * x * d[i % rank]!);
    const width = A.shape[1]!;
    const columns = Float32Array.from(
      { length: rank * inputs },
      (_, i) => A.data[Math.floor(i / inputs) * width + (i % inputs)]!,
    );
    const data = product(
      { data: scaled, shape: [out, rank], dtype: "float32" },
      { data: columns, shape: [rank, inputs], dtype: "float32" },
    );
    return { data, shape: [out, inputs], dtype: "float32" };
  };

  return {
    method: "vera",
    settings: { ...settings },
    scalings,
    parameters,
    buffers: new Map([
      ["vera_A", A],
      ["vera_B", B],
    ]),
    delta,
    layers(base, context) {
      const { parameter, random } = context;
      const frozen = ({ data, shape }: HostArray) =>
        tf.tensor2d(data as Float32Array, shape as [number, number]);
      const [a, b] = [frozen(A), frozen(B)];
      const adapted: typeof base = {
        ...base,
        linear(path, x) {
          const y = base.linear(path, x);
          const scaling = scalingOf.get(path);
          if (!scaling) return y;
          const dropped = random ? random.dropout(x, dropout) : x;
          const down = tf.matMul(dropped, tf.slice(a, [0, 0], [rank, scaling.in]), false, true);
          const middle = tf.mul<tf.Tensor2D>(down, parameter(scaling.d));
          const up = tf.matMul(middle, tf.slice(b, [0, 0], [scaling.out, rank]), false, true);
          return tf.add(y, tf.mul(up, parameter(scaling.b)));
        },
      };
      return whole.layers(adapted, context);
    },
    merged(base) {
      const updated = scalings.map(({ path }): [string, HostArray] => {
        const name = `${path}.weight`;
        return [name, sum(base.weights.get(name)!, delta(path))];
      });
      return mergedWeights(base, updated, whole, parameters);
    },
  };
}

/** Uniform in ±√(6/columns), which keeps the size of what goes through (He et al., arXiv:1502.01852). */
function kaimingUniform(rows: number, columns: number, random: () => number): HostArray {
  const bound = Math.sqrt(6 / columns);
  const data = Float32Array.from({ length: rows * columns }, () => (2 * random() - 1) * bound);
  return { data, shape: [rows, columns], dtype: "float32" };
}
