/** In which order a run saw its data: known from the seed, and written out so that another trainer can follow it. */
import type { LanguageModel } from "../model/language-model";
import { Endless, type Example, encode, Rows, shuffle } from "../train/data";
import type { Run } from "../train/run";

/** An example by its number, or several that share a packed row. */
export type Place = number | number[];

/** The places of each step's rows. Of GRPO: of each sampling's prompts, which several steps may be taken on. */
export function orderOf({ settings }: Run, model: LanguageModel, data: readonly unknown[]): Place[][] {
  const { batchSize, accumulate, seed, steps, iterations = 1 } = settings as Record<string, any>;
  const count = Math.ceil(steps / iterations);
  const next = settings.packing ? packedRows(settings, model, data as Example[]) : places(seed, data.length);
  return Array.from({ length: count }, () => next(batchSize * accumulate));
}

type Next = (count: number) => Place[];

function places(seed: number, length: number): Next {
  const all = [...Array(length).keys()];
  const endless = new Endless(seed, (random) => shuffle(all, random));
  return (count) => endless.next(count);
}

function packedRows(settings: Run["settings"], model: LanguageModel, data: readonly Example[]): Next {
  const sequences = encode(model.files.tokenizer, data, {
    context: model.config.contextLength,
    completionOnly: settings.completionOnly as boolean,
  });
  const place = new Map(sequences.map((sequence, i) => [sequence, i]));
  const rows = new Rows(sequences, settings.seed as number, settings.sequenceLength as number);
  return (count) => rows.next(count).map((row) => row.map((sequence) => place.get(sequence)!));
}
