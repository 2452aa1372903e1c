import assert from "node:assert/strict";
import { useKernel } from "./support";

/** What a front end asks while a cell is written; `|` is the cursor. */
describe("kernel: help while a cell is written", () => {
  const kernel = useKernel();
  const ask = async (type: string, text: string): Promise<any> => {
    const cursor_pos = [...text.slice(0, text.indexOf("|"))].length;
    const code = text.replace("|", "");
    const { reply } = await kernel.client.request(type, { code, cursor_pos, detail_level: 0 });
    assert.equal(reply.content.status, "ok", String(reply.content.evalue));
    return reply.content;
  };
  const completed = async (text: string): Promise<[text: string, type: string][]> => {
    const { matches, metadata } = await ask("complete_request", text);
    const typed = metadata._jupyter_types_experimental;
    assert.deepEqual(
      matches,
      typed.map((match: any) => match.text),
    );
    return typed.map((match: any) => [match.text, match.type]);
  };
  /** The text once the only match that begins with it is taken. */
  const taken = async (text: string, match: string): Promise<string> => {
    const { matches, cursor_start, cursor_end } = await ask("complete_request", text);
    assert.ok(matches.includes(match), matches.join());
    const characters = [...text.replace("|", "")];
    return [...characters.slice(0, cursor_start), match, ...characters.slice(cursor_end)].join("");
  };
  const explained = async (text: string): Promise<string | undefined> =>
    (await ask("inspect_request", text)).data["text/plain"];

  before(async () => {
    const { reply } = await kernel.client.execute("import { loadModel, lora } from 'loralab'");
    assert.equal(reply.content.status, "ok", String(reply.content.evalue));
  });

  it("completes settings, members and names, each with its kind", async () => {
    assert.deepEqual(await completed("lora({ ran|"), [
      ["rank", "property"],
      ["rankPattern", "property"],
    ]);
    const members = await completed("const m = await loadModel('small'); m.at|");
    assert.deepEqual(members[0], ["attach", "method"]);
    assert.deepEqual((await completed("loadM|"))[0], ["loadModel", "alias"]);
    assert.deepEqual((await completed("const local = 1; loca|"))[0], ["local", "const"]);
    assert.deepEqual((await completed("awai|"))[0], ["await", "keyword"]);
  });

  it("completes after a dot, also behind a value that is not complete", async () => {
    const names = (await completed("const m = await loadModel('small');\nm.|")).map(([name]) => name);
    for (const name of ["attach", "generate", "merge"]) assert.ok(names.includes(name));
  });

  it("completes what an import offers", async () => {
    const names = (await completed("import { lo| } from 'loralab'")).map(([name]) => name);
    for (const name of ["lora", "loadModel", "loadAdapter"]) assert.ok(names.includes(name), name);
  });

  it("completes names of packages and their subpaths, and what a text may be", async () => {
    assert.equal(await taken("import { lora } from 'loral|", "loralab"), "import { lora } from 'loralab");
    assert.equal(await taken("import fs from 'fs/pro|'", "promises"), "import fs from 'fs/promises'");
    assert.equal(await taken("lora({ targets: 'all-l|' })", "all-linear"), "lora({ targets: 'all-linear' })");
    await kernel.client.execute("const ages = { ann: 1, 'of bob': 2 }");
    assert.equal(await taken("ages['of|", "of bob"), "ages['of bob");
  });

  it("explains a function, a setting and a method with types and documentation", async () => {
    assert.match(
      (await explained("lo|ra()"))!,
      /^lora\(\{ rank, alpha, [\s\S]*\}\?: Partial<LoraSettings> \| undefined\): Method\n\nLoRA \(Hu et al\., arXiv:2106\.09685\)/,
    );
    assert.match(
      (await explained("lora({ ra|nk: 8 })"))!,
      /^\(property\) rank\?: number[\s\S]*the rank of the update/,
    );
    assert.match(
      (await explained("const m = await loadModel('small'); m.gene|rate"))!,
      /generate\(prompt: Prompt[^\n]*\): Promise<Generation>\n\nContinues a text/,
    );
    const { data } = await ask("inspect_request", "lora|");
    assert.match(data["text/markdown"], /^```typescript\nfunction lora\([\s\S]*\n```\n\nLoRA/);
  });

  it("explains what is called, from inside of its parentheses", async () => {
    for (const text of ["lora(|", "lora(|)", "lora({ rank: 8 }|)", "const x = lora({ rank: 8, | })"])
      assert.match(String(await explained(text)), /lora\(\{ rank[\s\S]*LoRA \(Hu et al/, text);
    assert.match(String(await explained("Math.max(1, Math.min(2, |), 3)")), /Math\.min\(/);
    assert.match(String(await explained("Math.max(1, Math.min(2), |3)")), /Math\.max\(/);
    assert.match(String(await explained("new Map(|)")), /Map<any, any>/);
    assert.equal(await explained("Math.max(1) + |"), undefined);
  });

  it("explains a match once it is taken, as front ends do beside their list", async () => {
    const text = await taken("lora({ ran|", "rank");
    assert.match((await explained(`${text}|`))!, /\(property\) rank/);
  });

  it("finds nothing in strings, comments and beyond", async () => {
    for (const text of ["'some te|xt'", "// comm|ent", "|", "doesNotExi|st"])
      assert.equal(await explained(text), undefined, text);
    assert.deepEqual(await completed("'some te|"), []);
  });
});
