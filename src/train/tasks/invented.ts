/**
 * Countries that do not exist, with capitals that do not exist either. The base models never saw them, so what
 * a model says about them was either learnt in fine-tuning or made up.
 */
import { bare, COUNTRIES } from "./countries";
import { random } from "./random";

export interface InventedCountry {
  name: string;
  capital: string;
}

const ONSETS = [
  "b",
  "d",
  "f",
  "g",
  "h",
  "k",
  "l",
  "m",
  "n",
  "p",
  "r",
  "s",
  "t",
  "v",
  "z",
  "br",
  "dr",
  "gl",
  "kr",
  "st",
  "tr",
];
const VOWELS = ["a", "e", "i", "o", "u", "a", "e", "o"];
const CODAS = ["", "", "", "l", "n", "r", "s", "m"];
const COUNTRY_ENDINGS = ["ia", "ania", "or", "oland", "avia", "essa", "una", "istan", "eria", "ova"];
const CAPITAL_ENDINGS = ["burg", "ton", "polis", "ham", "gard", "mouth", "stad", "ville", "ka", "dun"];

const SEED = 20_240;

/**
 * The first `count` invented countries: always the same ones, all names and capitals different from one another
 * and from every real country and capital.
 */
export function inventedCountries(count = 200): InventedCountry[] {
  const rng = random(SEED);
  const taken = new Set(COUNTRIES.flatMap((c) => [bare(c.name), c.capital]));
  const syllable = () => rng.pick(ONSETS) + rng.pick(VOWELS) + rng.pick(CODAS);
  const fresh = (make: () => string): string => {
    for (;;) {
      const word = make();
      const name = word[0].toUpperCase() + word.slice(1);
      if (taken.has(name)) continue;
      taken.add(name);
      return name;
    }
  };
  return Array.from({ length: count }, () => ({
    name: fresh(() => syllable() + rng.pick(ONSETS) + rng.pick(COUNTRY_ENDINGS)),
    capital: fresh(() => syllable() + rng.pick(ONSETS) + rng.pick(VOWELS) + rng.pick(CAPITAL_ENDINGS)),
  }));
}
