/**
 * How much a model forgets while it learns something else: its loss on the domains that it comes from, and which of the
 * sentences that it could complete it still completes, measured beside training.
 *
 * Forgetting is the rise of the source loss over the base's, in nats per token, as in PEFT's benchmark of methods; "LoRA
 * Learns Less and Forgets Less" (Biderman et al., arXiv:2405.09673) sets it against what was learned.
 */
import type { LanguageModel } from "../model/language-model";
import type { Example } from "../train/data";
import { evaluateLoss } from "../train/evaluate";
import { type Cloze, completed } from "./cloze";
import { type SourceProbes, sourceProbes } from "./source-probes";

/** What evaluations call the mean rise of the source losses. */
export const FORGETTING = "forgetting";
/** What the names of losses on texts, and of completed sentences, begin with. */
export const SOURCE = "source/";
export const KNOWN = "known/";
/** Whether a value is a part of what was forgotten: figures of other things show the whole alone. */
export const isPart = (name: string): boolean => name.startsWith(SOURCE) || name.startsWith(KNOWN);

export interface ForgettingSettings extends Partial<SourceProbes> {
  /** Tokens of each text that are predicted, in windows spread evenly over it. Default 512. */
  tokens?: number;
  /** Sentences of each kind that are completed, the first ones. Default 32. */
  sentences?: number;
  /**
   * What the model was before, by default the model without its adapter. To be named where that one has changed already,
   * as of a merged model, and of those that `scaleIntruders` makes.
   */
  base?: LanguageModel;
}

/** Predictions of a window; the base models' context. */
const WINDOW = 256;

/** What the base does, and on what. */
interface Before {
  /** By the texts' names; cut once, since tokenizing whole texts takes longer than reading the windows. */
  windows: [name: string, examples: Example[]][];
  losses: Record<string, number>;
  /** The sentences that it completes. */
  known: Record<string, readonly Cloze[]>;
}

/**
 * Measures of forgetting, for `train`'s evaluations:
 *
 *   train(student, { data, steps: 100, evaluate: { every: 20, measures: forgetting() } })
 *
 * Each evaluation records, for each text, the loss as `source/<name>` in nats per token; for each kind of sentences the
 * part that is still completed, of those that the base completes, as `known/<name>`, 0 … 1; and the mean rise of the source
 * losses over the base's as `forgetting`. The base is the model without its adapters, if no other is given. Kinds of which
 * the base completes none are left out.
 * @param settings `texts` and `cloze` for a base of one's own; by default those of `sourceProbes`
 * @throws for no text, for one shorter than a window, and for counts that are not whole numbers from 1
 */
export function forgetting({
  tokens = 512,
  sentences = 32,
  base: named,
  ...given
}: ForgettingSettings = {}): {
  forgetting: (model: LanguageModel) => Promise<Record<string, number>>;
} {
  for (const [name, value] of Object.entries({ tokens, sentences })) {
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`forgetting: ${name} must be a whole number from 1, got ${value}.`);
  }
  // Texts of one's own make the shipped sentences those of another base.
  const probes = given.texts || given.cloze ? given : sourceProbes();
  const texts = Object.entries(probes.texts ?? {});
  const cloze = Object.entries(probes.cloze ?? {});
  if (texts.length === 0) {
    throw new Error(
      'forgetting: expected at least one text of what the base knows: texts: { news: "…" }, got none.',
    );
  }
  const bases = new WeakMap<LanguageModel["weights"], Before>();

  const measureBase = async (base: LanguageModel): Promise<Before> => {
    const known: Record<string, readonly Cloze[]> = {};
    for (const [name, all] of cloze) {
      const some = all.slice(0, sentences);
      const right = await completed(base, some);
      known[name] = some.filter((_, i) => right[i]);
    }
    const cut = texts.map(([name, text]): [string, Example[]] => [name, windows(base, name, text, tokens)]);
    return { windows: cut, losses: await lossesOn(base, cut), known };
  };

  return {
    forgetting: async (model) => {
      const { weights } = named ?? model;
      const base = bases.get(weights) ?? (await measureBase((named ?? model).detach()));
      bases.set(weights, base);
      const now = await lossesOn(model, base.windows);
      const values: Record<string, number> = {};
      for (const [name, loss] of Object.entries(now)) values[SOURCE + name] = loss;
      for (const [name, known] of Object.entries(base.known)) {
        if (known.length === 0) continue;
        const right = await completed(model, known);
        values[KNOWN + name] = right.filter(Boolean).length / known.length;
      }
      const rises = Object.entries(now).map(([name, loss]) => loss - base.losses[name]!);
      return { [FORGETTING]: rises.reduce((sum, rise) => sum + rise, 0) / rises.length, ...values };
    },
  };
}

async function lossesOn(model: LanguageModel, texts: Before["windows"]): Promise<Record<string, number>> {
  const losses: Record<string, number> = {};
  for (const [name, examples] of texts)
    losses[name] = await evaluateLoss(model, examples, { batchSize: Math.min(8, examples.length) });
  return losses;
}

/** Windows of the text, as many as hold so many predictions, spread evenly; documents are apart by end-of-text. */
function windows(model: LanguageModel, name: string, text: string, tokens: number): Example[] {
  const { tokenizer, config } = model;
  const end = tokenizer.eosIds.slice(0, 1);
  const ids = text
    .split(/\n\s*\n/)
    .flatMap((document) => [...tokenizer.encode(document, { special: false }), ...end]);
  const length = Math.min(WINDOW, config.contextLength, tokens);
  const whole = Math.floor((ids.length - 1) / length);
  if (whole < 1) {
    throw new Error(
      `forgetting: the text "${name}" has ${ids.length} tokens; expected more than ${length}, for a window.`,
    );
  }
  const count = Math.min(whole, Math.ceil(tokens / length));
  return Array.from({ length: count }, (_, i) => {
    const at = Math.floor((i * whole) / count) * length;
    return { ids: ids.slice(at, at + length + 1) };
  });
}
