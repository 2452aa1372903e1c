/**
 * The first fine-tuning task: answer a question, don't continue it.
 *
 * A base model knows "The capital of the Netherlands is Amsterdam" from statements alone and has never seen a
 * question answered. Fine-tuning on the questions of some countries teaches the form of an answer; the
 * countries kept apart, asked in a wording kept apart, show that the knowledge was in the base all along.
 */
import type { Question } from "./accuracy";
import { bare, COUNTRIES, possessive } from "./countries";
import { inventedCountries } from "./invented";
import { random } from "./random";

/** A question; its completion is a space, the capital, a full stop. The trainer appends end-of-text. */
export interface Example extends Question {
  country: string;
  capital: string;
}

export interface Task {
  train: Example[];
  heldOut: Example[];
}

type Wording = (country: string) => string;

/** The four forms of the question that are trained. */
export const WORDINGS: readonly Wording[] = [
  (c) => `What is the capital of ${c}?`,
  (c) => `Which city is the capital of ${c}?`,
  (c) => `What is ${possessive(c)} capital?`,
  (c) => `What is the name of the capital city of ${c}?`,
];

/** The form that only the held-out questions have. */
export const UNSEEN_WORDING: Wording = (c) => `Can you tell me the capital city of ${c}?`;

/** Tutorials ask about it, so its question is never trained. */
const ALWAYS_HELD_OUT = "the Netherlands";

function ask(wording: Wording, { name, capital }: { name: string; capital: string }): Example {
  return { prompt: wording(name), completion: ` ${capital}.`, country: name, capital };
}

/**
 * Splits the real countries at random into training and held-out ones.
 *
 * @param options.seed which split, and which order of the training examples
 * @param options.countries how many countries are trained, each in all four wordings
 * @returns shuffled training questions, and one question in the unseen wording per held-out country; the
 *   Netherlands are always held out
 * @throws RangeError when no country would be trained or none held out
 */
export function capitals({ seed = 0, countries = 150 } = {}): Task {
  if (!Number.isInteger(countries) || countries < 1 || countries >= COUNTRIES.length)
    throw new RangeError(
      `capitals: "countries" must be an integer from 1 to ${COUNTRIES.length - 1} (there are ${COUNTRIES.length} ` +
        `countries and at least one is held out), got ${countries}`,
    );
  const rng = random(seed);
  const order = rng.shuffle(COUNTRIES.filter((c) => c.name !== ALWAYS_HELD_OUT));
  const heldOut = [...order.slice(countries), ...COUNTRIES.filter((c) => c.name === ALWAYS_HELD_OUT)];
  return {
    train: rng.shuffle(order.slice(0, countries).flatMap((c) => WORDINGS.map((wording) => ask(wording, c)))),
    heldOut: heldOut
      .sort((a, b) => (bare(a.name) < bare(b.name) ? -1 : 1))
      .map((c) => ask(UNSEEN_WORDING, c)),
  };
}

/**
 * New facts: the capitals of invented countries. Here `heldOut` asks about the *same* countries in the unseen
 * wording, since nobody can know the capital of an invented country they were not told about.
 *
 * @throws RangeError when `countries` is not a positive integer
 */
export function inventedCapitals({ seed = 0, countries = 200 } = {}): Task {
  if (!Number.isInteger(countries) || countries < 1)
    throw new RangeError(`inventedCapitals: "countries" must be a positive integer, got ${countries}`);
  const all = inventedCountries(countries);
  return {
    train: random(seed).shuffle(all.flatMap((c) => WORDINGS.map((wording) => ask(wording, c)))),
    heldOut: all.map((c) => ask(UNSEEN_WORDING, c)),
  };
}
