/** Chat templates against transformers: the text, its token ids, and which of them are the assistant's. */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadTokenizer } from "../../src/model/tokenizer";
import { reference } from "./python";

interface Case {
  template: string;
  conversation: number;
  /** Absent where the template refuses the conversation. */
  text?: string;
  prompt?: string;
  ids?: number[];
  /** Absent where the template does not mark the assistant's words. */
  assistant?: number[];
}

describe("chat templates against transformers", function () {
  this.timeout(120_000);
  let folder: string;
  let cases: Case[];
  let conversations: { role: string; content: string }[][];

  before(() => {
    folder = reference("chat_reference.py");
    ({ cases, conversations } = JSON.parse(readFileSync(join(folder, "chat.json"), "utf8")));
  });
  after(() => rmSync(folder, { recursive: true }));

  const check = (work: (each: Case, tokenizer: Awaited<ReturnType<typeof loadTokenizer>>) => void) =>
    Promise.all(cases.map(async (each) => work(each, await loadTokenizer(join(folder, each.template)))));

  it("write the same text, with and without the prompt for an answer", () =>
    check(({ template, conversation, text, prompt }, tokenizer) => {
      const write = (addGenerationPrompt: boolean) =>
        tokenizer.applyChatTemplate(conversations[conversation]!, { addGenerationPrompt });
      if (text === undefined) assert.throws(() => write(false), /refuses the conversation/, template);
      else assert.deepEqual([write(false), write(true)], [text, prompt], template);
    }));

  it("give the same token ids", () =>
    check(({ template, conversation, ids }, tokenizer) => {
      if (ids) assert.deepEqual(tokenizer.encodeChat(conversations[conversation]!).ids, ids, template);
    }));

  it("mark the same tokens as the assistant's where the template says which they are", async () => {
    let marked = 0;
    await check(({ template, conversation, assistant }, tokenizer) => {
      if (!assistant) return;
      marked++;
      const ours = tokenizer.encodeChat(conversations[conversation]!).assistant.map(Number);
      assert.deepEqual(ours, assistant, `${template} ${conversation}`);
    });
    assert.ok(marked >= 8, `${marked} cases`);
  });

  it("mark the same without being told, where the turn ends with end-of-text", () =>
    // The same template with the marks and without them.
    check(({ template, conversation, ids }, tokenizer) => {
      if (template !== "chatml" || !ids) return;
      const marks = cases.find((c) => c.template === "chatml-marked" && c.conversation === conversation)!;
      const ours = tokenizer.encodeChat(conversations[conversation]!).assistant.map(Number);
      assert.deepEqual(ours, marks.assistant);
    }));
});
