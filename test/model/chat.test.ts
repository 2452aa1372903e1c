import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LanguageModel, loadModel, loadTokenizer, saveModel, Tokenizer } from "../../src/model";
import { byteTokenizer, randomWeights, tinyConfig } from "./tiny";

const plain = byteTokenizer();
const withTemplate = (source: string) =>
  new Tokenizer(new Map([...plain.files, ["chat_template.jinja", source]]));
const TEMPLATE =
  "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}a:{% endif %}";
const TALK = [
  { role: "user", content: "hi" },
  { role: "assistant", content: "yo" },
  { role: "user", content: "so" },
  { role: "assistant", content: "ok" },
];
/** The text of the tokens that are the assistant's. */
const said = (tokenizer: Tokenizer, messages = TALK) => {
  const { ids, assistant } = tokenizer.encodeChat(messages);
  return tokenizer.decode(ids.filter((_, i) => assistant[i]));
};

describe("a chat template", () => {
  it("writes a conversation, and what stands before an answer when asked to", () => {
    const tokenizer = withTemplate(TEMPLATE);
    const text = tokenizer.applyChatTemplate(TALK.slice(0, 2));
    assert.equal(text, "u:hi\na:yo<|end|>\n");
    assert.equal(tokenizer.applyChatTemplate(TALK.slice(0, 1), { addGenerationPrompt: true }), "u:hi\na:");
  });

  it("tells the assistant's words of every turn, each with the token that ends it, from all others", () => {
    assert.equal(said(withTemplate(TEMPLATE)), "yo<|end|>ok<|end|>");
  });

  it("takes the template's own word for it where it marks them", () => {
    const words = "{% generation %}{{ m.content }}{% endgeneration %}";
    assert.equal(said(withTemplate(TEMPLATE.replace("{{ m.content }}", words))), "hiyosook");
  });

  it("is read from tokenizer_config.json too, alone or as the default of several", () => {
    const settings = JSON.parse(plain.files.get("tokenizer_config.json")!);
    const other = { name: "tool_use", template: "" };
    for (const chat_template of [TEMPLATE, [other, { name: "default", template: TEMPLATE }]]) {
      const json = JSON.stringify({ ...settings, chat_template });
      const tokenizer = new Tokenizer(new Map([...plain.files, ["tokenizer_config.json", json]]));
      assert.equal(said(tokenizer), "yo<|end|>ok<|end|>");
    }
  });

  it("is saved with its model and works when that is loaded", async () => {
    const config = tinyConfig({ vocab_size: 257 });
    const model = new LanguageModel({
      name: "tiny",
      config,
      weights: randomWeights(config),
      tokenizer: withTemplate(TEMPLATE),
    });
    const folder = await mkdtemp(join(tmpdir(), "loralab-chat-"));
    try {
      await saveModel(model, folder);
      const loaded = await loadModel(folder);
      assert.equal(said(loaded.tokenizer), "yo<|end|>ok<|end|>");
      // A conversation as a prompt is the text that the template makes of it.
      const [conversation, text] = await loaded.generateBatch(
        [TALK.slice(0, 1), loaded.tokenizer.encode("u:hi\na:", { special: false })],
        { maxTokens: 4 },
      );
      assert.deepEqual(conversation!.ids, text!.ids);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("that comes with our models marks answers", async () => {
    for (const name of ["small", "nano"]) {
      const tokenizer = await loadTokenizer(join(__dirname, "../../models", name));
      assert.equal(
        tokenizer.applyChatTemplate(TALK),
        "User: hi\nAssistant: yo<|endoftext|>User: so\nAssistant: ok<|endoftext|>",
      );
      assert.equal(said(tokenizer), " yo<|endoftext|> ok<|endoftext|>");
    }
  });

  it("is missed with a word on what to do, and refused when it is none", () => {
    assert.throws(() => plain.applyChatTemplate(TALK), /no chat template[\s\S]*chat_template\.jinja/);
    assert.throws(() => withTemplate("{% for %}").applyChatTemplate(TALK), /chat template is not valid/);
    const refusing = withTemplate("{{ raise_exception('no system role here') }}");
    assert.throws(() => refusing.applyChatTemplate(TALK), /refuses the conversation: no system role here/);
  });

  it("refuses what is no conversation", () => {
    const tokenizer = withTemplate(TEMPLATE);
    for (const wrong of [[], "hi", [{ role: "user" }], [{ role: "user", content: 3 }], [null]]) {
      assert.throws(() => tokenizer.applyChatTemplate(wrong as never), /at least one \{ role, content \}/);
    }
  });

  it("that rewrites earlier turns is told apart from one that can be learned", () => {
    // It writes only the last answer.
    const last =
      "{% for m in messages %}{% if m.role == 'user' or loop.last %}{{ m.content }}{% endif %}{% endfor %}";
    assert.throws(() => withTemplate(last).encodeChat(TALK), /writes turn 1 differently[\s\S]*generation/);
  });
});
