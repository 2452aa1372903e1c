/**
 * Supervised fine-tuning: the cross-entropy of the next token. Of a prompt with its completion the completion alone is
 * learned, of a conversation the assistant's turns alone, of a plain text every token.
 */
import type { LanguageModel } from "../../model/language-model";
import { batch, type Example, encode, Rows, type Sequence, supervised } from "../data";
import { evaluateLoss } from "../evaluate";
import { type BatchShape, batchInputs, languageLoss } from "../language-loss";
import type { Objective } from "../objective";

export interface SftSettings {
  /** Whether of an example with a prompt only the completion is learned, and of a conversation only the assistant's turns. Default true. */
  completionOnly?: boolean;
  /** Whether several examples share a row, kept apart by the attention mask, in place of padding. Default false. */
  packing?: boolean;
  /** Tokens of a row: by default those of the longest example; with packing the model's context. */
  sequenceLength?: number;
}

/** Supervised fine-tuning, what `train` does unless it is given another objective. TRL: `SFTTrainer`. */
export function sft({
  completionOnly = true,
  packing = false,
  sequenceLength,
}: SftSettings = {}): Objective<Example> {
  return {
    name: "sft",
    settings: { completionOnly, packing, ...(sequenceLength !== undefined && { sequenceLength }) },
    learningRate: { adapter: 1e-3, full: 1e-4 },
    panels: [],
    async prepare(model, data, { batchSize, seed, engine }) {
      const { config } = model;
      const sequences = encode(model.files.tokenizer, data, {
        context: config.contextLength,
        vocabSize: config.vocabSize,
        completionOnly,
      });
      const shape = batchShape(model, sequences, { batchSize, packing, sequenceLength });
      const rows = new Rows(sequences, seed, packing ? shape.length : undefined);
      return {
        loss: languageLoss(config, shape),
        fixed: { examples: sequences.length, sequenceLength: shape.length },
        get epoch() {
          return rows.epoch;
        },
        async next(count) {
          return Array.from({ length: count }, () => {
            const made = batch(rows.next(shape.rows), shape.length, shape.capacity, shape.packed);
            return {
              count: made.count,
              tokens: made.tokens,
              inputs: (total: number) => batchInputs(made, total),
            };
          });
        },
        async evaluate(data) {
          return { loss: await evaluateLoss(model, data, { completionOnly, engine }) };
        },
        resume(steps, count) {
          for (let i = 0; i < steps * count; i++) rows.next(shape.rows);
        },
      };
    },
  };
}

/** The one shape of all batches: long enough for the longest row, with room for the most predictions that may meet. */
function batchShape(
  model: LanguageModel,
  sequences: readonly Sequence[],
  { batchSize, packing, sequenceLength }: { batchSize: number; packing: boolean; sequenceLength?: number },
): BatchShape {
  const context = model.config.contextLength;
  const longest = sequences.reduce((most, { ids }) => Math.max(most, ids.length - 1), 0);
  const length = sequenceLength ?? (packing ? context : Math.min(context, Math.ceil(longest / 8) * 8));
  if (!Number.isInteger(length) || length > context || length < longest) {
    throw new Error(
      `train: sequenceLength is ${length}: expected a whole number from ${longest} (the longest example) to ` +
        `${context} (the model's context).`,
    );
  }
  const size = batchSize * length;
  if (packing) return { rows: batchSize, length, capacity: size, packed: true };
  // A batch may begin in one pass over the data and end in another, and then has an example more than once.
  const passes = Math.ceil((batchSize - 1) / sequences.length) + 1;
  const counts = sequences.map(supervised).sort((a, b) => b - a);
  const most = Array.from({ length: batchSize }, (_, i) => counts[Math.floor(i / passes)]!);
  const room = most.reduce((sum, count) => sum + count, 0);
  // Where nearly every place is supervised, picking them out costs more than it saves.
  const capacity = room > 0.75 * size ? size : Math.ceil(room / 8) * 8;
  return { rows: batchSize, length, capacity, packed: false };
}
