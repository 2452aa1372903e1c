/**
 * DoRA: weight-decomposed low-rank adaptation (Liu et al., arXiv:2402.09353).
 *
 *   W′ = m ⊙ (W + s·B·A) / ‖W + s·B·A‖        m [d] and the norm are per output row
 *
 * A weight is taken apart into the lengths of its rows, m, and their directions. LoRA turns the directions, m is trained
 * by itself and starts as the norms ‖W‖ of the rows; so training starts at the base.
 *
 * W′ is never formed. With g = m/‖W + s·B·A‖ the layer is LoRA's with its outputs scaled, y = g ⊙ (x·Wᵀ + s·x·Aᵀ·Bᵀ),
 * and the norm of row i needs no matrix of W's size either, with b the i-th row of B:
 *
 *   ‖wᵢ + s·b·A‖² = ‖wᵢ‖² + b·(2s·A·wᵢ + s²·A·Aᵀ·bᵀ)
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

export interface DoraSettings extends LowRankSettings {}

/** A target's update with its places in the parameters. */
export interface DoraPair extends LowRankPair {
  /** Parameter name of m [out]. */
  magnitude: string;
}

export interface DoraAdapter extends Adapter {
  readonly method: "dora";
  readonly settings: Readonly<DoraSettings> & Record<string, unknown>;
  /** s: what B·A is multiplied by, where no pattern says otherwise. */
  readonly scale: number;
  readonly pairs: readonly DoraPair[];
}

/**
 * DoRA (Liu et al., arXiv:2402.09353) with these settings, to `attach` to a model: W′ = m ⊙ (W + s·BA)/‖W + s·BA‖ with
 * s = alpha/rank, A [rank, in] random, B [out, rank] zero and m [out] the norms of W's rows at the start. Linear layers
 * only. The settings and their defaults are LoRA's. PEFT: `LoraConfig(use_dora=True)`.
 *
 * Every pass computes the norms again, which for a single token costs more than the layer itself: `merge` a trained
 * model before it generates long texts.
 * @throws for settings out of range; when attached, for a rank above a target's smaller side, and for targets, patterns
 *   and modules that match nothing
 */
export function dora({
  rank = 8,
  alpha = rank,
  targets = "all-linear",
  dropout = 0,
  rsLoRA = false,
  rankPattern = {},
  alphaPattern = {},
  modulesToSave = [],
}: Partial<DoraSettings> = {}): Method {
  const settings = { rank, alpha, targets, dropout, rsLoRA, rankPattern, alphaPattern, modulesToSave };
  checkLowRank("dora", settings);
  return { method: "dora", bind: (base, seed) => bind(settings, base, seed) };
}

function bind(settings: DoraSettings, base: Base, seed: number): DoraAdapter {
  const { rank, alpha, dropout, rsLoRA, modulesToSave } = settings;
  const pairs = lowRankPairs("dora", base, settings).map(
    (pair): DoraPair => ({ ...pair, magnitude: `${pair.path}.lora_magnitude_vector` }),
  );
  const pairOf = new Map(pairs.map((pair) => [pair.path, pair]));
  const whole = wholeModules("dora", base, modulesToSave, pairs);
  const random = generator(seed);
  /** ‖wᵢ‖² by path: constants of the programs. */
  const squares = new Map(
    pairs.map(({ path, out }) => [path, rowSquares(base.weights.get(`${path}.weight`)!, out)]),
  );
  const biased = new Set(pairs.map(({ path }) => path).filter((path) => base.weights.has(`${path}.bias`)));
  const parameters = new Parameters(
    new Map([
      ...pairs.flatMap((pair): [string, HostArray][] => [
        ...initialPair(pair, random),
        [
          pair.magnitude,
          { data: squares.get(pair.path)!.map(Math.sqrt), shape: [pair.out], dtype: "float32" },
        ],
      ]),
      ...whole.arrays,
    ]),
  );

  return {
    method: "dora",
    settings: { ...settings },
    scale: scaleOf(rank, alpha, rsLoRA),
    pairs,
    parameters,
    form: `dora ${JSON.stringify([pairs, [...whole.arrays.keys()]])}`,
    layers(base, context) {
      const { weight, parameter, random } = context;
      const adapted: typeof base = {
        ...base,
        linear(path, x) {
          const y = base.linear(path, x);
          const pair = pairOf.get(path);
          if (!pair) return y;
          const [a, b] = [parameter(pair.a), parameter(pair.b)];
          const norm = rowNorms(weight(`${path}.weight`), squares.get(path)!, a, b, pair.scale);
          const gain = tf.div<tf.Tensor1D>(parameter(pair.magnitude), norm);
          const bias = biased.has(path) ? weight(`${path}.bias`) : undefined;
          if (!random || dropout === 0) {
            // A bias b is in y and must not be scaled: g ⊙ (y − b + …) + b = g ⊙ (y + …) + (1 − g) ⊙ b.
            const scaled = tf.mul<tf.Tensor2D>(tf.add(y, lowRank(x, a, b, pair.scale)), gain);
            return bias ? tf.add(scaled, tf.mul(tf.sub(1, gain), bias)) : scaled;
          }
          // What DoRA adds to the base, (g − 1)·x·Wᵀ + g·s·x·Aᵀ·Bᵀ, is of the dropped input, the base's own part is not.
          const dropped = random.dropout(x, dropout);
          const product = bias ? tf.sub(base.linear(path, dropped), bias) : base.linear(path, dropped);
          const turned = tf.mul(lowRank(dropped, a, b, pair.scale), gain);
          return tf.add(tf.add(y, tf.mul(product, tf.sub(gain, 1))), turned);
        },
      };
      return whole.layers(adapted, context);
    },
    merged(base) {
      const updated = pairs.map((pair): [string, HostArray] => {
        const name = `${pair.path}.weight`;
        const turned = sum(base.weights.get(name)!, lowRankDelta(pair, parameters));
        const squares = rowSquares(turned, pair.out);
        const m = parameters.get(pair.magnitude).data;
        const gain = m.map((length, i) => length / Math.sqrt(Math.max(squares[i]!, LEAST)));
        const data = (turned.data as Float32Array).map((w, i) => w * gain[Math.floor(i / pair.in)]!);
        return [name, { ...turned, data }];
      });
      return mergedWeights(base, updated, whole, parameters);
    },
  };
}

/** The least squared norm to divide by: a row of zeros has no direction, and stays zero. */
const LEAST = 1e-12;

/** Σⱼ wᵢⱼ² of each of the rows. */
function rowSquares({ data }: HostArray, rows: number): Float32Array {
  const columns = data.length / rows;
  return Float32Array.from({ length: rows }, (_, i) => {
    let square = 0;
    for (let j = i * columns; j < (i + 1) * columns; j++) square += data[j]! ** 2;
    return square;
  });
}

/**
 * ‖W + s·B·A‖ of each row, as a constant: "we suggest treating ‖V + ΔV‖_c as a constant, thereby detaching it from the
 * gradient graph" (section 4.3). No gradient goes to A and B from here.
 * @param w,a,b [out, in], [r, in], [out, r]
 * @param squares ‖wᵢ‖², [out]
 * @returns [out]
 */
function rowNorms(
  w: tf.Tensor,
  squares: Float32Array,
  a: tf.Tensor,
  b: tf.Tensor,
  scale: number,
): tf.Tensor1D {
  const norms = tf.customGrad((...inputs) => {
    const [a, b] = inputs as tf.Tensor[] as [tf.Tensor2D, tf.Tensor2D];
    const cross = tf.mul(tf.matMul(w as tf.Tensor2D, a, false, true), 2 * scale);
    const own = tf.mul(tf.matMul(b, tf.matMul(a, a, false, true)), scale * scale);
    const change = tf.sum(tf.mul(b, tf.add(cross, own)), 1);
    return {
      value: tf.sqrt(tf.maximum(tf.add(tf.tensor1d(squares), change), LEAST)),
      gradFunc: () => [tf.zeros(a.shape), tf.zeros(b.shape)],
    };
  });
  return norms(a, b) as tf.Tensor1D;
}
