/** Seeded choices for making data: the same seed gives the same data on every machine. */
import { generator } from "../../engine";
import { shuffle } from "../data";

export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** An integer in [0, n). */
  below(n: number): number;
  /** One element, each equally likely. */
  pick<T>(items: readonly T[]): T;
  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[];
}

export function random(seed: number): Random {
  const next = generator(seed);
  const below = (n: number) => Math.floor(next() * n);
  return {
    next,
    below,
    pick: (items) => items[below(items.length)]!,
    shuffle: (items) => shuffle(items, next),
  };
}
