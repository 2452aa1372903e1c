/** Models, runs and shapes for looking at: no value in them matters. */
import type { Method } from "../../src/model/adapter";
import { type ModelConfig, parseConfig } from "../../src/model/config";
import { LanguageModel } from "../../src/model/language-model";
import { weightShapes } from "../../src/model/transformer";
import { originOf } from "../../src/train/origin";
import { Run, type StepRecord } from "../../src/train/run";
import { byteTokenizer, randomWeights, tinyConfig } from "../model/tiny";

/** A model that can be trained on text: 2 layers of width 16, attention 4 × 4 on 2, MLP 24, tied; 257 tokens of bytes. */
export function tinyModel(changes: Record<string, unknown> = {}): LanguageModel {
  const config = tinyConfig({ vocab_size: 257, ...changes });
  return new LanguageModel({
    name: "tiny",
    config,
    weights: randomWeights(config),
    tokenizer: byteTokenizer(),
  });
}

/** The settings of Llama-2-7B's config.json that shapes depend on. */
export const LLAMA_2_7B = parseConfig({
  model_type: "llama",
  vocab_size: 32000,
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
  eos_token_id: 2,
});

/** The shapes of a configuration, as weights without values. */
export function shapesOf(config: ModelConfig) {
  const none = new Float32Array(0);
  return new Map(
    [...weightShapes(config)].map(([name, shape]) => [
      name,
      { shape, data: none, dtype: "float32" as const },
    ]),
  );
}

/** A configuration with an adapter, for the parameter table. */
export function bound(config: ModelConfig, method: Method) {
  const weights = shapesOf(config);
  return { weights, adapter: method.bind({ config, weights }, 0) };
}

/** A run of which `losses` are known, each step of 100 tokens and 50 ms. */
export function runOf(
  model: LanguageModel,
  losses: number[],
  settings: Record<string, unknown> & { steps: number } = { steps: losses.length },
): Run {
  const run = new Run(originOf(model, { data: [], steps: settings.steps }, 0), settings);
  run.steps.push(...losses.map((loss, i) => stepOf(i + 1, loss)));
  return run;
}

export const stepOf = (step: number, loss: number): StepRecord => ({
  step,
  loss,
  learningRate: 1e-3,
  gradientNorm: 1,
  tokens: 100,
  milliseconds: 50,
  metrics: {},
});
