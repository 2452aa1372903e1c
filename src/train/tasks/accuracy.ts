/** How many questions a model answers right. */
import type { Generation } from "../../model/generate";
import type { LanguageModel } from "../../model/language-model";

/** Questions answered side by side: more would need a larger cache of keys and values without being faster. */
const AT_ONCE = 64;

/** A question with the one answer that is right. */
export interface Question {
  prompt: string;
  /** The right answer, as it is trained: a space, the answer, a full stop. */
  completion: string;
}

/** What the model answered. */
export interface Marked {
  answer: string;
  correct: boolean;
}

/**
 * Asks every question, greedily, and marks the answers: right is the completion letter by letter and nothing after it
 * (exact match; `isCorrect`).
 * @returns the fraction that is right, 0 … 1, and all questions with their answers
 * @throws for no questions, and when it is interrupted: half an answer is no wrong one
 */
export async function accuracy<Q extends Question>(
  model: LanguageModel,
  questions: readonly Q[],
): Promise<{ fraction: number; answers: (Q & Marked)[] }> {
  if (questions.length === 0) throw new Error("accuracy: expected at least one question, got none.");
  // A token holds at least one byte, so a right answer, with one more token to end it, fits in so many.
  const maxTokens =
    Math.max(...questions.map(({ completion }) => new TextEncoder().encode(completion).length)) + 1;
  const generations: Generation[] = [];
  for (let at = 0; at < questions.length; at += AT_ONCE) {
    const prompts = questions.slice(at, at + AT_ONCE).map(({ prompt }) => prompt);
    generations.push(...(await model.generateBatch(prompts, { maxTokens })));
  }
  if (generations.some(({ finish }) => finish === "aborted")) {
    throw new Error("accuracy: interrupted before all questions were answered.");
  }
  const answers = questions.map((question, i) => {
    const answer = generations[i]!.text;
    return { ...question, answer, correct: isCorrect(answer, question) };
  });
  return { fraction: answers.filter(({ correct }) => correct).length / answers.length, answers };
}

/** A text up to its first line break, without the space around it and one final full stop. */
const bareAnswer = (text: string) => text.trimStart().split("\n")[0]!.trim().replace(/\.$/, "");

/**
 * Whether a generated answer is the right one and nothing else: up to its first line break, without surrounding space
 * and one final full stop, it equals the completion letter by letter.
 */
export function isCorrect(generated: string, { completion }: Pick<Question, "completion">): boolean {
  return bareAnswer(generated) === bareAnswer(completion);
}
