/**
 * A reward model: which of two completions people would prefer, as one number for each (Ouyang et al., arXiv:2203.02155,
 * eq. 1, without the constant). It is the language model itself with a linear layer, "score", on the hidden state of the
 * last token, trained on pairs as Bradley and Terry (1952) model them:
 *
 *   P(chosen is preferred) = σ(r_chosen − r_rejected)        loss = −log σ(r_chosen − r_rejected)
 *
 * Only differences are learned, so the numbers have no zero of their own.
 */
import * as tf from "@tensorflow/tfjs";
import type { InputSpec, Tensors, TraceOptions, TypedArray } from "../../engine";
import type { LanguageModel } from "../../model/language-model";
import { hiddenStates, type Layers } from "../../model/transformer";
import type { Sequence } from "../data";
import type { Objective } from "../objective";
import { encodeCompletion, type Words } from "./completions";
import { encodePairs, halves, type Preference, pairLesson } from "./pairs";

/** The layer's weight among the adapter's arrays. */
const SCORE = "score";

/**
 * The reward of each sequence, [rows].
 * @param x ids [rows, length], and `last` [rows], where in rows · length the last token of each stands
 */
function rewardsOf(model: LanguageModel, layers: Layers, x: Tensors): tf.Tensor1D {
  const { hidden } = hiddenStates(model.config, layers, x.ids as tf.Tensor2D);
  return tf.reshape(layers.linear(SCORE, tf.gather(hidden, x.last as tf.Tensor1D)), [-1]);
}

const specs = (rows: number, length: number): Record<string, InputSpec> => ({
  ids: { shape: [rows, length], dtype: "int32" },
  last: { shape: [rows], dtype: "int32" },
});

/** Unlike a language model's, these rows hold the last token too: it is read and not predicted. */
function inputs(sequences: readonly Sequence[], rows: number, length: number): Record<string, TypedArray> {
  const ids = new Int32Array(rows * length);
  const last = new Int32Array(rows);
  for (const [row, sequence] of sequences.entries()) {
    ids.set(sequence.ids, row * length);
    last[row] = row * length + Math.max(0, sequence.ids.length - 1);
  }
  return { ids, last };
}

function checkScore(model: LanguageModel): void {
  if (model.adapter?.parameters.has(`${SCORE}.weight`)) return;
  throw new Error(
    `A reward model needs the layer "${SCORE}" on top: attach an adapter that trains it, for instance ` +
      `lora({ rank: 8, modulesToSave: ["${SCORE}"] }).`,
  );
}

/**
 * Trains a reward model on pairs `{ prompt, chosen, rejected }`. The adapter must train the layer "score":
 * `attach(lora({ modulesToSave: ["score"] }))`. Metrics, as TRL's `RewardTrainer` has them: accuracy (how often the chosen
 * one gets more), margin (how much more on average) and mean_reward.
 * @throws when training begins, for pairs that are empty, equal, malformed or too long, and without "score"
 */
export function rewardModel(): Objective<Preference> {
  return {
    name: "reward",
    settings: {},
    learningRate: { adapter: 1e-3, full: 1e-4 },
    panels: [["accuracy"], ["margin", "mean_reward"]],
    async prepare(model, data, how) {
      checkScore(model);
      return pairLesson("reward", model, data, how, {
        encode: async (data) => encodePairs(model, data, { context: model.config.contextLength - 1 }),
        extra: 1,
        loss: ({ rows, length }) => ({
          inputs: { ...specs(rows, length), weights: { shape: [rows / 2], dtype: "float32" } },
          compute(layers, x) {
            const rewards = rewardsOf(model, layers, x);
            const [chosen, rejected] = tf.split(rewards, 2) as [tf.Tensor1D, tf.Tensor1D];
            const margins = tf.sub(chosen, rejected);
            const mean = (values: tf.Tensor) => tf.sum(tf.mul(values, x.weights!)) as tf.Scalar;
            return {
              loss: mean(tf.softplus(tf.neg(margins))), // −log σ(z) = log(1 + e⁻ᶻ)
              accuracy: mean(tf.cast(tf.greater(chosen, rejected), "float32")),
              margin: mean(margins),
              mean_reward: mean(tf.mul(tf.add(chosen, rejected), 0.5)),
            };
          },
        }),
        inputs: (pairs, { rows, length }) => inputs(halves(pairs, rows / 2), rows, length),
      });
    },
  };
}

/** Completions that are judged at once. */
const AT_ONCE = 16;

/**
 * What a trained reward model gives each completion. @throws without "score", and for what is malformed or too long
 */
export async function rewards(
  model: LanguageModel,
  completions: readonly { prompt: Words; completion: Words }[],
  { engine }: { engine?: TraceOptions } = {},
): Promise<number[]> {
  checkScore(model);
  const { contextLength, vocabSize } = model.config;
  const sequences = completions.map(({ prompt, completion }, i) =>
    encodeCompletion(model.files.tokenizer, prompt, completion, `Completion ${i}`, {
      context: contextLength - 1,
      vocabSize,
    }),
  );
  const result: number[] = [];
  for (let at = 0; at < sequences.length; at += AT_ONCE) {
    const some = sequences.slice(at, at + AT_ONCE);
    const longest = some.reduce((most, { ids }) => Math.max(most, ids.length), 16);
    const length = Math.min(contextLength, 2 ** Math.ceil(Math.log2(longest)));
    const out = await model.run(
      "rewards",
      (layers, x) => ({ rewards: rewardsOf(model, layers, x) }),
      specs(AT_ONCE, length),
      inputs(some, AT_ONCE, length),
      engine,
    );
    result.push(...Array.from(out.rewards!.data.slice(0, some.length)));
  }
  return result;
}
