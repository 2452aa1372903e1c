/** What the base models that come with loralab knew before any fine-tuning: texts and sentences held out from pre-training. */
import { join, readFileSync } from "../model/disk";
import { packageRoot } from "../model/places";
import { COUNTRIES } from "../train/tasks/countries";
import type { Cloze } from "./cloze";

/** What is asked about the source domains, by their names. */
export interface SourceProbes {
  /** Texts of the source domains; documents are apart by an empty line. */
  texts: Readonly<Record<string, string>>;
  /** Sentences to complete. */
  cloze: Readonly<Record<string, readonly Cloze[]>>;
}

const read = (file: string): string => readFileSync(join(packageRoot(), "models", "probes", file), "utf8");

/**
 * The probes that come with loralab, about 50 KB of text each: `novels` (the first chapters of Moby-Dick), `glosses` of
 * WordNet, `tinyworld` (statements about countries in wordings that training did not show); to complete, `capitals` ("The
 * capital of Norway is") of 199 countries and 400 `kinds` ("A pouch is a kind of"). Texts and licences: models/probes.
 */
export function sourceProbes(): SourceProbes {
  const text = (name: string) => read(`${name}.txt`).trimEnd();
  return {
    texts: { novels: text("novels"), glosses: text("glosses"), tinyworld: text("tinyworld") },
    cloze: {
      capitals: COUNTRIES.map(({ name, capital }) => ({
        prompt: `The capital of ${name} is`,
        completion: ` ${capital}`,
      })),
      kinds: JSON.parse(read("kinds.json")),
    },
  };
}
