import assert from "node:assert/strict";
import { configToJson, parseConfig } from "../../src/model/config";
import { ropeFrequencies } from "../../src/model/rope";
import { tinyConfig, tinyJson } from "./tiny";

const LLAMA3 = {
  rope_type: "llama3",
  factor: 32,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};

describe("config.json", () => {
  it("gives the sizes, and the defaults for what it leaves out", () => {
    const config = parseConfig({
      model_type: "llama",
      vocab_size: 100,
      hidden_size: 32,
      intermediate_size: 64,
      num_hidden_layers: 3,
      num_attention_heads: 4,
    });
    const { source: _, ...rest } = config;
    assert.deepEqual(rest, {
      modelType: "llama",
      vocabSize: 100,
      hiddenSize: 32,
      intermediateSize: 64,
      layers: 3,
      heads: 4,
      kvHeads: 4,
      headDim: 8,
      contextLength: 2048,
      normEpsilon: 1e-6,
      ropeTheta: 10000,
      tiedEmbeddings: false,
      qkvBias: false,
      outputBias: false,
      mlpBias: false,
      qkNorm: false,
      bosTokenId: undefined,
      eosTokenIds: [],
      padTokenId: undefined,
    });
  });

  it("reads rotary settings in their older and their newer place", () => {
    const scaling = {
      type: "llama3",
      factor: 32,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalContextLength: 8192,
    };
    const older = tinyConfig({ rope_theta: 5e5, rope_scaling: LLAMA3 });
    const newer = tinyConfig({ rope_theta: undefined, rope_parameters: { ...LLAMA3, rope_theta: 5e5 } });
    const oldest = tinyConfig({ rope_scaling: { type: "linear", factor: 2 } });
    for (const config of [older, newer]) {
      assert.equal(config.ropeTheta, 5e5);
      assert.deepEqual(config.ropeScaling, scaling);
    }
    assert.deepEqual(oldest.ropeScaling, { type: "linear", factor: 2 });
    assert.equal(tinyConfig({ rope_parameters: { rope_type: "default", rope_theta: 7 } }).ropeTheta, 7);
  });

  it("knows which biases and norms each model type has", () => {
    const flags = (changes: Record<string, unknown>) => {
      const { qkvBias, outputBias, mlpBias, qkNorm, headDim } = tinyConfig(changes);
      return { qkvBias, outputBias, mlpBias, qkNorm, headDim };
    };
    const none = { qkvBias: false, outputBias: false, mlpBias: false, qkNorm: false, headDim: 4 };
    assert.deepEqual(flags({ model_type: "qwen2", attention_bias: false }), { ...none, qkvBias: true });
    assert.deepEqual(flags({ model_type: "qwen3" }), { ...none, qkNorm: true, headDim: 128 });
    assert.deepEqual(flags({ model_type: "mistral", head_dim: 6 }), { ...none, headDim: 6 });
    assert.deepEqual(flags({ attention_bias: true, mlp_bias: true }), {
      ...none,
      qkvBias: true,
      outputBias: true,
      mlpBias: true,
    });
  });

  it("ends the context where a sliding window would begin to matter", () => {
    const positions = { max_position_embeddings: 32768 };
    const context = (changes: object) => tinyConfig({ ...positions, ...changes }).contextLength;
    assert.equal(context({ model_type: "mistral", sliding_window: 4096 }), 4096);
    assert.equal(context({ model_type: "mistral", sliding_window: null }), 32768);
    assert.equal(context({ model_type: "mistral" }), 4096);
    assert.equal(context({ model_type: "qwen2", sliding_window: 1024, use_sliding_window: false }), 32768);
    assert.equal(context({ model_type: "qwen2", sliding_window: 1024, use_sliding_window: true }), 1024);
  });

  it("takes one end-of-text token, several or none", () => {
    assert.deepEqual(tinyConfig({ eos_token_id: 3 }).eosTokenIds, [3]);
    assert.deepEqual(tinyConfig({ eos_token_id: [3, 7] }).eosTokenIds, [3, 7]);
    assert.deepEqual(tinyConfig({ eos_token_id: null }).eosTokenIds, []);
  });

  it("is written so that reading gives the same model, with settings that are not ours kept", () => {
    const variants = [
      {},
      { model_type: "qwen2", eos_token_id: [3, 7] },
      {
        model_type: "qwen3",
        attention_bias: true,
        rope_parameters: { rope_type: "linear", factor: 4, rope_theta: 9 },
      },
      { model_type: "mistral", max_position_embeddings: 32768, head_dim: 8 },
      { attention_bias: true, mlp_bias: true, rope_scaling: LLAMA3, bos_token_id: 1, pad_token_id: 2 },
      { some_setting_of_tomorrow: { a: [1] } },
    ];
    for (const changes of variants) {
      const config = tinyConfig(changes);
      const written = JSON.parse(JSON.stringify(configToJson(config)));
      assert.deepEqual({ ...parseConfig(written), source: {} }, { ...config, source: {} });
      for (const [key, value] of Object.entries(tinyJson(changes))) {
        if (!key.startsWith("rope")) assert.deepEqual(written[key], value, key);
      }
    }
  });

  const refused: [string, Record<string, unknown>, RegExp][] = [
    [
      "another architecture",
      { model_type: "gpt2" },
      /model_type "gpt2" is not supported; supported: llama, mistral, qwen2, qwen3/,
    ],
    ["no architecture", { model_type: undefined }, /model_type undefined is not supported/],
    ["a missing size", { hidden_size: undefined }, /hidden_size must be a positive integer, got undefined/],
    ["a size of zero", { vocab_size: 0 }, /vocab_size must be a positive integer, got 0/],
    ["a head size that is not whole", { hidden_size: 18 }, /head_dim must be a positive integer, got 4.5/],
    ["a head size that is odd", { head_dim: 5 }, /head_dim must be even for rotary positions, got 5/],
    [
      "heads that the key/value heads do not divide",
      { num_key_value_heads: 3 },
      /4 must be a multiple of num_key_value_heads 3/,
    ],
    ["another activation", { hidden_act: "gelu" }, /hidden_act must be "silu" \(SwiGLU\), got "gelu"/],
    [
      "another rotary scheme",
      { rope_scaling: { rope_type: "yarn", factor: 2 } },
      /rope type "yarn" is not supported; supported: default, linear, llama3/,
    ],
    [
      "a rotary factor that is missing",
      { rope_scaling: { rope_type: "linear" } },
      /factor must be a positive number, got undefined/,
    ],
    ["partial rotation", { partial_rotary_factor: 0.5 }, /partial_rotary_factor must be 1, got 0.5/],
    [
      "quantized weights",
      { quantization_config: { bits: 4 } },
      /quantization_config: load the unquantized checkpoint/,
    ],
  ];
  for (const [what, changes, message] of refused) {
    it(`is refused with ${what}`, () => assert.throws(() => tinyConfig(changes), message));
  }
});

describe("rotary frequencies", () => {
  const near = (got: Float32Array, want: number[]) => {
    assert.equal(got.length, want.length);
    for (const [i, x] of want.entries())
      assert.ok(Math.abs(got[i] - x) <= 1e-6 * x, `${i}: ${got[i]}, expected ${x}`);
  };

  it("fall geometrically from 1 to nearly 1/θ", () => {
    near(ropeFrequencies(tinyConfig({ head_dim: 8, rope_theta: 10000 })), [1, 0.1, 0.01, 0.001]);
  });

  it("are divided by a linear factor", () => {
    const scaled = tinyConfig({
      head_dim: 4,
      rope_theta: 100,
      rope_scaling: { rope_type: "linear", factor: 8 },
    });
    near(ropeFrequencies(scaled), [1 / 8, 0.1 / 8]);
  });

  it("of Llama 3 keep the fast, divide the slow, and go smoothly from one to the other", () => {
    // Wavelengths 2π·10^i against a context of 2π·400 and factors 1 and 4: below 2π·100 kept, above 2π·400 divided,
    // and at a wavelength of 2π·200, two turns, a third of the way between.
    const theta = 200 ** 2;
    const config = tinyConfig({
      head_dim: 4,
      rope_theta: theta,
      rope_scaling: { ...LLAMA3, factor: 10, original_max_position_embeddings: 2 * Math.PI * 400 },
    });
    near(ropeFrequencies(config), [1, (1 / 3) * (1 / 200) + (2 / 3) * (1 / 2000)]);
    near(ropeFrequencies({ ...config, ropeTheta: 500 ** 2 }), [1, 1 / 5000]);
    near(ropeFrequencies({ ...config, ropeTheta: 50 ** 2 }), [1, 1 / 50]);
  });
});
