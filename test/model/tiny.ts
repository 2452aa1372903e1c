/** Models and tokenizers small enough to make up in a test. */
import * as tf from "@tensorflow/tfjs";
import { generator, type HostArray } from "../../src/engine";
import { type ModelConfig, parseConfig } from "../../src/model/config";
import { Tokenizer } from "../../src/model/tokenizer";
import { weightShapes } from "../../src/model/transformer";

/** A config.json of a model with two layers, four heads on two, and 23 tokens; `changes` go on top. */
export const tinyJson = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  model_type: "llama",
  vocab_size: 23,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 100,
  tie_word_embeddings: true,
  eos_token_id: 0,
  ...changes,
});

export const tinyConfig = (changes?: Record<string, unknown>): ModelConfig => parseConfig(tinyJson(changes));

/** Random weights: matrices that keep the size of what they are given, norms around 1, small biases. */
export function randomWeights(config: ModelConfig, seed = 1): Map<string, HostArray> {
  const random = generator(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return new Map(
    [...weightShapes(config)].map(([name, shape]) => {
      const draw = name.includes("norm")
        ? () => 0.5 + random()
        : () => normal() * (shape.length === 2 ? 1.5 / Math.sqrt(shape[1]) : 0.2);
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, draw);
      return [name, { data, shape, dtype: "float32" as const }];
    }),
  );
}

export const toTensor = ({ data, shape, dtype }: HostArray): tf.Tensor => tf.tensor(data, shape, dtype);

/** GPT-2's spelling of bytes: printable ones stand for themselves, the others for the code points from 256 on. */
export function byteAlphabet(): string[] {
  const printable = (b: number) => (b > 32 && b < 127) || (b > 160 && b !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : next++));
}

/**
 * A byte-level tokenizer: token 0 is <|end|>, token 1 + b is byte b, then one token for each merge, such as ["t", "h"].
 */
export function byteTokenizer(merges: [string, string][] = []): Tokenizer {
  const tokens = ["<|end|>", ...byteAlphabet(), ...merges.map(([a, b]) => a + b)];
  const tokenizer = {
    version: "1.0",
    added_tokens: [
      {
        id: 0,
        content: "<|end|>",
        special: true,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
      },
    ],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: { type: "BPE", vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges },
  };
  const settings = { eos_token: "<|end|>", bos_token: null, pad_token: "<|end|>" };
  return new Tokenizer(
    new Map([
      ["tokenizer.json", JSON.stringify(tokenizer)],
      ["tokenizer_config.json", JSON.stringify(settings)],
    ]),
  );
}
