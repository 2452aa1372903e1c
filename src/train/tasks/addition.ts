/**
 * Adding two numbers of two digits: a skill in place of a manner or a fact. The base models never saw arithmetic, and
 * the tokenizer reads digit by digit, so that the carry has to be learnt.
 */
import type { Question } from "./accuracy";
import { random } from "./random";

export interface Sum extends Question {
  a: number;
  b: number;
}

export interface AdditionTask {
  train: Sum[];
  heldOut: Sum[];
}

/** Numbers of two digits. */
const NUMBERS = Array.from({ length: 90 }, (_, i) => 10 + i);

const ask = (a: number, b: number): Sum => ({
  prompt: `What is ${a} + ${b}?`,
  completion: ` ${a + b}.`,
  a,
  b,
});

/**
 * All 8,100 sums a + b of numbers from 10 to 99, split by the pair: a + b and b + a are on the same side.
 *
 * @param options.seed which pairs are held out, and the order
 * @param options.heldOut how many of the 4,095 pairs are held out, each asked in one order
 * @throws RangeError when a side would be empty
 */
export function addition({ seed = 0, heldOut = 300 } = {}): AdditionTask {
  const rng = random(seed);
  const pairs = rng.shuffle(
    NUMBERS.flatMap((a) => NUMBERS.filter((b) => b >= a).map((b) => [a, b] as const)),
  );
  if (!Number.isInteger(heldOut) || heldOut < 1 || heldOut >= pairs.length)
    throw new RangeError(
      `addition: "heldOut" must be an integer from 1 to ${pairs.length - 1} (there are ${pairs.length} pairs), got ${heldOut}`,
    );
  return {
    train: rng.shuffle(
      pairs.slice(heldOut).flatMap(([a, b]) => (a === b ? [ask(a, b)] : [ask(a, b), ask(b, a)])),
    ),
    heldOut: pairs.slice(0, heldOut).map(([a, b]) => (rng.below(2) ? ask(a, b) : ask(b, a))),
  };
}
