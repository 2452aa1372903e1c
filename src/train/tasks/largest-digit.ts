/**
 * Naming the largest of three digits: a task whose answers a program can check, for learning from rewards.
 *
 * The examples to begin with answer by any of the three digits, so the model learns the form of an answer and that it is
 * one of the digits, and is right in a third of the cases. No example says which digit is right: only the reward does.
 */
import { random } from "./random";

export interface DigitQuestion {
  prompt: string;
  /** The largest of the three. */
  answer: number;
  digits: [number, number, number];
}

export interface LargestDigit {
  /** To begin with: questions with one of their digits, drawn at random, as the answer. */
  examples: { prompt: string; completion: string }[];
  /** Questions to be rewarded on. */
  train: DigitQuestion[];
  /** Questions of which no other part of the task has the digits, in any order. */
  heldOut: DigitQuestion[];
}

function question(digits: [number, number, number]): DigitQuestion {
  const [a, b, c] = digits;
  return { prompt: `Which is the largest of ${a}, ${b} and ${c}?`, answer: Math.max(a, b, c), digits };
}

/** Sets of three different digits that are held out, of 120. */
const HELD_OUT = 20;

/**
 * All 720 questions with three different digits, split by the set of their digits.
 * @param options.seed which are held out, in which order, and which digit an example answers with
 */
export function largestDigit({ seed = 0 } = {}): LargestDigit {
  const rng = random(seed);
  const digits = [...Array(10).keys()];
  const sets = digits.flatMap((a) =>
    digits.slice(a + 1).flatMap((b) => digits.slice(b + 1).map((c): [number, number, number] => [a, b, c])),
  );
  const orders = ([a, b, c]: [number, number, number]): [number, number, number][] => [
    [a, b, c],
    [a, c, b],
    [b, a, c],
    [b, c, a],
    [c, a, b],
    [c, b, a],
  ];
  const shuffled = rng.shuffle(sets);
  const train = rng.shuffle(shuffled.slice(HELD_OUT).flatMap(orders)).map(question);
  return {
    examples: train.map(({ prompt, digits }) => ({ prompt, completion: ` ${rng.pick(digits)}.` })),
    train,
    heldOut: shuffled.slice(0, HELD_OUT).map((set) => question(rng.pick(orders(set)))),
  };
}

/** 1 for the right digit and nothing else, with or without a full stop; 0 for every other answer. */
export function rewardDigit(_prompt: string, completion: string, { answer }: DigitQuestion): number {
  return completion.trim().replace(/\.$/, "") === String(answer) ? 1 : 0;
}
