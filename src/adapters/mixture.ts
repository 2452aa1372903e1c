/**
 * A mixture of LoRAs whose gate is learned (MixLoRA, Li et al., arXiv:2404.15159).
 *
 *   y = x·Wᵀ + Σᵢ Gᵢ(x)·s·drop(x)·Aᵢᵀ·Bᵢᵀ        G(x) = softmax(top-k(x·W_gᵀ)),  s = α/r
 *
 * Each of n experts is a LoRA, Aᵢ [r, in] and Bᵢ [out, r], and for each token the gate W_g [n, in] mixes those k that it
 * finds most suitable; the others get the weight zero. The paper has one gate for the whole MLP of a layer; here each
 * weight matrix has its own. The experts of a matrix lie below each other as one A [n·r, in] and one B [out, n·r].
 *
 * A gate likes what it has trained, and would soon ask the same experts always. So the loss gets a term that is smallest
 * when all are asked alike (Fedus et al., arXiv:2101.03961, eq. 4), with Fᵢ the fraction of tokens whose first choice
 * is expert i and Pᵢ the mean of softmax(x·W_gᵀ)ᵢ, averaged over the matrices:
 *
 *   balance · n · Σᵢ Fᵢ·Pᵢ
 *
 * The B start at zero, so training starts exactly at the base. What is added depends on x, so it cannot be merged. A fixed
 * switch instead of a gate, one LoRA for each kind of input (Phi-4-multimodal), needs no method of its own: each is
 * trained by itself, and `useByRow` chooses among them.
 */
import * as tf from "@tensorflow/tfjs";
import { generator, type HostArray } from "../engine";
import type { Adapter, Base, Method } from "../model/adapter";
import type { LanguageModel } from "../model/language-model";
import { Parameters } from "../model/parameters";
import { hiddenStates } from "../model/transformer";
import { checkDropout, checkRank } from "./low-rank";
import { type LinearShape, selectTargets, type Targets } from "./targets";

export interface MixtureSettings {
  /** n, the LoRAs of each target. */
  experts: number;
  /** k, how many of them a token gets. With 1 the weight is always 1, and the gate learns from the balance alone. */
  topK: number;
  /** r, the rank of each; at most the smaller side of each target. */
  rank: number;
  /** α; an expert's update is scaled by α/r. */
  alpha: number;
  /** Which linear layers get experts and a gate. */
  targets: Targets;
  /** Probability with which an element of the experts' input is dropped in training; the gate sees it whole. */
  dropout: number;
  /** The weight in the loss of what balances the experts. */
  balance: number;
}

/** A target's experts and gate with their places in the parameters. */
export interface Mixture extends LinearShape {
  /** Parameter names of W_g [n, in], the A's [n·r, in] and the B's [out, n·r]. */
  gate: string;
  a: string;
  b: string;
}

export interface MixtureAdapter extends Adapter {
  readonly method: "mixture";
  readonly settings: Readonly<MixtureSettings> & Record<string, unknown>;
  readonly mixtures: readonly Mixture[];
}

/**
 * A mixture of LoRAs with a learned gate (arXiv:2404.15159), to `attach` to a model: for each token the `topK` most
 * suitable of `experts` updates, weighted by the gate. Defaults: 8 experts, of which 2, and balance 0.01, on the MLP, as in
 * the paper; rank 8, alpha = rank, no dropout. Tokens that only fill up a batch count in the balance too. PEFT has no
 * such method; a model with it cannot be merged.
 * @throws for settings out of range; when attached, for a rank above a target's smaller side and targets that match nothing
 */
export function mixture({
  experts = 8,
  topK = 2,
  rank = 8,
  alpha = rank,
  targets = "mlp",
  dropout = 0,
  balance = 0.01,
}: Partial<MixtureSettings> = {}): Method {
  const settings = { experts, topK, rank, alpha, targets, dropout, balance };
  for (const name of ["experts", "topK", "rank"] as const) {
    if (!Number.isInteger(settings[name]) || settings[name] < 1)
      throw new Error(`mixture: ${name} must be a whole number from 1, got ${settings[name]}`);
  }
  if (topK > experts) throw new Error(`mixture: topK ${topK} is more than there are experts, ${experts}`);
  if (!Number.isFinite(alpha)) throw new Error(`mixture: alpha must be a number, got ${alpha}`);
  if (!(balance >= 0 && balance < Infinity))
    throw new Error(`mixture: balance must be at least 0, got ${balance}`);
  checkDropout("mixture", dropout);
  return { method: "mixture", bind: (base, seed) => bind(settings, base, seed) };
}

function bind(settings: MixtureSettings, base: Base, seed: number): MixtureAdapter {
  const { experts, topK, rank, alpha, dropout, balance } = settings;
  const mixtures = selectTargets(base, settings.targets).map((target): Mixture => {
    checkRank("mixture", rank, target);
    const name = (part: string) => `${target.path}.mixture_${part}.weight`;
    return { ...target, gate: name("gate"), a: name("A"), b: name("B") };
  });
  const mixtureAt = new Map(mixtures.map((mixture) => [mixture.path, mixture]));
  const random = generator(seed);
  const initial = mixtures.flatMap(({ gate, a, b, in: inputs, out }): [string, HostArray][] => {
    const uniform = () => (2 * random() - 1) / Math.sqrt(inputs);
    return [
      [gate, matrix(experts, inputs, uniform)],
      [a, matrix(experts * rank, inputs, uniform)],
      [b, matrix(out, experts * rank)],
    ];
  });

  return {
    method: "mixture",
    settings: { ...settings },
    mixtures,
    parameters: new Parameters(new Map(initial)),
    layers(base, { parameter, random, penalize }) {
      return {
        ...base,
        linear(path, x) {
          const y = base.linear(path, x);
          const mixture = mixtureAt.get(path);
          if (!mixture) return y;
          const tokens = x.shape[0];
          const scores: tf.Tensor2D = tf.matMul(x, parameter(mixture.gate) as tf.Tensor2D, false, true);
          if (balance > 0) penalize?.(tf.mul(imbalance(scores), balance / mixtures.length));
          const weights = tf.mul(gateWeights(scores, topK), alpha / rank);
          const dropped = random ? random.dropout(x, dropout) : x;
          const down = tf.matMul(dropped, parameter(mixture.a) as tf.Tensor2D, false, true);
          const weighted = tf.mul(
            tf.reshape(down, [tokens, experts, rank]),
            tf.reshape(weights, [tokens, experts, 1]),
          );
          const joined = tf.reshape<tf.Rank.R2>(weighted, [tokens, experts * rank]);
          return tf.add(y, tf.matMul(joined, parameter(mixture.b) as tf.Tensor2D, false, true));
        },
      };
    },
    merged() {
      throw new Error(
        "merge: a mixture cannot be merged: which experts are added to the weights depends on the input. Use the model with " +
          "the adapter attached.",
      );
    },
  };
}

/** Uniform in what `draw` gives, or zero. */
function matrix(rows: number, columns: number, draw?: () => number): HostArray {
  const data = new Float32Array(rows * columns);
  return { data: draw ? data.map(draw) : data, shape: [rows, columns], dtype: "float32" };
}

/**
 * softmax over the k largest of each row, zero elsewhere; of equal ones the first count as larger.
 * @param scores [tokens, experts]
 */
function gateWeights(scores: tf.Tensor2D, k: number): tf.Tensor2D {
  if (k === scores.shape[1]) return tf.softmax(scores);
  const others = constant(scores, (z) => tf.mul(tf.cast(tf.greaterEqual(ranks(z), k), "float32"), -1e9));
  return tf.softmax(tf.add<tf.Tensor2D>(scores, others));
}

/** n·Σᵢ Fᵢ·Pᵢ, which is 1 when all experts are chosen alike. */
function imbalance(scores: tf.Tensor2D): tf.Scalar {
  const fraction = constant(scores, (z) => tf.mean(tf.cast(tf.less(ranks(z), 1), "float32"), 0));
  const mean = tf.mean(tf.softmax(scores), 0);
  return tf.mul(tf.sum<tf.Scalar>(tf.mul(fraction, mean)), scores.shape[1]);
}

/** How many in its row come before each: 0 for the largest. */
function ranks(scores: tf.Tensor2D): tf.Tensor2D {
  const [tokens, n] = scores.shape;
  const [own, other] = [tf.reshape(scores, [tokens, n, 1]), tf.reshape(scores, [tokens, 1, n])];
  const earlier = tf.tensor(
    Float32Array.from({ length: n * n }, (_, at) => (at % n < Math.floor(at / n) ? 1 : 0)),
    [1, n, n],
  );
  const equal = tf.mul(tf.cast(tf.equal(other, own), "float32"), earlier);
  return tf.sum(tf.add(tf.cast(tf.greater(other, own), "float32"), equal), 2);
}

/** A function of x that counts as a constant: no gradient goes through it. */
function constant(x: tf.Tensor2D, compute: (x: tf.Tensor2D) => tf.Tensor): tf.Tensor {
  return tf.customGrad((x) => ({
    value: compute(x as tf.Tensor2D),
    gradFunc: () => tf.zeros((x as tf.Tensor2D).shape),
  }))(x);
}

/**
 * What the gates of a model's mixture give the tokens of a text: for each target the weights of the experts, float32
 * [tokens, experts], rows that sum to 1.
 * @throws when the adapter in use is no mixture, and for a text without tokens or longer than the context
 */
export async function routing(model: LanguageModel, ids: readonly number[]): Promise<Map<string, HostArray>> {
  const { adapter, config } = model;
  if (adapter?.method !== "mixture")
    throw new Error(
      `routing: expected a model with a mixture in use, got ${adapter?.method ?? "no adapter"}.`,
    );
  if (ids.length < 1 || ids.length > config.contextLength)
    throw new Error(`routing: expected 1 to ${config.contextLength} tokens, got ${ids.length}`);
  const { mixtures, settings, parameters } = adapter as MixtureAdapter;
  const gates = mixtures.map(({ gate }) => ({ gate, ...parameters.get(gate) }));
  const out = await model.run(
    "routing",
    (layers, x) => {
      const weights: Record<string, tf.Tensor> = {};
      const watched: typeof layers = {
        ...layers,
        linear(path, input) {
          const mixture = mixtures.find((of) => of.path === path);
          if (mixture) {
            const scores: tf.Tensor2D = tf.matMul(input, x[mixture.gate] as tf.Tensor2D, false, true);
            weights[path] = gateWeights(scores, settings.topK);
          }
          return layers.linear(path, input);
        },
      };
      hiddenStates(config, watched, x.ids as tf.Tensor2D);
      return weights;
    },
    {
      ids: { shape: [1, ids.length], dtype: "int32" },
      ...Object.fromEntries(gates.map(({ gate, shape }) => [gate, { shape, dtype: "float32" }])),
    },
    { ids: Int32Array.from(ids), ...Object.fromEntries(gates.map(({ gate, data }) => [gate, data])) },
  );
  return new Map(Object.entries(out));
}
