/**
 * Direct preference optimization (Rafailov et al., arXiv:2305.18290, eq. 7):
 *
 *   loss = −log σ(β·[(log π − log π_ref)(chosen) − (log π − log π_ref)(rejected)])
 *
 * log π is the log-probability of a whole completion given its prompt. β·(log π − log π_ref) is the reward that the policy
 * implies: how much more it likes a completion than the reference does. The reference is the same model with its adapter
 * off, so it needs no second model, and since it never changes it is asked once for each completion.
 */
import * as tf from "@tensorflow/tfjs";
import type { Objective } from "../objective";
import {
  completionInputs,
  completionLogits,
  completionLogProbabilities,
  completionSpecs,
  logProbabilities,
} from "./completions";
import { encodePairs, halves, type Pair, type Preference, pairLesson } from "./pairs";

export interface DpoSettings {
  /** How strongly the policy is held to the reference: the higher, the closer it stays. Default 0.1. */
  beta?: number;
}

interface Referenced extends Pair {
  /** log π_ref of the chosen and of the rejected completion. */
  reference: [number, number];
}

/**
 * Direct preference optimization: data are `{ prompt, chosen, rejected }`. Metrics, as TRL's `DPOTrainer` has them:
 * rewards/chosen, rewards/rejected, rewards/margins (their difference), rewards/accuracies (how often the chosen one's is
 * higher), logps/chosen and logps/rejected.
 *
 * The reference is the model without its adapter: after supervised fine-tuning, `merge()` and attach a new one.
 * @throws for a β that is not above 0; when training begins, for pairs that are empty, equal, malformed or too long
 */
export function dpo({ beta = 0.1 }: DpoSettings = {}): Objective<Preference> {
  if (!(beta > 0 && beta < Infinity)) throw new Error(`dpo: beta must be above 0, got ${beta}.`);
  return {
    name: "dpo",
    settings: { beta },
    learningRate: { adapter: 2e-4, full: 2e-5 },
    panels: [
      ["rewards/accuracies"],
      ["rewards/margins", "rewards/chosen", "rewards/rejected"],
      ["logps/chosen", "logps/rejected"],
    ],
    prepare: (model, data, how) =>
      pairLesson<Referenced>("dpo", model, data, how, {
        async encode(data) {
          const pairs = encodePairs(model, data);
          const both = pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]);
          const { engine } = how;
          const tokens = await completionLogProbabilities(model.use(null), both, { engine });
          const sums = tokens.map((logp) => logp.reduce((sum, x) => sum + x, 0));
          return pairs.map((pair, i) => ({ ...pair, reference: [sums[2 * i]!, sums[2 * i + 1]!] }));
        },
        loss: (shape) => ({
          inputs: {
            ...completionSpecs(shape),
            reference: { shape: [shape.rows], dtype: "float32" },
            weights: { shape: [shape.rows / 2], dtype: "float32" },
          },
          compute(layers, x) {
            const logp = tf.sum(logProbabilities(completionLogits(model.config, layers, x), x), 1);
            const rewards = tf.mul(tf.sub(logp, x.reference!), beta);
            const [chosen, rejected] = tf.split(rewards, 2) as [tf.Tensor1D, tf.Tensor1D];
            const [chosenLogp, rejectedLogp] = tf.split(logp, 2) as [tf.Tensor1D, tf.Tensor1D];
            const margins = tf.sub(chosen, rejected);
            const mean = (values: tf.Tensor) => tf.sum(tf.mul(values, x.weights!)) as tf.Scalar;
            return {
              loss: mean(tf.softplus(tf.neg(margins))), // −log σ(z) = log(1 + e⁻ᶻ)
              "rewards/chosen": mean(chosen),
              "rewards/rejected": mean(rejected),
              "rewards/accuracies": mean(tf.cast(tf.greater(chosen, rejected), "float32")),
              "rewards/margins": mean(margins),
              "logps/chosen": mean(chosenLogp),
              "logps/rejected": mean(rejectedLogp),
            };
          },
        }),
        inputs(pairs, shape) {
          const reference = new Float32Array(shape.rows);
          for (const [i, pair] of pairs.entries()) {
            reference[i] = pair.reference[0];
            reference[shape.rows / 2 + i] = pair.reference[1];
          }
          return { ...completionInputs(halves(pairs, shape.rows / 2), shape), reference };
        },
      }),
  };
}
