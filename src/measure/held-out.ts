/**
 * The loss on a small set that is measured again and again, as sliders do. Its examples are encoded once, and lie in batches
 * of one shape that is as tight as they are: one program, little padding. For sets of any size there is `evaluateLoss`.
 */
import type { LanguageModel } from "../model/language-model";
import { type Batch, batch, type Example, encode, supervised } from "../train/data";
import { batchInputs, languageLoss } from "../train/language-loss";
import { measureLoss } from "../train/step";

/** Rows that are computed at once, at most. */
const ROWS = 32;

export class HeldOut {
  private readonly shape: { rows: number; length: number; capacity: number; packed: false };
  private readonly batches: readonly Batch[];
  private readonly count: number;

  /** @throws for no examples, and for one that `train` would refuse too */
  constructor({ files, config }: LanguageModel, examples: readonly Example[]) {
    const { contextLength: context, vocabSize } = config;
    const sequences = encode(files.tokenizer, examples, { context, vocabSize });
    const rows = Math.ceil(sequences.length / Math.ceil(sequences.length / ROWS));
    const groups = Array.from({ length: Math.ceil(sequences.length / rows) }, (_, i) =>
      sequences.slice(i * rows, (i + 1) * rows),
    );
    const length = Math.max(...sequences.map(({ ids }) => ids.length - 1));
    const capacity = Math.max(...groups.map((group) => group.reduce((sum, one) => sum + supervised(one), 0)));
    this.shape = { rows, length, capacity, packed: false };
    this.batches = groups.map((group) => {
      const filled = Array.from({ length: rows }, (_, i) => (group[i] ? [group[i]] : []));
      return batch(filled, length, capacity, false);
    });
    this.count = this.batches.reduce((sum, { count }) => sum + count, 0);
  }

  /** Mean loss over all supervised predictions, in nats per token: what `evaluateLoss` gives. */
  async loss(model: LanguageModel): Promise<number> {
    const loss = languageLoss(model.config, this.shape);
    let nats = 0;
    for (const one of this.batches)
      nats += (await measureLoss(model, JSON.stringify(this.shape), loss, batchInputs(one, 1))).loss;
    return nats / this.count;
  }
}
