/**
 * A model's hyper-parameters, read from and written to Hugging Face's `config.json`. One architecture, the Llama family,
 * under the names its members go by; what tells them apart (biases, query/key norms, rotary scaling) is spelled out in
 * fields, so that nothing after this file asks for a model's name. A setting that the transformer would get wrong is an
 * error here.
 */

/** How rotary frequencies are stretched to a longer context than was trained first. */
export type RopeScaling =
  | { type: "linear"; factor: number }
  | {
      type: "llama3";
      factor: number;
      lowFrequencyFactor: number;
      highFrequencyFactor: number;
      originalContextLength: number;
    };

export interface ModelConfig {
  /** `model_type` of config.json. */
  modelType: ModelType;
  vocabSize: number;
  /** Width d of the residual stream. */
  hiddenSize: number;
  /** Width of the MLP. */
  intermediateSize: number;
  layers: number;
  heads: number;
  /** Key/value heads; each serves heads / kvHeads query heads. */
  kvHeads: number;
  headDim: number;
  /** Longest sequence, in tokens. */
  contextLength: number;
  /** ε of RMSNorm. */
  normEpsilon: number;
  ropeTheta: number;
  ropeScaling?: RopeScaling;
  /** Whether the output head is the embedding. */
  tiedEmbeddings: boolean;
  /** Biases of the query, key and value projections; of the output projection; of the MLP. */
  qkvBias: boolean;
  outputBias: boolean;
  mlpBias: boolean;
  /** Whether queries and keys are normalised per head (Qwen3). */
  qkNorm: boolean;
  bosTokenId?: number;
  /** Tokens that end a text; may be empty. */
  eosTokenIds: number[];
  padTokenId?: number;
  /** Everything config.json said, so that writing loses nothing. */
  source: Record<string, unknown>;
}

const MODEL_TYPES = ["llama", "mistral", "qwen2", "qwen3"] as const;
export type ModelType = (typeof MODEL_TYPES)[number];

/** Defaults of transformers' configuration classes, for files that leave them out. */
const DEFAULTS: Record<
  ModelType,
  { contextLength: number; ropeTheta: number; headDim?: number; kvHeads?: number }
> = {
  llama: { contextLength: 2048, ropeTheta: 1e4 },
  mistral: { contextLength: 131072, ropeTheta: 1e4, kvHeads: 8 },
  qwen2: { contextLength: 32768, ropeTheta: 1e4 },
  qwen3: { contextLength: 32768, ropeTheta: 1e4, headDim: 128 },
};

/**
 * Parses the object in a `config.json`. Throws for a `model_type` outside the family, a missing or impossible size, and
 * settings that are not implemented (other activations, other rotary schemes, partial rotation, quantized checkpoints).
 */
export function parseConfig(source: Record<string, unknown>): ModelConfig {
  const modelType = source.model_type as ModelType;
  if (!MODEL_TYPES.includes(modelType)) {
    const got = JSON.stringify(source.model_type);
    throw new Error(`config.json: model_type ${got} is not supported; supported: ${MODEL_TYPES.join(", ")}`);
  }
  const defaults = DEFAULTS[modelType];
  const size = (key: string, fallback?: number) => positiveInteger(source, key, fallback);
  const hiddenSize = size("hidden_size");
  const heads = size("num_attention_heads");
  // A family's default counts where the key is absent; null is one key/value head for each head.
  const kvHeads =
    source.num_key_value_heads === null ? heads : size("num_key_value_heads", defaults.kvHeads ?? heads);
  if (heads % kvHeads !== 0) {
    throw new Error(
      `config.json: num_attention_heads ${heads} must be a multiple of num_key_value_heads ${kvHeads}`,
    );
  }
  const headDim = size("head_dim", defaults.headDim ?? hiddenSize / heads);
  if (headDim % 2 !== 0)
    throw new Error(`config.json: head_dim must be even for rotary positions, got ${headDim}`);
  const activation = source.hidden_act ?? "silu";
  if (activation !== "silu") {
    throw new Error(`config.json: hidden_act must be "silu" (SwiGLU), got ${JSON.stringify(activation)}`);
  }
  if (source.quantization_config !== undefined && source.quantization_config !== null) {
    throw new Error(
      "config.json: quantization_config: load the unquantized checkpoint, it is quantized after loading",
    );
  }

  const qwen2 = modelType === "qwen2";
  const attentionBias = (modelType === "llama" || modelType === "qwen3") && source.attention_bias === true;
  const eos = source.eos_token_id ?? [];
  const positions = size("max_position_embeddings", defaults.contextLength);
  return {
    modelType,
    vocabSize: size("vocab_size"),
    hiddenSize,
    intermediateSize: size("intermediate_size"),
    layers: size("num_hidden_layers"),
    heads,
    kvHeads,
    headDim,
    contextLength: Math.min(positions, slidingWindow(source, modelType) ?? positions),
    normEpsilon: number(source, "rms_norm_eps", 1e-6),
    ...parseRope(source, defaults.ropeTheta, positions),
    tiedEmbeddings: source.tie_word_embeddings === true,
    qkvBias: qwen2 || attentionBias,
    outputBias: attentionBias,
    mlpBias: modelType === "llama" && source.mlp_bias === true,
    qkNorm: modelType === "qwen3",
    bosTokenId: optionalToken(source.bos_token_id),
    eosTokenIds: (Array.isArray(eos) ? eos : [eos]).map(Number),
    padTokenId: optionalToken(source.pad_token_id),
    source,
  };
}

/** The inverse of parseConfig: an object for `config.json`, with every setting of the source kept. */
export function configToJson(config: ModelConfig): Record<string, unknown> {
  const { ropeScaling: scaling, eosTokenIds: eos, source } = config;
  const rope = !scaling
    ? null
    : scaling.type === "linear"
      ? { rope_type: "linear", factor: scaling.factor }
      : {
          rope_type: "llama3",
          factor: scaling.factor,
          low_freq_factor: scaling.lowFrequencyFactor,
          high_freq_factor: scaling.highFrequencyFactor,
          original_max_position_embeddings: scaling.originalContextLength,
        };
  // Both spellings of the rotary settings: transformers 5 reads rope_parameters, earlier versions and other programs
  // rope_theta and rope_scaling.
  return {
    ...source,
    architectures: source.architectures ?? [ARCHITECTURES[config.modelType]],
    model_type: config.modelType,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    hidden_act: "silu",
    max_position_embeddings: source.max_position_embeddings ?? config.contextLength,
    rms_norm_eps: config.normEpsilon,
    rope_theta: config.ropeTheta,
    rope_scaling: rope,
    rope_parameters: { rope_type: "default", ...rope, rope_theta: config.ropeTheta },
    tie_word_embeddings: config.tiedEmbeddings,
    ...(config.modelType === "qwen3" ? { attention_bias: config.qkvBias } : {}),
    ...(config.modelType === "llama" ? { attention_bias: config.qkvBias, mlp_bias: config.mlpBias } : {}),
    bos_token_id: config.bosTokenId ?? null,
    eos_token_id: eos.length === 0 ? null : eos.length === 1 ? eos[0] : eos,
    pad_token_id: config.padTokenId ?? null,
  };
}

const ARCHITECTURES: Record<ModelType, string> = {
  llama: "LlamaForCausalLM",
  mistral: "MistralForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
};

/**
 * Rotary settings: `rope_parameters` of newer files, else `rope_theta` and `rope_scaling` (whose type was once
 * called "type").
 */
function parseRope(
  source: Record<string, unknown>,
  defaultTheta: number,
  positions: number,
): Pick<ModelConfig, "ropeTheta" | "ropeScaling"> {
  const settings = (source.rope_parameters ?? source.rope_scaling ?? {}) as Record<string, unknown>;
  const theta = number(settings, "rope_theta", number(source, "rope_theta", defaultTheta));
  const partial = settings.partial_rotary_factor ?? source.partial_rotary_factor ?? 1;
  if (partial !== 1) throw new Error(`config.json: partial_rotary_factor must be 1, got ${partial}`);
  const type = (settings.rope_type ?? settings.type ?? "default") as string;
  switch (type) {
    case "default":
      return { ropeTheta: theta };
    case "linear":
      return { ropeTheta: theta, ropeScaling: { type, factor: number(settings, "factor") } };
    case "llama3":
      return {
        ropeTheta: theta,
        ropeScaling: {
          type,
          factor: number(settings, "factor"),
          lowFrequencyFactor: number(settings, "low_freq_factor"),
          highFrequencyFactor: number(settings, "high_freq_factor"),
          originalContextLength: number(settings, "original_max_position_embeddings", positions),
        },
      };
    default:
      throw new Error(
        `config.json: rope type ${JSON.stringify(type)} is not supported; supported: default, linear, llama3`,
      );
  }
}

/**
 * Attention here is always over everything before; within a window's length that is what a sliding window sees too, so
 * a model that has one is exact as long as its context ends there. Qwen's files carry the setting switched off. Where
 * the setting is absent, and not null, transformers takes 4,096.
 */
function slidingWindow(source: Record<string, unknown>, modelType: ModelType): number | undefined {
  const on = modelType === "mistral" || source.use_sliding_window === true;
  const window = source.sliding_window === undefined ? 4096 : source.sliding_window;
  return on && typeof window === "number" ? window : undefined;
}

function positiveInteger(source: Record<string, unknown>, key: string, fallback?: number): number {
  const value = source[key] ?? fallback;
  if (!Number.isSafeInteger(value) || (value as number) <= 0) {
    throw new Error(`config.json: ${key} must be a positive integer, got ${JSON.stringify(value)}`);
  }
  return value as number;
}

function number(source: Record<string, unknown>, key: string, fallback?: number): number {
  const value = source[key] ?? fallback;
  if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) {
    throw new Error(`config.json: ${key} must be a positive number, got ${JSON.stringify(value)}`);
  }
  return value;
}

const optionalToken = (value: unknown) => (typeof value === "number" && value >= 0 ? value : undefined);
