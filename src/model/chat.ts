/**
 * Conversations as a chat model reads them: one text, written by the Jinja template that comes with its tokenizer, and
 * which of its tokens are the assistant's own words.
 *
 * Templates mark these by `{% generation %} … {% endgeneration %}`, as transformers defines it. Most do not; then an
 * assistant's turn is what follows the prompt for it: what the template adds when the turn is added to the messages.
 */
import { parseJson } from "./files";

/** One turn of a conversation. */
export interface Message {
  /** "system", "user", "assistant", or what else the template knows. */
  role: string;
  content: string;
}

/** The part of @huggingface/jinja that is used; its own declarations resolve only from ES modules. */
interface Template {
  render(variables: Record<string, unknown>): string;
}
const { Template } = require("@huggingface/jinja") as { Template: new (source: string) => Template };

/** What begins and ends the assistant's words while they are looked for; no text has these characters. */
const [BEGIN, END] = ["\u{10fffe}", "\u{10ffff}"];
const TAG = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g;

/** A tokenizer's chat template with its special tokens. */
export class ChatTemplate {
  private readonly template: Template;
  /** With the assistant's words between BEGIN and END, where the template says which they are. */
  private readonly marked?: Template;

  /**
   * @param source Jinja
   * @param tokens the special tokens as templates call them: bos_token, eos_token …
   * @throws for a source that is no template
   */
  constructor(
    source: string,
    private readonly tokens: Readonly<Record<string, string>>,
  ) {
    const parse = (text: string) => {
      try {
        return new Template(text);
      } catch (error) {
        throw new Error(`The chat template is not valid: ${(error as Error).message}`);
      }
    };
    this.template = parse(source);
    if (source.search(TAG) < 0) return;
    // Blocks in the place of blocks: they treat the white space around them alike.
    this.marked = parse(
      source.replace(
        TAG,
        (_, left, end, right) => `{%${left} if true %}{{ "${end ? END : BEGIN}" }}{% endif ${right}%}`,
      ),
    );
  }

  /**
   * The conversation as text.
   * @param addGenerationPrompt whether it ends with what stands before an assistant's turn
   * @throws for messages that are none, and what the template itself refuses
   */
  render(messages: readonly Message[], addGenerationPrompt = false): string {
    return this.run(this.template, messages, addGenerationPrompt);
  }

  /**
   * The conversation as text, and where in it the assistant speaks: [begin, end) of each turn, in characters.
   * @throws what `render` throws, and when the template writes a turn differently once others follow
   */
  spans(messages: readonly Message[]): { text: string; spans: [number, number][] } {
    const text = this.render(messages);
    if (this.marked) {
      const pieces = this.run(this.marked, messages, false).split(new RegExp(`[${BEGIN}${END}]`, "u"));
      const places: number[] = [];
      let at = 0;
      for (const piece of pieces.slice(0, -1)) {
        at += piece.length;
        places.push(at);
      }
      return { text, spans: pairs(places) };
    }
    const spans = messages.flatMap(({ role }, i): [number, number][] => {
      if (role !== "assistant") return [];
      const before = i === 0 ? "" : this.render(messages.slice(0, i), true);
      const after = this.render(messages.slice(0, i + 1));
      if (!text.startsWith(before) || !text.startsWith(after)) {
        throw new Error(
          `The chat template writes turn ${i} differently once other turns follow, so where it stands cannot be told. ` +
            "Mark the assistant's words in it with {% generation %} … {% endgeneration %}.",
        );
      }
      return [[before.length, after.length]];
    });
    return { text, spans };
  }

  private run(template: Template, messages: readonly Message[], addGenerationPrompt: boolean): string {
    checkMessages(messages);
    try {
      return template.render({ ...this.tokens, messages, add_generation_prompt: addGenerationPrompt });
    } catch (error) {
      throw new Error(`The chat template refuses the conversation: ${(error as Error).message}`);
    }
  }
}

const pairs = (values: number[]): [number, number][] =>
  Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i]!, values[2 * i + 1]!]);

function checkMessages(messages: readonly Message[]): void {
  const isMessage = (message: unknown) => {
    const { role, content } = (message ?? {}) as Record<string, unknown>;
    return typeof role === "string" && typeof content === "string";
  };
  if (!Array.isArray(messages) || messages.length === 0 || !messages.every(isMessage)) {
    throw new Error(
      `A conversation is a list of at least one { role, content }, both texts; got ${JSON.stringify(messages)?.slice(0, 120)}.`,
    );
  }
}

/** The template of a tokenizer's files, if they have one: chat_template.jinja, or chat_template in tokenizer_config.json. */
export function chatTemplateOf(files: ReadonlyMap<string, string>): ChatTemplate | undefined {
  const settings = parseJson("tokenizer_config.json", files.get("tokenizer_config.json") ?? "{}");
  const listed = settings.chat_template as string | { name: string; template: string }[] | undefined;
  const inSettings = Array.isArray(listed) ? listed.find(({ name }) => name === "default")?.template : listed;
  const source = files.get("chat_template.jinja") ?? inSettings;
  if (typeof source !== "string") return undefined;
  const map = parseJson("special_tokens_map.json", files.get("special_tokens_map.json") ?? "{}");
  const tokens = Object.entries({ ...settings, ...map }).flatMap(([name, value]): [string, string][] => {
    if (!name.endsWith("_token")) return [];
    const token = typeof value === "object" ? (value as { content?: unknown } | null)?.content : value;
    return typeof token === "string" ? [[name, token]] : [];
  });
  return new ChatTemplate(source, Object.fromEntries(tokens));
}
