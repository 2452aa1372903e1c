/** A random model of 37 thousand parameters that reads bytes, for tests of adapters and training; `changes` go on top. */
import { LanguageModel } from "../../src/model/language-model";
import { byteTokenizer, randomWeights, tinyConfig } from "../model/tiny";

export function tinyModel(changes: Record<string, unknown> = {}): LanguageModel {
  const config = tinyConfig({
    vocab_size: 257,
    hidden_size: 32,
    intermediate_size: 48,
    max_position_embeddings: 32,
    ...changes,
  });
  return new LanguageModel({
    name: "tiny",
    config,
    weights: randomWeights(config),
    tokenizer: byteTokenizer(),
  });
}
