/** How many questions a model answers right. */
import type { LanguageModel } from "../../model/language-model";
import { type Example, isCorrect } from "./capitals";

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
  const generations = await model.generateBatch(
    examples.map(({ prompt }) => prompt),
    { maxTokens: 12 },
  );
  if (generations.some(({ finish }) => finish === "aborted")) {
    throw new Error("accuracy: interrupted before all questions were answered.");
  }
  const answers = examples.map((example, i) => {
    const answer = generations[i]!.text;
    return { ...example, answer, correct: isCorrect(answer, example) };
  });
  return { fraction: answers.filter(({ correct }) => correct).length / answers.length, answers };
}
