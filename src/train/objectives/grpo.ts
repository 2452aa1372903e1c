/**
 * Group relative policy optimization (Shao et al., arXiv:2402.03300, eq. 3 and 4): the model answers each prompt G times,
 * every answer gets a reward, and answers better than their group's mean become likelier. With ρ = π/π_old of a token,
 * δ = log π_ref − log π, and the mean over answers of the mean over an answer's tokens:
 *
 *   loss = −mean(min(ρ·A, clip(ρ, 1 ± ε)·A) − β·(e^δ − δ − 1))        A = (r − mean(r)) / (std(r) + 10⁻⁴)
 *
 * The last term estimates KL(π‖π_ref); the reference is the model with its adapter off. No value network: the group's mean
 * stands in for it. The reward is any function of prompt and completion, or a trained reward model, as in RLHF.
 */
import * as tf from "@tensorflow/tfjs";
import { generator, type InputSpec, type Tensors, type TypedArray } from "../../engine";
import { LanguageModel } from "../../model/language-model";
import { Endless, type Sequence, shuffle } from "../data";
import type { Material, Objective } from "../objective";
import type { Loss } from "../step";
import {
  atTemperature,
  type CompletionShape,
  completionInputs,
  completionLogits,
  completionLogProbabilities,
  completionSpecs,
  logProbabilities,
  tokensOf,
} from "./completions";
import {
  advantages,
  completed,
  type Encoded,
  encodePrompts,
  type Prompted,
  type Reward,
  rewardsFor,
  rolloutMetrics,
} from "./rollouts";

export interface GrpoSettings<Datum extends Prompted = Prompted> {
  /** A function, which may be asynchronous, or a model that was trained with `rewardModel`. */
  reward: Reward<Datum>;
  /** Completions of each prompt. Default 8. TRL: `num_generations`. */
  groupSize?: number;
  /** Weight of the divergence from the reference; 0 for none. Default 0.04, as in the paper. */
  beta?: number;
  /** How far from 1 a token's probability ratio still counts. Default 0.2. TRL: `epsilon`. */
  clip?: number;
  /** Of sampling. Default 1. */
  temperature?: number;
  /** Longest completion in tokens. Default 64. TRL: `max_completion_length`. */
  maxTokens?: number;
  /** Steps that are taken on the same completions. Default 1. TRL: `num_iterations`. */
  iterations?: number;
}

/** One completion as it is learned from. Plain numbers, so that a checkpoint can hold it. */
export interface Rollout {
  sequence: Sequence;
  advantage: number;
  /** log π_old and log π_ref of its tokens, where they are needed. */
  old?: number[];
  reference?: number[];
}

/** The same values, as constants to a gradient. */
const stopGradient = (x: tf.Tensor): tf.Tensor =>
  tf.customGrad((x) => ({ value: tf.add(x as tf.Tensor, 0), gradFunc: (dy) => tf.zerosLike(dy) }))(x);

/** @param shape of a batch of rollouts */
export function grpoLoss(
  model: LanguageModel,
  shape: CompletionShape,
  { beta, clip, temperature, iterations }: Required<Omit<GrpoSettings, "reward" | "groupSize" | "maxTokens">>,
): Loss {
  const { rows, width } = shape;
  const matrix: InputSpec = { shape: [rows, width], dtype: "float32" };
  const list: InputSpec = { shape: [rows], dtype: "float32" };
  return {
    inputs: {
      ...completionSpecs(shape),
      weights: list,
      tokenWeights: list,
      advantages: list,
      ...(iterations > 1 && { old: matrix }),
      ...(beta > 0 && { reference: matrix }),
    },
    compute(layers, x: Tensors) {
      const scores = atTemperature(completionLogits(model.config, layers, x), temperature);
      const logp = logProbabilities(scores, x);
      const ratio = tf.exp(tf.sub(logp, x.old ?? stopGradient(logp)));
      const advantage = tf.reshape(x.advantages!, [rows, 1]);
      const clipped = tf.clipByValue(ratio, 1 - clip, 1 + clip);
      const gain = tf.minimum(tf.mul(ratio, advantage), tf.mul(clipped, advantage));
      const total = (values: tf.Tensor, weights: tf.Tensor) =>
        tf.sum(tf.mul(tf.mul(values, x.mask!), tf.reshape(weights, [rows, 1]))) as tf.Scalar;

      const low = tf.logicalAnd(tf.less(ratio, 1 - clip), tf.less(advantage, 0));
      const high = tf.logicalAnd(tf.greater(ratio, 1 + clip), tf.greater(advantage, 0));
      // −Σ p·log p = log Σ eᶻ − Σ p·z
      const spread = tf.sub(tf.logSumExp(scores, 1), tf.sum(tf.mul(tf.softmax(scores), scores), 1));
      const metrics = {
        entropy: total(tf.reshape(spread, [rows, width]), x.tokenWeights!),
        "clip_ratio/region_mean": total(tf.cast(tf.logicalOr(low, high), "float32"), x.tokenWeights!),
      };
      if (!(beta > 0)) return { loss: tf.neg(total(gain, x.weights!)), ...metrics };
      const delta = tf.sub(x.reference!, logp);
      const divergence = tf.sub(tf.sub(tf.exp(delta), delta), 1);
      const loss = total(tf.sub(tf.mul(divergence, beta), gain), x.weights!);
      return { loss, kl: total(divergence, x.tokenWeights!), ...metrics };
    },
  };
}

/** @param total completions that share the loss */
export function rolloutInputs(
  rollouts: readonly Rollout[],
  shape: CompletionShape,
  total: number,
): Record<string, TypedArray> {
  const { rows, width } = shape;
  const matrix = (which: "old" | "reference") => {
    if (!rollouts[0]?.[which]) return {};
    const values = new Float32Array(rows * width);
    for (const [row, rollout] of rollouts.entries()) values.set(rollout[which]!, row * width);
    return { [which]: values };
  };
  const made = completionInputs(
    rollouts.map(({ sequence }) => sequence),
    shape,
  );
  const lengths = rollouts.map(({ sequence: { ids, from } }) => ids.length - 1 - from);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  return {
    ...made,
    weights: Float32Array.from(lengths, (length) => 1 / (length * total)),
    tokenWeights: new Float32Array(rows).fill(rollouts.length / (tokens * total)),
    advantages: Float32Array.from(rollouts, ({ advantage }) => advantage),
    ...matrix("old"),
    ...matrix("reference"),
  };
}

/**
 * Group relative policy optimization: data are `{ prompt, … }`. Metrics, as TRL's `GRPOTrainer` has them: reward and
 * reward_std over all completions of a step, frac_reward_zero_std (groups that teach nothing, since all their rewards are
 * equal), kl, entropy and clip_ratio/region_mean per token, completions/mean_length, and completions/clipped_ratio (how
 * many were cut off at `maxTokens`). Held-out prompts are answered greedily; their mean reward is "reward".
 *
 * The reference is the model without its adapter: after supervised fine-tuning, `merge()` and attach a new one.
 * @throws for settings out of range; when training begins, for prompts that are empty or too long; while it goes on, for a
 *   reward that throws or is no finite number (names prompt and completion)
 */
export function grpo<Datum extends Prompted = Prompted>({
  reward,
  groupSize = 8,
  beta = 0.04,
  clip = 0.2,
  temperature = 1,
  maxTokens = 64,
  iterations = 1,
}: GrpoSettings<Datum>): Objective<Datum> {
  const settings = { groupSize, beta, clip, temperature, maxTokens, iterations };
  check(settings, reward);
  return {
    name: "grpo",
    settings,
    reward,
    learningRate: { adapter: 5e-4, full: 5e-5 },
    panels: [
      ["reward", "reward_std"],
      ...(beta > 0 ? [["kl"]] : []),
      ["entropy"],
      ["completions/mean_length"],
      ...(iterations > 1 ? [["clip_ratio/region_mean"]] : []),
    ],
    async prepare(model, data, { batchSize, seed, engine, signal }) {
      const prompts = encodePrompts(model, data);
      const longest = prompts.reduce((most, { ids }) => Math.max(most, ids.length), 0);
      const length = Math.min(model.config.contextLength, 8 * Math.ceil((longest + maxTokens) / 8));
      const shape = { rows: batchSize * groupSize, length, width: maxTokens };
      const order = new Endless(seed, (random) => shuffle(prompts, random));
      let taken = 0; // steps
      let sampled = 0; // batches
      let current: Made[] = [];

      const answer = async (some: readonly Encoded<Datum>[], options: object) => {
        const asked = some.map(({ ids }) => ids);
        const given = await model.generateBatch(asked, { maxTokens, signal, ...options });
        return given.some(({ finish }) => finish === "aborted") ? undefined : given;
      };
      const sample = async (): Promise<Made | undefined> => {
        const some = order
          .next(batchSize)
          .flatMap((prompt) => Array(groupSize).fill(prompt) as Encoded<Datum>[]);
        const drawn = Math.floor(generator(seed + 104_729 * sampled++)() * 2 ** 31);
        const given = await answer(some, { temperature, seed: drawn });
        if (!given) return undefined;
        const values = await rewardsFor(reward, some, given);
        const sequences = some.map(({ ids }, i) => completed(ids, given[i]!));
        const known = { temperature, engine };
        const old = iterations > 1 ? await completionLogProbabilities(model, sequences, known) : undefined;
        const reference =
          beta > 0 ? await completionLogProbabilities(model.use(null), sequences, known) : undefined;
        const advantage = advantages(values, groupSize);
        const rollouts = sequences.map((sequence, i) => ({
          sequence,
          advantage: advantage[i]!,
          ...(old && { old: Array.from(old[i]!) }),
          ...(reference && { reference: Array.from(reference[i]!) }),
        }));
        return { rollouts, metrics: rolloutMetrics(values, given, sequences, groupSize) };
      };

      return {
        loss: grpoLoss(model, shape, { beta, clip, temperature, iterations }),
        fixed: { examples: prompts.length, sequenceLength: length },
        get epoch() {
          return order.epoch;
        },
        async next(count) {
          if (taken % iterations === 0) {
            const made: Made[] = [];
            while (made.length < count) {
              const batch = await sample();
              if (!batch) return undefined;
              made.push(batch);
            }
            current = made;
          }
          taken++;
          return current.map(
            ({ rollouts, metrics }): Material => ({
              count: rollouts.length,
              tokens: tokensOf(rollouts.map(({ sequence }) => sequence)),
              inputs: (total) => rolloutInputs(rollouts, shape, total),
              metrics,
            }),
          );
        },
        async evaluate(data) {
          const held = encodePrompts(model, data);
          let sum = 0;
          for (let at = 0; at < held.length; at += shape.rows) {
            const some = held.slice(at, at + shape.rows);
            const given = await answer(some, { temperature: 0 });
            if (!given) return {} as Record<string, number>;
            sum += (await rewardsFor(reward, some, given)).reduce((a, b) => a + b, 0);
          }
          return { reward: sum / held.length };
        },
        // Between steps on the same completions, these cannot be drawn again: the model that gave them has moved on.
        state: () => (taken % iterations === 0 ? undefined : current),
        resume(steps, count, state) {
          taken = steps;
          sampled = Math.ceil(steps / iterations) * count;
          for (let i = 0; i < sampled; i++) order.next(batchSize);
          if (state) current = state as Made[];
        },
      };
    },
  };
}

/** A batch of rollouts, with the means over it. */
interface Made {
  rollouts: Rollout[];
  metrics: Record<string, number>;
}

function check(settings: Required<Omit<GrpoSettings, "reward">>, reward: Reward<never> | undefined): void {
  const { groupSize, beta, clip, temperature, maxTokens, iterations } = settings;
  const whole = Object.entries({ maxTokens, iterations }).find(([, n]) => !(Number.isInteger(n) && n >= 1));
  if (whole) throw new Error(`grpo: ${whole[0]} must be a whole number from 1, got ${whole[1]}.`);
  if (!(Number.isInteger(groupSize) && groupSize >= 2)) {
    throw new Error(
      `grpo: groupSize must be a whole number from 2, got ${groupSize}: a completion is judged by its group's others.`,
    );
  }
  if (!(beta >= 0 && beta < Infinity)) throw new Error(`grpo: beta must be at least 0, got ${beta}.`);
  if (!(clip > 0 && clip < 1)) throw new Error(`grpo: clip must be between 0 and 1, got ${clip}.`);
  if (!(temperature > 0 && temperature < Infinity)) {
    throw new Error(
      `grpo: temperature must be above 0, got ${temperature}: the completions of a group must differ.`,
    );
  }
  if (typeof reward !== "function" && !(reward instanceof LanguageModel)) {
    throw new Error(
      "grpo: reward must be a function (prompt, completion, example) => number, or a model trained with rewardModel().",
    );
  }
}
