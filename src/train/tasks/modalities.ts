/**
 * Two kinds of input that ask for different things, in place of the pictures and the speech of Phi-4-multimodal
 * (arXiv:2503.01743): rows of letters and rows of digits.
 *
 * Of a row of letters each is to be replaced by the next in the alphabet, z by a; of a row of digits each by the one
 * before it, 0 by 9. What to do follows from the kind alone, so one LoRA for each kind with a fixed switch, a mixture
 * with a learned gate, and one LoRA for both can be compared.
 */
import type { Question } from "./accuracy";
import { type Random, random } from "./random";

export interface Modality {
  train: Question[];
  heldOut: Question[];
}

export interface Modalities {
  letters: Modality;
  digits: Modality;
}

/** Symbols in a row. */
const LENGTH = 4;
/** Rows of each kind that are held out. */
const HELD_OUT = 200;

/** Rows of different symbols, no two alike, each with the row in which every symbol is `step` further on in `symbols`. */
function rows(symbols: string, step: number, count: number, rng: Random): Question[] {
  const next = (symbol: string) => symbols.at((symbols.indexOf(symbol) + step) % symbols.length)!;
  const made = new Map<string, Question>();
  while (made.size < count) {
    const row = rng.shuffle([...symbols]).slice(0, LENGTH);
    const prompt = `${row.join(" ")} =`;
    made.set(prompt, { prompt, completion: ` ${row.map(next).join(" ")}.` });
  }
  return [...made.values()];
}

/**
 * @param options.seed which rows are drawn, and which of them are held out
 * @param options.rows how many rows of each kind are trained, at most 4,000
 * @returns of each kind so many rows to train and 200 others to ask about
 * @throws RangeError when `rows` is out of range
 */
export function modalities({ seed = 0, rows: count = 2000 } = {}): Modalities {
  if (!Number.isInteger(count) || count < 1 || count > 4000)
    throw new RangeError(`modalities: "rows" must be an integer from 1 to 4000, got ${count}`);
  const rng = random(seed);
  const split = (symbols: string, step: number): Modality => {
    const all = rows(symbols, step, count + HELD_OUT, rng);
    return { train: all.slice(HELD_OUT), heldOut: all.slice(0, HELD_OUT) };
  };
  return { letters: split("abcdefghijklmnopqrstuvwxyz", 1), digits: split("0123456789", -1) };
}
