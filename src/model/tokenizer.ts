/**
 * Text ↔ token ids, by a model's own `tokenizer.json`. The work is done by @huggingface/tokenizers; this adds the ids
 * that end and pad a text, exact decoding, and decoding token by token without ever emitting half a character.
 */
import { type ChatTemplate, chatTemplateOf, type Message } from "./chat";
import type { ModelConfig } from "./config";
import { join, readFile } from "./disk";
import { parseJson } from "./files";

/** The part of @huggingface/tokenizers that is used; its own declarations resolve only from ES modules. */
interface HubTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_vocab(): Map<string, number>;
}
const { Tokenizer: HubTokenizer } = require("@huggingface/tokenizers") as {
  Tokenizer: new (tokenizer: object, config: object) => HubTokenizer;
};

/** What a folder may have of it; all of it is kept for writing it back. */
export const TOKENIZER_FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
  "generation_config.json",
];

/** Reads a model folder's tokenizer. Token ids that tokenizer_config.json does not name are taken from the model. */
export async function loadTokenizer(folder: string, config?: ModelConfig): Promise<Tokenizer> {
  const files = new Map<string, string>();
  for (const file of TOKENIZER_FILES) {
    try {
      files.set(file, await readFile(join(folder, file), "utf8"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || file === "tokenizer.json") throw error;
    }
  }
  return new Tokenizer(files, config);
}

/** Turns ids into text as they come. */
export interface StreamDecoder {
  /** Text that this token completes; empty while a character is still unfinished. */
  push(id: number): string;
  /** What is left, however incomplete. */
  end(): string;
}

export class Tokenizer {
  /** Size of the vocabulary including added tokens; a model's embedding may have more rows. */
  readonly vocabSize: number;
  readonly bosId?: number;
  /** Tokens that end a text. */
  readonly eosIds: number[];
  readonly padId?: number;
  private readonly hub: HubTokenizer;
  private template?: ChatTemplate;

  /** @param files name → content of tokenizer.json and, optionally, tokenizer_config.json; kept for writing them back */
  constructor(
    readonly files: ReadonlyMap<string, string>,
    model?: Pick<ModelConfig, "bosTokenId" | "eosTokenIds" | "padTokenId">,
  ) {
    const tokenizer = parseJson("tokenizer.json", files.get("tokenizer.json") ?? "");
    const settings = parseJson("tokenizer_config.json", files.get("tokenizer_config.json") ?? "{}");
    try {
      this.hub = new HubTokenizer(tokenizer, settings);
    } catch (error) {
      throw new Error(`tokenizer.json: ${(error as Error).message}`);
    }
    this.vocabSize = [...this.hub.get_vocab().values()].reduce((size, id) => Math.max(size, id + 1), 0);
    const special = (name: string) => {
      const value = settings[name] as string | { content: string } | null | undefined;
      const token = typeof value === "object" ? value?.content : value;
      return token === undefined ? undefined : this.hub.token_to_id(token);
    };
    this.bosId = special("bos_token") ?? model?.bosTokenId;
    // As in transformers, the settings of generation come before the model's: a chat model's end of a turn is often there.
    const generation = parseJson("generation_config.json", files.get("generation_config.json") ?? "{}");
    const ends = [special("eos_token"), generation.eos_token_id ?? model?.eosTokenIds].flat();
    this.eosIds = [...new Set(ends.filter((id): id is number => typeof id === "number"))];
    this.padId = special("pad_token") ?? model?.padTokenId;
  }

  /**
   * Token ids of a text.
   * @param special whether the tokenizer's template adds its special tokens (such as a beginning-of-text token)
   */
  encode(text: string, { special = true }: { special?: boolean } = {}): number[] {
    return text === "" && !special ? [] : this.hub.encode(text, { add_special_tokens: special }).ids;
  }

  /**
   * Text of token ids, byte for byte what was encoded. Ids beyond the vocabulary, which a padded embedding can
   * produce, are left out.
   * @param special whether special tokens appear in the text
   */
  decode(ids: Iterable<number>, { special = true }: { special?: boolean } = {}): string {
    const known = [...ids].filter((id) => this.token(id) !== undefined);
    if (known.length === 0) return "";
    return this.hub.decode(known, { skip_special_tokens: !special, clean_up_tokenization_spaces: false });
  }

  /**
   * Writes a conversation as the text that a chat model reads, by the template that comes with the tokenizer. Its special
   * tokens are part of the text: `encode` it with `{ special: false }`. transformers: `apply_chat_template`.
   * @param addGenerationPrompt whether it ends with what stands before an assistant's turn, for the model to go on
   * @throws without a template, and for what is no conversation or none that the template takes
   */
  applyChatTemplate(
    messages: readonly Message[],
    { addGenerationPrompt = false }: { addGenerationPrompt?: boolean } = {},
  ): string {
    return this.chatTemplate.render(messages, addGenerationPrompt);
  }

  /**
   * Token ids of a conversation, and which of them the assistant is to say: its words and, where the template has one, the
   * token that ends its turn. Where the words and what stands before them share a token, it counts as the assistant's.
   * @throws what `applyChatTemplate` throws
   */
  encodeChat(messages: readonly Message[]): { ids: number[]; assistant: boolean[] } {
    const { text, spans } = this.chatTemplate.spans(messages);
    const ids = this.encode(text, { special: false });
    /** How many tokens stand wholly before a place in the text. */
    const tokensBefore = (place: number) => {
      const before = this.encode(text.slice(0, place), { special: false });
      const parted = before.findIndex((id, i) => id !== ids[i]);
      return parted < 0 ? before.length : parted;
    };
    const assistant = ids.map(() => false);
    for (const [begin, end] of spans) {
      const [first, after] = [tokensBefore(begin), tokensBefore(end)];
      // What a template writes behind the token that ends the turn, such as a line break, nobody says.
      const last = ids.slice(first, after).findLastIndex((id) => this.eosIds.includes(id));
      assistant.fill(true, first, last < 0 ? after : first + last + 1);
    }
    return { ids, assistant };
  }

  private get chatTemplate(): ChatTemplate {
    this.template ??= chatTemplateOf(this.files);
    if (!this.template) {
      throw new Error(
        "This tokenizer has no chat template: its tokenizer_config.json has no chat_template, and there is no " +
          "chat_template.jinja beside it. Add one, or write the prompt and the completion as texts.",
      );
    }
    return this.template;
  }

  /** The vocabulary's spelling of a token, such as "Ġthe". */
  token(id: number): string | undefined {
    return this.hub.id_to_token(id);
  }

  /** Id of a token by the vocabulary's spelling. */
  id(token: string): number | undefined {
    return this.hub.token_to_id(token);
  }

  /**
   * Decodes one token at a time; the pieces together are decode(all, { special: false }).
   * @param after tokens that stand before, whose text is not repeated
   */
  stream(after: number[] = []): StreamDecoder {
    // Decoding depends on what stands before (a leading space, bytes of one character spread over tokens). So a piece
    // is the difference between decoding with and without the newest tokens, both from a point where text was complete.
    let context = after;
    let pending: number[] = [];
    const advance = (complete: (text: string) => boolean): string => {
      const before = this.decode(context, { special: false });
      const text = this.decode([...context, ...pending], { special: false });
      if (!complete(text)) return "";
      context = pending;
      pending = [];
      return text.slice(before.length);
    };
    return {
      push: (id) => {
        pending.push(id);
        return advance((text) => !text.endsWith("\ufffd"));
      },
      end: () => (pending.length === 0 ? "" : advance(() => true)),
    };
  }
}
