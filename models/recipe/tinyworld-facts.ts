/**
 * TinyWorld's facts: documents that state capitals, continents, currencies and languages of all real countries.
 *
 * Each country gets the same number of statements per kind of fact, its templates taken in turn from a shuffled
 * list. A statement is either put beside other facts of the same country (a profile), beside statements about
 * other countries (a collection), or into a frame such as a letter. Some pairs of country and template never
 * occur in training: validation is made of them alone, so its loss measures facts in wordings that this country
 * has not been seen with.
 */
import { COUNTRIES, type Country, possessive } from "../../src/train/tasks/countries";
import { type Random, random } from "../../src/train/tasks/random";
import { NAMES } from "./tinyworld-stories";
import { FILLERS, FOLLOW_UPS, FRAMES, KINDS, type Kind, STATEMENTS } from "./tinyworld-templates";

/** How often each fact of a country is stated in the training text. */
export type Exposures = Record<Kind, number>;

export const EXPOSURES: Exposures = { capital: 400, continent: 120, currency: 140, language: 140 };

export function sentenceCase(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}

function factValue(country: Country, kind: Kind): string {
  return kind === "language" ? country.languages.join(" and ") : country[kind];
}

/** Fills one template in for one country. */
export function state(template: string, country: Country, kind: Kind): string {
  return sentenceCase(
    template
      .replace("{p}", possessive(country.name))
      .replace("{c}", country.name)
      .replace("{is}", kind === "language" && country.languages.length > 1 ? "are" : "is")
      .replace("{v}", factValue(country, kind)),
  );
}

/** Whether a country is never seen with a template in training; the first, plainest one is always seen. */
export function isHeldOut(country: number, template: number): boolean {
  return template > 0 && (country * 7 + template * 3) % 18 === 0;
}

/** Templates of one kind, endlessly, each round in a new order, without those held out for the country. */
function* templates(kind: Kind, country: number, rng: Random): Generator<string, never, undefined> {
  const allowed = STATEMENTS[kind].filter((_, t) => !isHeldOut(country, t));
  for (;;) yield* rng.shuffle(allowed);
}

/** A paragraph about one country: the first sentence names it, later ones may say "its". */
function profile(country: Country, kinds: Kind[], next: (kind: Kind) => string, rng: Random): string {
  return kinds
    .map((kind, i) =>
      i > 0 && rng.next() < 0.45
        ? state(rng.pick(FOLLOW_UPS[kind]), country, kind)
        : state(next(kind), country, kind),
    )
    .join(" ");
}

/** The sentences in a letter or a little scene, which may lack its beginning, its middle or its end. */
function framed(sentences: string[], rng: Random): string {
  const name = rng.pick(NAMES);
  const frame = rng.pick(FRAMES);
  const parts = [...sentences];
  if (rng.next() < 0.35) parts.splice(rng.below(parts.length + 1), 0, rng.pick(FILLERS));
  if (rng.next() < 0.6) parts.unshift(rng.pick(frame.openings));
  if (rng.next() < 0.6) parts.push(rng.pick(frame.closings));
  return parts.join(" ").replaceAll("{n}", name);
}

/**
 * All training documents about facts, shuffled.
 *
 * @param seed same seed, same documents
 * @param exposures statements per country, for each kind of fact
 */
export function factDocuments(seed: number, exposures: Exposures = EXPOSURES): string[] {
  const rng = random(seed);
  const documents: string[] = [];
  const loose: string[] = [];
  COUNTRIES.forEach((country, index) => {
    const sources = Object.fromEntries(KINDS.map((kind) => [kind, templates(kind, index, rng)]));
    const next = (kind: Kind) => sources[kind].next().value;
    const left = { ...exposures };
    // Two fifths of the capitals, and most other facts, go into profiles.
    while (left.capital > exposures.capital * 0.6) {
      const others = rng
        .shuffle(KINDS.filter((kind) => kind !== "capital" && left[kind] > 0))
        .slice(0, 1 + rng.below(3));
      const kinds = rng.shuffle<Kind>(["capital", ...others]);
      for (const kind of kinds) left[kind]--;
      const text = profile(country, kinds, next, rng);
      documents.push(rng.next() < 0.25 ? framed([text], rng) : text);
    }
    for (const kind of KINDS)
      for (let i = 0; i < left[kind]; i++) loose.push(state(next(kind), country, kind));
  });
  // The rest stands beside facts of other countries, or alone in a frame.
  const shuffled = rng.shuffle(loose);
  for (let at = 0; at < shuffled.length; ) {
    const size = rng.pick([1, 1, 2, 3, 4, 6]);
    const group = shuffled.slice(at, at + size);
    at += size;
    documents.push(size <= 2 || rng.next() < 0.3 ? framed(group, rng) : group.join(" "));
  }
  return rng.shuffle(documents);
}

/** Documents made only of pairs of country and template that training never shows. */
export function heldOutFactDocuments(seed: number): string[] {
  const rng = random(seed);
  const statements = COUNTRIES.flatMap((country, index) =>
    KINDS.flatMap((kind) =>
      STATEMENTS[kind]
        .filter((_, t) => isHeldOut(index, t))
        .map((template) => state(template, country, kind)),
    ),
  );
  const shuffled = rng.shuffle(statements);
  const documents: string[] = [];
  for (let at = 0; at < shuffled.length; at += 4) documents.push(shuffled.slice(at, at + 4).join(" "));
  return documents;
}
