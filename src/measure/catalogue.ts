/**
 * Models that papers and tutorials are about, by the fields of their `config.json` that shapes and memory depend on: what
 * is asked about a model that nobody has to download.
 */
import { parseConfig } from "../model/config";
import { weightShapes } from "../model/transformer";
import type { Shapes } from "./parameters";

/** What memory depends on, beside the weights. */
export interface Architecture {
  name: string;
  weights: Shapes;
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  contextLength: number;
  /** Whether the MLP is a gated one (SwiGLU), of three matrices, or a plain one of two. */
  gatedMlp: boolean;
}

const sizes = (
  model_type: string,
  [hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads]: number[],
  vocab_size: number,
  max_position_embeddings: number,
  rest: { tied?: boolean; head_dim?: number } = {},
): Record<string, unknown> => ({
  model_type,
  hidden_size,
  intermediate_size,
  num_hidden_layers,
  num_attention_heads,
  num_key_value_heads,
  vocab_size,
  max_position_embeddings,
  sliding_window: null,
  tie_word_embeddings: rest.tied ?? false,
  ...(rest.head_dim && { head_dim: rest.head_dim }),
});

/** hidden, mlp, layers, heads, key/value heads; vocabulary; context. */
const CATALOGUE: Record<string, Record<string, unknown>> = {
  "SmolLM2-135M": sizes("llama", [576, 1536, 30, 9, 3], 49152, 8192, { tied: true }),
  "Qwen2.5-0.5B": sizes("qwen2", [896, 4864, 24, 14, 2], 151936, 32768, { tied: true }),
  "Qwen3-0.6B": sizes("qwen3", [1024, 3072, 28, 16, 8], 151936, 40960, { tied: true, head_dim: 128 }),
  "TinyLlama-1.1B": sizes("llama", [2048, 5632, 22, 32, 4], 32000, 2048),
  "Llama-3.2-1B": sizes("llama", [2048, 8192, 16, 32, 8], 128256, 131072, { tied: true }),
  "phi-1.5": sizes("phi", [2048, 8192, 24, 32, 32], 51200, 2048),
  "SmolLM2-1.7B": sizes("llama", [2048, 8192, 24, 32, 32], 49152, 8192, { tied: true }),
  "Qwen2.5-3B": sizes("qwen2", [2048, 11008, 36, 16, 2], 151936, 32768, { tied: true }),
  "Llama-3.2-3B": sizes("llama", [3072, 8192, 28, 24, 8], 128256, 131072, { tied: true }),
  "Llama-2-7B": sizes("llama", [4096, 11008, 32, 32, 32], 32000, 4096),
  "Mistral-7B": sizes("mistral", [4096, 14336, 32, 32, 8], 32000, 32768),
  "Qwen2.5-7B": sizes("qwen2", [3584, 18944, 28, 28, 4], 152064, 131072),
  "Llama-3.1-8B": sizes("llama", [4096, 14336, 32, 32, 8], 128256, 131072),
  "Llama-2-13B": sizes("llama", [5120, 13824, 40, 40, 40], 32000, 4096),
  "LLaMA-65B": sizes("llama", [8192, 22016, 80, 64, 64], 32000, 2048),
  "Llama-2-70B": sizes("llama", [8192, 28672, 80, 64, 8], 32000, 4096),
};

/** The names that `catalogued` knows, from small to large. */
export const catalogueNames: readonly string[] = Object.keys(CATALOGUE);

/** A model of the catalogue, in any case, and with its organisation in front or not; undefined when it is not there. */
export function catalogued(name: string): Architecture | undefined {
  const wanted = name.split("/").at(-1)!.toLowerCase();
  const known = catalogueNames.find((candidate) => candidate.toLowerCase() === wanted);
  return known === undefined ? undefined : architectureOf(known, CATALOGUE[known]!);
}

/**
 * The architecture that a parsed `config.json` describes: of the Llama family, or phi.
 * @throws for other families and for impossible sizes
 */
export function architectureOf(name: string, json: Record<string, unknown>): Architecture {
  const phi = json.model_type === "phi";
  // Phi has other modules than the family, but its sizes have the same names. Settings that change no shape are no reason
  // to refuse a model that is only counted.
  const config = parseConfig({
    ...json,
    ...(phi && { model_type: "llama", hidden_act: "silu", partial_rotary_factor: 1 }),
    rope_scaling: null,
    rope_parameters: null,
    quantization_config: null,
  });
  const shapes = phi ? phiShapes(config) : weightShapes(config);
  return {
    ...config,
    name,
    gatedMlp: !phi,
    weights: new Map([...shapes].map(([weight, shape]) => [weight, { shape }])),
  };
}

/** Phi 1 and 1.5 (Li et al., arXiv:2309.05463): one LayerNorm per layer, biases throughout, a plain MLP. */
function phiShapes({
  vocabSize,
  hiddenSize: d,
  intermediateSize: mlp,
  layers,
  heads,
  kvHeads,
  headDim,
}: Omit<Architecture, "weights" | "name" | "gatedMlp">): Map<string, number[]> {
  const affine = (path: string, ...shape: number[]): [string, number[]][] => [
    [`${path}.weight`, shape],
    [`${path}.bias`, shape.slice(0, 1)],
  ];
  const layer = (i: number) => {
    const path = `model.layers.${i}`;
    return [
      ...affine(`${path}.input_layernorm`, d),
      ...affine(`${path}.self_attn.q_proj`, heads * headDim, d),
      ...affine(`${path}.self_attn.k_proj`, kvHeads * headDim, d),
      ...affine(`${path}.self_attn.v_proj`, kvHeads * headDim, d),
      ...affine(`${path}.self_attn.dense`, d, heads * headDim),
      ...affine(`${path}.mlp.fc1`, mlp, d),
      ...affine(`${path}.mlp.fc2`, d, mlp),
    ];
  };
  return new Map([
    ["model.embed_tokens.weight", [vocabSize, d]],
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    ...affine("model.final_layernorm", d),
    ...affine("lm_head", vocabSize, d),
  ]);
}
