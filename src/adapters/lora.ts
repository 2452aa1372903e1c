/**
 * LoRA: low-rank adaptation (Hu et al., arXiv:2106.09685).
 *
 *   y = x·Wᵀ + s · drop(x)·Aᵀ·Bᵀ        W [d, k] frozen,  A [r, k] and B [d, r] trained,  s = α/r
 *
 * The update of a weight is ΔW = s·B·A, of rank at most r, with r·(d + k) parameters in place of d·k. B starts at zero,
 * so training starts exactly at the base; A starts as PyTorch's linear layers do, uniform in ±1/√k.
 */
import * as tf from "@tensorflow/tfjs";
import { generator, type HostArray } from "../engine";
import type { Adapter, Method } from "../model/adapter";
import { Parameters } from "../model/parameters";
import { type LinearShape, selectTargets, type Targets } from "./targets";

export interface LoraSettings {
  /** r, the rank of the update; at most the smaller side of each target. PEFT: `r`. */
  rank: number;
  /** α; the update is scaled by α/r. PEFT: `lora_alpha`. */
  alpha: number;
  /** Which linear layers get an update. PEFT: `target_modules`. */
  targets: Targets;
  /** Probability with which an element of A's input is dropped in training. PEFT: `lora_dropout`. */
  dropout: number;
  /** Scale by α/√r, which keeps gradients alike at every rank (Kalajdzievski, arXiv:2312.03732). PEFT: `use_rslora`. */
  rsLoRA: boolean;
}

/** A target's update with its places in the parameters. */
export interface LoraPair extends LinearShape {
  /** Parameter names of A [rank, in] and B [out, rank]. */
  a: string;
  b: string;
}

export interface LoraAdapter extends Adapter {
  readonly method: "lora";
  readonly settings: Readonly<LoraSettings> & Record<string, unknown>;
  /** s: what B·A is multiplied by. */
  readonly scale: number;
  readonly pairs: readonly LoraPair[];
  /** ΔW = s·B·A of one target, [out, in]. */
  delta(path: string): HostArray;
}

/**
 * LoRA (Hu et al., arXiv:2106.09685) with these settings, to `attach` to a model: y = x·Wᵀ + (α/r)·drop(x)·Aᵀ·Bᵀ, with
 * A [rank, in] random and B [out, rank] zero at the start. Defaults: rank 8, alpha = rank, "all-linear", no dropout.
 * @throws for settings out of range; when attached, for a rank above a target's smaller side and for targets that match
 *   nothing
 */
export function lora({
  rank = 8,
  alpha = rank,
  targets = "all-linear",
  dropout = 0,
  rsLoRA = false,
}: Partial<LoraSettings> = {}): Method {
  const settings = { rank, alpha, targets, dropout, rsLoRA };
  check(settings);
  return {
    method: "lora",
    bind: (base, seed) => bind(settings, selectTargets(base, targets), seed),
  };
}

function check({ rank, alpha, dropout }: LoraSettings): void {
  if (!Number.isInteger(rank) || rank < 1)
    throw new Error(`lora: rank must be a whole number from 1, got ${rank}`);
  if (!Number.isFinite(alpha)) throw new Error(`lora: alpha must be a number, got ${alpha}`);
  if (!(dropout >= 0 && dropout < 1)) throw new Error(`lora: dropout must be in [0, 1), got ${dropout}`);
}

function bind(settings: LoraSettings, targets: LinearShape[], seed: number): LoraAdapter {
  const { rank, alpha, dropout, rsLoRA } = settings;
  const tooSmall = targets.find((target) => rank > Math.min(target.out, target.in));
  if (tooSmall) {
    const { path, out, in: inputs } = tooSmall;
    throw new Error(
      `lora: rank ${rank} is above what ${path} can have: its matrix is [${out}, ${inputs}], so ΔW has rank ` +
        `${Math.min(out, inputs)} at most. Choose a lower rank or leave it out of the targets.`,
    );
  }
  const scale = alpha / (rsLoRA ? Math.sqrt(rank) : rank);
  const pairs = targets.map((target) => ({
    ...target,
    a: `${target.path}.lora_A.weight`,
    b: `${target.path}.lora_B.weight`,
  }));
  const pairOf = new Map(pairs.map((pair) => [pair.path, pair]));
  const parameters = initialise(pairs, rank, generator(seed));

  const delta = (path: string): HostArray => {
    const pair = pairOf.get(path);
    if (!pair)
      throw new Error(`lora: ${path} is not a target; targets are ${pairs.map((p) => p.path).join(", ")}`);
    const data = product(parameters.get(pair.b), parameters.get(pair.a)).map((x) => x * scale);
    return { data, shape: [pair.out, pair.in], dtype: "float32" };
  };

  return {
    method: "lora",
    settings: { ...settings },
    scale,
    pairs,
    parameters,
    delta,
    layers: (base, { parameter, random }) => ({
      ...base,
      linear(path, x) {
        const y = base.linear(path, x);
        const pair = pairOf.get(path);
        if (!pair) return y;
        const dropped = random ? random.dropout(x, dropout) : x;
        const down = tf.mul(tf.matMul(dropped, parameter(pair.a) as tf.Tensor2D, false, true), scale);
        return tf.add(y, tf.matMul(down as tf.Tensor2D, parameter(pair.b) as tf.Tensor2D, false, true));
      },
    }),
    merged: (base) =>
      new Map(
        pairs.map(({ path }) => {
          const weight = base.weights.get(`${path}.weight`)!;
          const change = delta(path).data;
          return [
            `${path}.weight`,
            { ...weight, data: (weight.data as Float32Array).map((w, i) => w + change[i]!) },
          ];
        }),
      ),
  };
}

function initialise(pairs: readonly LoraPair[], rank: number, random: () => number): Parameters {
  const arrays = new Map<string, HostArray>();
  for (const { a, b, out, in: inputs } of pairs) {
    const bound = 1 / Math.sqrt(inputs);
    const uniform = Float32Array.from({ length: rank * inputs }, () => (2 * random() - 1) * bound);
    arrays.set(a, { data: uniform, shape: [rank, inputs], dtype: "float32" });
    arrays.set(b, { data: new Float32Array(out * rank), shape: [out, rank], dtype: "float32" });
  }
  return new Parameters(arrays);
}

/** b·a of [m, r] and [r, n]. */
function product(b: HostArray, a: HostArray): Float32Array {
  const [m, r] = b.shape as [number, number];
  const n = a.shape[1]!;
  const out = new Float32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let k = 0; k < r; k++) {
      const factor = b.data[i * r + k]!;
      for (let j = 0; j < n; j++) out[i * n + j]! += factor * a.data[k * n + j]!;
    }
  }
  return out;
}
