/**
 * LoRA: low-rank adaptation (Hu et al., arXiv:2106.09685).
 *
 *   y = x·Wᵀ + s · drop(x)·Aᵀ·Bᵀ        W [d, k] frozen,  A [r, k] and B [d, r] trained,  s = α/r
 *
 * The update of a weight is ΔW = s·B·A, of rank at most r, with r·(d + k) parameters in place of d·k. B starts at zero,
 * so training starts exactly at the base; A starts as PyTorch's linear layers do, uniform in ±1/√k.
 *
 * An embedding's update is s·(B·A)ᵀ with A [r, vocabulary] and B [d, r]: token i looks up column i of A. There A starts
 * at zero and B normal, and nothing is dropped.
 */
import * as tf from "@tensorflow/tfjs";
import { generator, type HostArray } from "../engine";
import type { Adapter, Base, Method } from "../model/adapter";
import { Parameters } from "../model/parameters";
import {
  checkLowRank,
  initialPair,
  type LowRankPair,
  type LowRankSettings,
  lowRank,
  lowRankDelta,
  lowRankPairs,
  scaleOf,
  sum,
} from "./low-rank";
import { mergedWeights, wholeModules } from "./whole-modules";

export interface LoraSettings extends LowRankSettings {}
export type LoraPair = LowRankPair;

export interface LoraAdapter extends Adapter {
  readonly method: "lora";
  readonly settings: Readonly<LoraSettings> & Record<string, unknown>;
  /** s: what B·A is multiplied by, where no pattern says otherwise. */
  readonly scale: number;
  readonly pairs: readonly LoraPair[];
  /** ΔW of one target, in its weight's shape: [out, in]. */
  delta(path: string): HostArray;
}

/**
 * LoRA (Hu et al., arXiv:2106.09685) with these settings, to `attach` to a model: y = x·Wᵀ + (α/r)·drop(x)·Aᵀ·Bᵀ, with
 * A [rank, in] random and B [out, rank] zero at the start. Defaults: rank 8, alpha = rank, "all-linear", no dropout.
 * @throws for settings out of range; when attached, for a rank above a target's smaller side, and for targets, patterns
 *   and modules that match nothing
 */
export function lora({
  rank = 8,
  alpha = rank,
  targets = "all-linear",
  dropout = 0,
  rsLoRA = false,
  rankPattern = {},
  alphaPattern = {},
  modulesToSave = [],
}: Partial<LoraSettings> = {}): Method {
  const settings = { rank, alpha, targets, dropout, rsLoRA, rankPattern, alphaPattern, modulesToSave };
  checkLowRank("lora", settings);
  return { method: "lora", bind: (base, seed) => bind(settings, base, seed) };
}

function bind(settings: LoraSettings, base: Base, seed: number): LoraAdapter {
  const { rank, alpha, dropout, rsLoRA, modulesToSave } = settings;
  const pairs = lowRankPairs("lora", base, settings, { embeddings: true });
  const pairOf = new Map(pairs.map((pair) => [pair.path, pair]));
  const whole = wholeModules("lora", base, modulesToSave, pairs);
  const random = generator(seed);
  const initial = pairs.flatMap((pair) => initialPair(pair, random));
  const parameters = new Parameters(new Map([...initial, ...whole.arrays]));

  const delta = (path: string): HostArray => {
    const pair = pairOf.get(path);
    if (!pair)
      throw new Error(`lora: ${path} is not a target; targets are ${pairs.map((p) => p.path).join(", ")}`);
    return lowRankDelta(pair, parameters);
  };

  return {
    method: "lora",
    settings: { ...settings },
    scale: scaleOf(rank, alpha, rsLoRA),
    pairs,
    parameters,
    delta,
    layers(base, context) {
      const { parameter, random } = context;
      const adapted: typeof base = {
        ...base,
        linear(path, x) {
          const y = base.linear(path, x);
          const pair = pairOf.get(path);
          if (!pair) return y;
          const dropped = random ? random.dropout(x, dropout) : x;
          return tf.add(y, lowRank(dropped, parameter(pair.a), parameter(pair.b), pair.scale));
        },
        embedding(path, ids) {
          const y = base.embedding(path, ids);
          const pair = pairOf.get(path);
          if (!pair) return y;
          const down = tf.mul<tf.Tensor2D>(tf.gather(tf.transpose(parameter(pair.a)), ids), pair.scale);
          return tf.add(y, tf.matMul(down, parameter(pair.b) as tf.Tensor2D, false, true));
        },
      };
      return whole.layers(adapted, context);
    },
    merged(base) {
      const updated = pairs.map(({ path }): [string, HostArray] => {
        const name = `${path}.weight`;
        return [name, sum(base.weights.get(name)!, delta(path))];
      });
      return mergedWeights(base, updated, whole, parameters);
    },
  };
}
