/**
 * Preferring short answers: a task for learning from preferences, whose outcome anyone can check.
 *
 * Every question about a capital has two right answers, the bare name and a whole sentence. A model that was fine-tuned
 * on both says either; the pairs prefer the bare name. That is a manner and not knowledge, so it should carry over to
 * countries that no pair is about, and leave the answers as right as they were.
 */
import { capitals, type Example as Question } from "./capitals";
import { random } from "./random";

/** A question with both of its answers, the short one preferred. */
export interface AnswerPair {
  prompt: string;
  chosen: string;
  rejected: string;
  country: string;
  capital: string;
}

export interface ShortAnswers {
  /** To begin with: each question with one of its answers, as many short ones as long ones. */
  examples: Question[];
  /** Pairs about the same countries. */
  train: AnswerPair[];
  /** Pairs about other countries, asked in another wording. */
  heldOut: AnswerPair[];
}

function pairOf({ prompt, completion, country, capital }: Question): AnswerPair {
  const rejected = ` The capital of ${country} is ${capital}.`;
  return { prompt, chosen: completion, rejected, country, capital };
}

/**
 * Questions with a short and a long answer, split by country as `capitals` splits them.
 * @param options.seed which split, which order, and which question of a country gets which answer in `examples`
 * @param options.countries how many countries are trained, each in four wordings
 * @throws RangeError when no country would be trained or none held out
 */
export function shortAnswers({ seed = 0, countries = 120 } = {}): ShortAnswers {
  const { train, heldOut } = capitals({ seed, countries });
  const long = new Set(
    random(seed)
      .shuffle(train)
      .slice(0, train.length / 2),
  );
  return {
    examples: train.map((question) =>
      long.has(question) ? { ...question, completion: pairOf(question).rejected } : question,
    ),
    train: train.map(pairOf),
    heldOut: heldOut.map(pairOf),
  };
}

/** How an answer names the capital: in the short form, in the long one, or not right at all. */
export function answerForm(generated: string, { chosen, rejected }: AnswerPair): "short" | "long" | "wrong" {
  const answer = generated.trim().split("\n")[0]!.trim();
  if (answer === chosen.trim()) return "short";
  return answer === rejected.trim() ? "long" : "wrong";
}
