/**
 * QA-LoRA: quantization-aware low-rank adaptation (Xu et al., arXiv:2309.14717).
 *
 *   y = x·Wᵀ + s·pool(x)·Aᵀ·Bᵀ        W [d, k] in 4-bit integers,  A [r, k/g] and B [d, r] trained,  s = α/r
 *
 * W has a scale and a zero point for each group of g inputs, w = scale·(q − zero). `pool` takes the mean of x over the same
 * groups, so the update is constant within a group: each of its weights changes by s/g·(B·A). That is what a zero point
 * can do. A merged model is W with other zero points, in 4-bit integers still, and no code is rounded again:
 *
 *   zero ← zero − s/g · (B·A) / scale
 *
 * The mean is that of the authors' code. PEFT's `use_qalora` multiplies it by the number of groups.
 */
import * as tf from "@tensorflow/tfjs";
import { generator } from "../engine";
import type { Adapter, Base, Method } from "../model/adapter";
import { Parameters } from "../model/parameters";
import { QuantizedWeight } from "../model/quantized";
import type { QuantizedInt4 } from "../quantize";
import {
  checkLowRank,
  initialPair,
  type LowRankPair,
  lowRank,
  lowRankPairs,
  product,
  scaleOf,
  type UpdateSettings,
} from "./low-rank";

export type QaLoraSettings = UpdateSettings;

/** A target's update; `in` counts groups. */
export interface QaLoraPair extends LowRankPair {
  groupSize: number;
}

export interface QaLoraAdapter extends Adapter {
  readonly method: "qalora";
  readonly settings: Readonly<QaLoraSettings> & Record<string, unknown>;
  /** s: what B·A is multiplied by, where no pattern says otherwise. */
  readonly scale: number;
  readonly pairs: readonly QaLoraPair[];
}

/**
 * QA-LoRA (Xu et al., arXiv:2309.14717) with these settings, to `attach` to a model that was quantized with
 * `quantize({ type: "int4" })`, whose groups it pools: y = x·Wᵀ + (α/r)·pool(x)·Aᵀ·Bᵀ, with A [rank, in/g] random and
 * B [out, rank] zero at the start. `merge` changes zero points only. The settings and their defaults are LoRA's.
 * @throws for settings out of range; when attached, for a target that is not in 4-bit integers, for a rank above the
 *   smaller of a target's outputs and groups, and for targets and patterns that match nothing
 */
export function qalora({
  rank = 8,
  alpha = rank,
  targets = "all-linear",
  dropout = 0,
  rsLoRA = false,
  rankPattern = {},
  alphaPattern = {},
}: Partial<QaLoraSettings> = {}): Method {
  const settings = { rank, alpha, targets, dropout, rsLoRA, rankPattern, alphaPattern };
  checkLowRank("qalora", settings);
  return { method: "qalora", bind: (base, seed) => bind(settings, base, seed) };
}

function bind(settings: QaLoraSettings, base: Base, seed: number): QaLoraAdapter {
  const { rank, alpha, dropout, rsLoRA } = settings;
  const pairs = lowRankPairs("qalora", base, settings).map((pair): QaLoraPair => {
    const { groupSize } = integers(base, pair.path);
    const groups = pair.in / groupSize;
    if (pair.rank > groups) {
      throw new Error(
        `qalora: rank ${pair.rank} is above what ${pair.path} can have: its ${pair.in} inputs are ${groups} groups of ` +
          `${groupSize}. Choose a lower rank, smaller groups, or leave it out of the targets.`,
      );
    }
    return { ...pair, in: groups, groupSize };
  });
  const pairOf = new Map(pairs.map((pair) => [pair.path, pair]));
  const random = generator(seed);
  const parameters = new Parameters(new Map(pairs.flatMap((pair) => initialPair(pair, random))));

  return {
    method: "qalora",
    settings: { ...settings },
    scale: scaleOf(rank, alpha, rsLoRA),
    pairs,
    parameters,
    layers: (base, { parameter, random }) => ({
      ...base,
      linear(path, x) {
        const y = base.linear(path, x);
        const pair = pairOf.get(path);
        if (!pair) return y;
        const dropped = random ? random.dropout(x, dropout) : x;
        return tf.add(y, lowRank(pool(dropped, pair), parameter(pair.a), parameter(pair.b), pair.scale));
      },
    }),
    merged: (base) =>
      new Map(
        pairs.map(({ path, a, b, scale, groupSize }) => {
          const weight = integers(base, path);
          const update = product(parameters.get(b), parameters.get(a));
          const zeros = weight.zeros.map(
            (zero, i) => zero - ((scale / groupSize) * update[i]!) / weight.scales[i]!,
          );
          return [`${path}.weight`, new QuantizedWeight({ ...weight, zeros })];
        }),
      ),
  };
}

/** Means of x [n, in] over groups of inputs: [n, groups]. */
const pool = (x: tf.Tensor2D, pair: QaLoraPair): tf.Tensor2D =>
  tf.mean(tf.reshape(x, [-1, pair.in, pair.groupSize]), 2);

function integers({ weights }: Base, path: string): QuantizedInt4 {
  const weight = weights.get(`${path}.weight`);
  const int4 = weight instanceof QuantizedWeight ? weight.int4 : undefined;
  if (!int4) {
    const held = weight instanceof QuantizedWeight ? "a 4-bit codebook" : "float32";
    throw new Error(
      `qalora: ${path} is in ${held}: expected group-wise integers, whose zero points take the update in. Attach it to ` +
        'model.quantize({ type: "int4" }).',
    );
  }
  return int4;
}
