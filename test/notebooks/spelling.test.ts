/** Spelling of what people read: the tutorials' prose and the documents. New words of the field go into cspell.json. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { packageRoot } from "../../kernel/entry";
import { readNotebook } from "../../kernel/nbformat";
import { prose } from "./rules";

const ROOT = packageRoot();
const CONFIG = path.join(ROOT, "cspell.json");

const notebooks = fs
  .readdirSync(path.join(ROOT, "notebooks"))
  .filter((name) => name.endsWith(".ipynb"))
  .map((name) => path.join("notebooks", name));
const documents = ["README.md", "CONTRIBUTING.md", "notebooks/README.md", "models/small/README.md"];

/** Prose alone: without code, formulas, addresses and markup. */
function words(markdown: string): string {
  return markdown
    .replace(/```[\s\S]*?```|`[^`\n]*`/g, " ")
    .replace(/\$\$[\s\S]+?\$\$|\$[^$\n]+\$/g, " ")
    .replace(/\]\([^)]*\)/g, "]")
    .replace(/https?:\/\/\S+|<[^>]+>/g, " ");
}

/** Words that no dictionary has, each once. */
async function misspelt(text: string): Promise<string[]> {
  const { readConfigFile, spellCheckDocument } = await import("cspell-lib");
  const { settings } = await readConfigFile(CONFIG);
  const document = { uri: "prose.txt", text, languageId: "plaintext", locale: "en,en-GB" };
  const { issues, errors } = await spellCheckDocument(
    document,
    { generateSuggestions: false, noConfigSearch: true },
    settings,
  );
  assert.deepEqual(errors ?? [], []);
  return [...new Set(issues.map((issue) => issue.text))];
}

describe("spelling", () => {
  for (const file of [...documents, ...notebooks])
    it(`of ${file}`, async () => {
      const full = path.join(ROOT, file);
      const text = file.endsWith(".ipynb") ? prose(readNotebook(full)) : fs.readFileSync(full, "utf8");
      assert.deepEqual(await misspelt(words(text)), []);
    });

  it("knows both kinds of English and the words of the field, and finds what is wrong", async () => {
    assert.deepEqual(await misspelt("The colour of a color; LoRA quantizes and quantises tokens."), []);
    assert.deepEqual(await misspelt("a recieved gradiant"), ["recieved", "gradiant"]);
  });
});
