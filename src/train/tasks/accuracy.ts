/** How many questions a model answers right. */
import type { Generation } from "../../model/generate";
import type { LanguageModel } from "../../model/language-model";
import { type Example, isCorrect } from "./capitals";

/** Questions answered side by side: more would need a larger cache of keys and values without being faster. */
const AT_ONCE = 64;

/** A question with what the model answered. */
export interface Marked extends Example {
  answer: string;
  correct: boolean;
}

/**
 * Asks every question, greedily, and marks the answers: right is the capital letter by letter and nothing after it.
 * @returns the fraction that is right, 0 … 1, and all answers
 * @throws for no questions, and when it is interrupted: half an answer is no wrong one
 */
export async function accuracy(
  model: LanguageModel,
  examples: readonly Example[],
): Promise<{ fraction: number; answers: Marked[] }> {
  if (examples.length === 0) throw new Error("accuracy: expected at least one question, got none.");
  const generations: Generation[] = [];
  for (let at = 0; at < examples.length; at += AT_ONCE) {
    const prompts = examples.slice(at, at + AT_ONCE).map(({ prompt }) => prompt);
    generations.push(...(await model.generateBatch(prompts, { maxTokens: 12 })));
  }
  if (generations.some(({ finish }) => finish === "aborted")) {
    throw new Error("accuracy: interrupted before all questions were answered.");
  }
  const answers = examples.map((example, i) => {
    const answer = generations[i]!.text;
    return { ...example, answer, correct: isCorrect(answer, example) };
  });
  return { fraction: answers.filter(({ correct }) => correct).length / answers.length, answers };
}
