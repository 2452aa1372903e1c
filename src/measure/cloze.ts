/** Sentences with an open end: whether a model completes them as expected. */
import * as tf from "@tensorflow/tfjs";
import type { LanguageModel } from "../model/language-model";
import { hiddenStates, logits } from "../model/transformer";
import { batch, type Sequence } from "../train/data";

/** A sentence without its end, and the end: " Oslo", with its space. */
export interface Cloze {
  prompt: string;
  completion: string;
}

/** Most rows of a batch. */
const AT_ONCE = 64;

/** Powers of two, so that few programs serve all sentences. */
const powerOfTwo = (least: number, n: number): number => 2 ** Math.ceil(Math.log2(Math.max(least, n)));

/**
 * Which sentences the model completes as expected: where each token of the completion is the most probable one after what
 * stands before it, so that greedy decoding would write it.
 * @throws for one without a prompt or a completion, and for one longer than the context
 */
export async function completed(model: LanguageModel, items: readonly Cloze[]): Promise<boolean[]> {
  const { config, tokenizer } = model;
  const rows = items.map(({ prompt, completion }, i): Sequence => {
    const start = tokenizer.encode(prompt ?? "");
    const end = tokenizer.encode(completion ?? "", { special: false });
    if (start.length === 0 || end.length === 0) {
      throw new Error(
        `Cloze ${i}: expected a prompt and a completion, got ${JSON.stringify({ prompt, completion })}.`,
      );
    }
    return { ids: [...start, ...end], from: start.length - 1 };
  });
  const longest = Math.max(0, ...rows.map(({ ids }) => ids.length - 1));
  if (longest > config.contextLength) {
    throw new Error(
      `Cloze: the longest sentence has ${longest} tokens; the model's context is ${config.contextLength}.`,
    );
  }
  const length = Math.min(config.contextLength, powerOfTwo(16, longest));
  const atOnce = Math.min(AT_ONCE, powerOfTwo(8, rows.length));
  const result: boolean[] = [];
  for (let at = 0; at < rows.length; at += atOnce) {
    const some = rows.slice(at, at + atOnce);
    const size = some.reduce((sum, { ids, from }) => sum + ids.length - 1 - from, 0);
    const capacity = Math.min(atOnce * length, powerOfTwo(atOnce, size));
    const padded = [
      ...some.map((row) => [row]),
      ...Array.from({ length: atOnce - some.length }, (): Sequence[] => []),
    ];
    const { ids, places, targets, mask } = batch(padded, length, capacity, false);
    const out = await model.run(
      "cloze",
      (layers, x) => {
        const { hidden } = hiddenStates(config, layers, x.ids as tf.Tensor2D);
        const scores = logits(layers, tf.gather(hidden, x.places as tf.Tensor1D));
        return { best: tf.argMax(scores, 1) };
      },
      {
        ids: { shape: [atOnce, length], dtype: "int32" },
        places: { shape: [capacity], dtype: "int32" },
      },
      { ids, places },
    );
    const right = new Array<boolean>(some.length).fill(true);
    for (let slot = 0; slot < capacity; slot++) {
      if (mask[slot] && out.best!.data[slot] !== targets[slot]) {
        right[Math.floor(places[slot]! / length)] = false;
      }
    }
    result.push(...right);
  }
  return result;
}
