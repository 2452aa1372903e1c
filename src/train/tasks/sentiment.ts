/**
 * Telling praise from complaint: sentences of reviews from Amazon, IMDb and Yelp (Kotzias et al., "From Group to
 * Individual Labels using Deep Features", KDD 2015), as the npm package `sentiment` (MIT) has them among its tests.
 *
 * That package is also the baseline. It counts words of the list AFINN, each with a grade from −5 to 5 (Nielsen,
 * arXiv:1103.2903), and learns nothing.
 */
import fs from "node:fs";
import Afinn from "sentiment";
import type { Question } from "./accuracy";
import { random } from "./random";

export interface Review extends Question {
  sentence: string;
  isPositive: boolean;
}

export interface SentimentTask {
  train: Review[];
  heldOut: Review[];
  /** The fraction of the held-out sentences that AFINN gets right, 0 … 1. */
  baseline: number;
}

const FILES = ["amazon", "imdb", "yelp"];

/** The two answers. Each is one token of the base models, so a greedy answer picks the likelier of the two. */
const ANSWERS = { positive: " good.", negative: " bad." };

function reviews(): Review[] {
  const entries = FILES.flatMap((name) => {
    const file = require.resolve(`sentiment/test/fixtures/${name}.json`);
    return JSON.parse(fs.readFileSync(file, "utf8")) as { text: string; class: 0 | 1 | null }[];
  });
  // Some sentences are there twice: one that is trained must not be asked about.
  const bySentence = new Map(entries.map(({ text, class: label }) => [text.trim(), label]));
  bySentence.delete(""); // each file ends with one
  return [...bySentence].map(([sentence, label]) => ({
    prompt: `Review: ${sentence}\nThis is`,
    completion: label === 1 ? ANSWERS.positive : ANSWERS.negative,
    sentence,
    isPositive: label === 1,
  }));
}

/**
 * About 3,000 sentences, half of them positive, split at random. Whether an answer is right, `accuracy` tells.
 *
 * @param options.seed which split, and which order of the training sentences
 * @param options.sentences how many are trained
 * @returns training sentences, all others as held-out ones, and how many of these the baseline gets right
 * @throws RangeError when no sentence would be trained or none held out
 */
export function sentiment({ seed = 0, sentences = 2400 } = {}): SentimentTask {
  const all = random(seed).shuffle(reviews());
  if (!Number.isInteger(sentences) || sentences < 1 || sentences >= all.length)
    throw new RangeError(
      `sentiment: "sentences" must be an integer from 1 to ${all.length - 1} (there are ${all.length} and at ` +
        `least one is held out), got ${sentences}`,
    );
  const heldOut = all.slice(sentences);
  const afinn = new Afinn();
  // As in the package's own validation: a sentence without a graded word counts as positive.
  const right = heldOut.filter((r) => afinn.analyze(r.sentence).score >= 0 === r.isPositive);
  return { train: all.slice(0, sentences), heldOut, baseline: right.length / heldOut.length };
}
