/** Completions with rewards: prompts in tokens, what the reward gives, and what a completion is worth beside its group. */
import { type Generation, type Prompt, promptIds } from "../../model/generate";
import { LanguageModel } from "../../model/language-model";
import type { Sequence } from "../data";
import type { Words } from "./completions";
import { rewards as judge } from "./reward";

/** A prompt, with whatever else the reward needs to know of it. */
export interface Prompted {
  prompt: Words;
}

/** How good a completion is; higher is better. `prompt` is its text, `example` what the data says of it. */
export type RewardFunction<Datum extends Prompted = Prompted> = (
  prompt: string,
  completion: string,
  example: Datum,
) => number | Promise<number>;

/** A function, or a model that was trained with `rewardModel`. */
export type Reward<Datum extends Prompted> = RewardFunction<Datum> | LanguageModel;

/** A prompt in tokens. */
export interface Encoded<Datum> {
  example: Datum;
  ids: number[];
}

/** (r − mean(r)) / (std(r) + 10⁻⁴) within each group, with the sample's standard deviation as TRL has it. */
export function advantages(rewards: readonly number[], groupSize: number): number[] {
  return rewards.map((reward, i) => {
    const start = i - (i % groupSize);
    const { mean, deviation } = moments(rewards.slice(start, start + groupSize));
    return (reward - mean) / (deviation + 1e-4);
  });
}

/** Mean and the sample's standard deviation. */
function moments(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}

/**
 * Tokenizes prompts.
 * @throws for an empty list, and for a prompt that is malformed, empty, or leaves no room in the context (names it)
 */
export function encodePrompts<Datum extends Prompted>(
  model: LanguageModel,
  data: readonly Datum[],
): Encoded<Datum>[] {
  if (!Array.isArray(data) || data.length === 0) {
    throw new Error("There are no prompts: expected a list of at least one { prompt }.");
  }
  const { contextLength } = model.config;
  return data.map((example, i) => {
    const prompt = example?.prompt as unknown;
    if (typeof prompt !== "string" && !Array.isArray(prompt)) {
      throw new Error(
        `Prompt ${i} is ${JSON.stringify(example)}: expected { prompt }, a text or a conversation.`,
      );
    }
    const ids = promptIds(model, prompt as Prompt);
    if (ids.length === 0) throw new Error(`Prompt ${i} is empty: there is nothing to continue.`);
    if (ids.length >= contextLength) {
      throw new Error(
        `Prompt ${i} (${JSON.stringify(prompt).slice(0, 60)}…) has ${ids.length} tokens; the model's context is ` +
          `${contextLength}, which leaves no room for a completion.`,
      );
    }
    return { example, ids };
  });
}

/** A prompt with what was sampled behind it, the token that ended it included: ending is learned too. */
export function completed(prompt: number[], { ids, stopToken }: Generation): Sequence {
  const ended = stopToken === undefined ? [] : [stopToken];
  return { ids: [...prompt, ...ids, ...ended], from: prompt.length - 1 };
}

/** What each completion is worth. @throws for a reward that throws, and for one that is no finite number */
export async function rewardsFor<Datum extends Prompted>(
  reward: Reward<Datum>,
  prompts: readonly Encoded<Datum>[],
  completions: readonly Generation[],
): Promise<number[]> {
  if (reward instanceof LanguageModel) {
    const texts = completions.map(({ text }, i) => ({
      prompt: prompts[i]!.example.prompt,
      completion: text,
    }));
    return judge(reward, texts);
  }
  const shown = (i: number) => {
    const { prompt, text } = completions[i]!;
    return `the completion ${JSON.stringify(text.slice(0, 60))} of ${JSON.stringify(prompt.slice(-60))}`;
  };
  return Promise.all(
    completions.map(async ({ prompt, text }, i) => {
      const { example } = prompts[i]!;
      let value: unknown;
      try {
        value = await reward(typeof example.prompt === "string" ? example.prompt : prompt, text, example);
      } catch (error) {
        throw new Error(
          `grpo: the reward function failed on ${shown(i)}: ${(error as Error)?.message ?? error}`,
          {
            cause: error,
          },
        );
      }
      if (typeof value !== "number" || !Number.isFinite(value)) {
        const got = typeof value === "number" ? value : JSON.stringify(value);
        throw new Error(`grpo: the reward of ${shown(i)} is ${got}: expected one finite number.`);
      }
      return value;
    }),
  );
}

/** Means over a batch of completions, as TRL names them. */
export function rolloutMetrics(
  rewards: readonly number[],
  completions: readonly Generation[],
  sequences: readonly Sequence[],
  groupSize: number,
): Record<string, number> {
  const groups = rewards.flatMap((_, i) => (i % groupSize === 0 ? [rewards.slice(i, i + groupSize)] : []));
  const mean = (values: readonly number[]) => moments(values).mean;
  return {
    reward: mean(rewards),
    reward_std: moments(rewards).deviation,
    frac_reward_zero_std: mean(groups.map((group) => Number(moments(group).deviation < 1e-8))),
    "completions/mean_length": mean(sequences.map(({ ids, from }) => ids.length - 1 - from)),
    "completions/clipped_ratio": mean(completions.map(({ finish }) => Number(finish === "length"))),
  };
}
