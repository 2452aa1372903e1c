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
import { doubled, type Initialisation, residual, type Start } from "./initialisation";
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

export interface LoraSettings extends LowRankSettings {
  /** What A and B start from: `pissa`, `olora` or another; by default A random and B zero. PEFT: `init_lora_weights`. */
  init?: Initialisation;
  /**
   * B's learning rate over A's (LoRA+: Hayou et al., arXiv:2402.12354), which of linear layers should be well above 1,
   * about 16; otherwise they are the same. PEFT: `create_loraplus_optimizer(loraplus_lr_ratio=…)`.
   */
  loraPlusRatio?: number;
}
export type LoraPair = LowRankPair;

export interface LoraAdapter extends Adapter {
  readonly method: "lora";
  /** `init` by its name. */
  readonly settings: Readonly<Omit<LoraSettings, "init">> & { readonly init?: string } & Record<
      string,
      unknown
    >;
  /** s: what B·A is multiplied by, where no pattern says otherwise. */
  readonly scale: number;
  readonly pairs: readonly LoraPair[];
  /** ΔW of one target, in its weight's shape: [out, in]. With `init` it is what became of the base's weight. */
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
  init,
  loraPlusRatio,
}: Partial<LoraSettings> = {}): Method {
  const patterns = { rankPattern, alphaPattern };
  const settings = { rank, alpha, targets, dropout, rsLoRA, ...patterns, modulesToSave, init, loraPlusRatio };
  if (loraPlusRatio !== undefined && !(loraPlusRatio > 0 && loraPlusRatio < Infinity)) {
    throw new Error(`lora: loraPlusRatio must be a number above 0, got ${loraPlusRatio}`);
  }
  checkLowRank("lora", settings);
  return { method: "lora", bind: (base, seed) => bind(settings, base, seed) };
}

function bind(settings: LoraSettings, base: Base, seed: number): LoraAdapter {
  const { rank, alpha, dropout, rsLoRA, modulesToSave, init, loraPlusRatio } = settings;
  const pairs = lowRankPairs("lora", base, settings, { embeddings: true });
  const pairOf = new Map(pairs.map((pair) => [pair.path, pair]));
  const whole = wholeModules("lora", base, modulesToSave, pairs);
  const random = generator(seed);
  const starts = new Map<string, Start>();
  const replaced = new Map<string, HostArray>();
  for (const pair of pairs) {
    const name = `${pair.path}.weight`;
    if (!init || pair.embedding) continue;
    const start = init.start(pair, base.weights.get(name)!);
    starts.set(pair.path, start);
    if (init.takenOut) replaced.set(name, residual(pair, base.weights.get(name)!, start));
  }
  const initial = pairs.flatMap((pair) => initialPair(pair, random, starts.get(pair.path)));
  const parameters = new Parameters(new Map([...initial, ...whole.arrays]));

  /** What the base's weight becomes. */
  const changed = (pair: LoraPair, { weights }: Base): HostArray => {
    const name = `${pair.path}.weight`;
    return sum(replaced.get(name) ?? weights.get(name)!, lowRankDelta(pair, parameters));
  };

  const delta = (path: string): HostArray => {
    const pair = pairOf.get(path);
    if (!pair)
      throw new Error(`lora: ${path} is not a target; targets are ${pairs.map((p) => p.path).join(", ")}`);
    if (replaced.size === 0 || pair.embedding) return lowRankDelta(pair, parameters);
    return sum(changed(pair, base), base.weights.get(`${path}.weight`)!, -1);
  };

  /** As an update of the base's own weights: [B, −B₀]·[A; A₀]. */
  const portable = (base: Base): LoraAdapter => {
    const ordinary = bind({ ...doubled(settings), init: undefined }, base, seed);
    for (const name of whole.arrays.keys()) ordinary.parameters.set(name, parameters.get(name).data);
    for (const { path, a, b, rank, out } of pairs) {
      const [A, B] = [parameters.get(a).data, parameters.get(b).data];
      // An embedding has nothing taken out: the other half of its rank is zero.
      const start = starts.get(path) ?? { a: new Float32Array(A.length), b: new Float32Array(B.length) };
      ordinary.parameters.set(a, [...A, ...start.a]);
      const both = Array.from({ length: out }, (_, i) => {
        const row = (matrix: ArrayLike<number>) => Array.from(matrix).slice(i * rank, (i + 1) * rank);
        return [...row(B), ...row(start.b).map((x) => -x)];
      });
      ordinary.parameters.set(b, both.flat());
    }
    return ordinary;
  };

  return {
    method: "lora",
    settings: { ...settings, init: init?.name },
    scale: scaleOf(rank, alpha, rsLoRA),
    pairs,
    parameters,
    ...(loraPlusRatio !== undefined && {
      rates: new Map(pairs.filter(({ embedding }) => !embedding).map(({ b }) => [b, loraPlusRatio])),
    }),
    ...(replaced.size > 0
      ? { replaced, portable }
      : { form: `lora ${JSON.stringify([pairs, [...whole.arrays.keys()]])}` }),
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
      const updated = pairs.map((pair): [string, HostArray] => [`${pair.path}.weight`, changed(pair, base)]);
      return mergedWeights(base, updated, whole, parameters);
    },
  };
}
