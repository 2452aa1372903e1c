import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import type { HostArray } from "../../src/engine";
import type { ModelConfig } from "../../src/model/config";
import {
  baseLayers,
  type HiddenOptions,
  hiddenStates,
  logits,
  weightShapes,
} from "../../src/model/transformer";
import { naiveLogits } from "./naive";
import { randomWeights, tinyConfig, toTensor } from "./tiny";

const int32 = (rows: number[][]) => tf.tensor2d(rows, undefined, "int32");

/** Logits [batch][seq][vocab]. */
function forward(
  config: ModelConfig,
  weights: Map<string, HostArray>,
  ids: number[][],
  options?: HiddenOptions,
): number[][][] {
  return tf.tidy(() => {
    const layers = baseLayers(config, (name) => toTensor(weights.get(name)!));
    const { hidden } = hiddenStates(config, layers, int32(ids), options);
    return tf
      .reshape<tf.Rank.R3>(logits(layers, hidden), [ids.length, ids[0].length, config.vocabSize])
      .arraySync();
  });
}

function assertClose(got: number[][], want: number[][], tolerance: number): void {
  assert.equal(got.length, want.length);
  const worst = Math.max(...got.flatMap((row, i) => row.map((x, j) => Math.abs(x - want[i][j]))));
  assert.ok(worst <= tolerance, `differ by ${worst}, allowed is ${tolerance}`);
}

const IDS = [3, 1, 4, 1, 5, 9, 2, 6];

describe("transformer", () => {
  before(() => tf.setBackend("cpu"));

  const family: Record<string, Record<string, unknown>> = {
    "grouped queries and a tied head": {},
    "an untied head": { tie_word_embeddings: false },
    "one key/value head for all": { num_key_value_heads: 1 },
    "a key/value head each": { num_key_value_heads: 4 },
    "query, key and value biases": { model_type: "qwen2" },
    "every bias there is": { attention_bias: true, mlp_bias: true },
    "heads wider than their share": { head_dim: 10 },
    "normalised queries and keys": { model_type: "qwen3", head_dim: 6 },
    "stretched rotary frequencies": {
      rope_scaling: {
        rope_type: "llama3",
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 32,
      },
    },
  };
  for (const [what, changes] of Object.entries(family)) {
    it(`computes what the architecture says, with ${what}`, () => {
      const config = tinyConfig(changes);
      const weights = randomWeights(config);
      const [got] = forward(config, weights, [IDS]);
      assertClose(got, naiveLogits(config, weights, IDS), 1e-4);
    });
  }

  const config = tinyConfig();
  const weights = randomWeights(config);

  it("treats the rows of a batch independently", () => {
    const other = [...IDS].reverse();
    const both = forward(config, weights, [IDS, other]);
    assertClose(both[0], forward(config, weights, [IDS])[0], 1e-5);
    assertClose(both[1], forward(config, weights, [other])[0], 1e-5);
  });

  it("never looks ahead", () => {
    const [before] = forward(config, weights, [IDS]);
    const [after] = forward(config, weights, [[...IDS.slice(0, 5), 20, 21, 22]]);
    assert.deepEqual(after.slice(0, 5), before.slice(0, 5));
    assert.notDeepEqual(after[5], before[5]);
  });

  it("keeps packed texts apart", () => {
    const [a, b] = [IDS.slice(0, 5), [7, 8, 9]];
    const [packed] = forward(config, weights, [[...a, ...b, 0, 0]], {
      segments: int32([[1, 1, 1, 1, 1, 2, 2, 2, 0, 0]]),
      positions: int32([[0, 1, 2, 3, 4, 0, 1, 2, 0, 0]]),
    });
    assertClose(packed.slice(0, 5), forward(config, weights, [a])[0], 1e-5);
    assertClose(packed.slice(5, 8), forward(config, weights, [b])[0], 1e-5);
  });

  it("continues from kept keys and values as if it had read all at once, each row from its own length", () => {
    const rows = [IDS, [8, 7, 6, 5, 4, 3, 2, 1]];
    const lengths = [5, 3];
    const capacity = 6;
    const split = tf.tidy(() => {
      const layers = baseLayers(config, (name) => toTensor(weights.get(name)!));
      const run = (ids: number[][], keys: tf.Tensor, values: tf.Tensor, length: number[]) => {
        const past = { keys, values, length: tf.tensor1d(length, "int32") };
        const states = hiddenStates(config, layers, int32(ids), { past });
        return {
          ...states,
          scores: logits(layers, states.hidden).reshape([2, ids[0].length, -1]).arraySync() as number[][][],
        };
      };
      // What lies beyond a row's length must not matter: huge numbers there would show at once.
      const shape = [config.layers, 2, config.kvHeads, capacity, config.headDim];
      const first = run(
        rows.map((row) => row.slice(0, capacity)),
        tf.fill(shape, 1e3),
        tf.fill(shape, 1e3),
        [0, 0],
      );
      const next = rows.map((row, i) => row.slice(lengths[i], lengths[i] + 3));
      const filled = (kept: tf.Tensor) => {
        const position = tf.range(0, capacity, 1, "int32").reshape([1, 1, 1, capacity, 1]);
        const inside = position.less(tf.tensor(lengths, [1, 2, 1, 1, 1], "int32"));
        return tf.where(tf.broadcastTo(inside, shape), kept, tf.fill(shape, 1e3));
      };
      return run(next, filled(first.keys!), filled(first.values!), lengths).scores;
    });
    const whole = forward(config, weights, rows);
    for (const i of [0, 1]) assertClose(split[i], whole[i].slice(lengths[i], lengths[i] + 3), 1e-4);
  });

  it("has gradients for every weight, the embedding included", () => {
    const names = [...weightShapes(tinyConfig({ model_type: "qwen3", attention_bias: true })).keys()];
    const all = tinyConfig({ model_type: "qwen3", attention_bias: true, head_dim: 4 });
    const values = randomWeights(all);
    const loss = (tensors: tf.Tensor[]) => {
      const byName = new Map(names.map((name, i) => [name, tensors[i]]));
      const layers = baseLayers(all, (name) => byName.get(name)!);
      const scores = logits(layers, hiddenStates(all, layers, int32([IDS])).hidden);
      return tf.neg(tf.mean(tf.gather(tf.logSoftmax(scores), [2], 1))) as tf.Scalar;
    };
    tf.tidy(() => {
      const tensors = names.map((name) => toTensor(values.get(name)!));
      const gradients = tf.grads((...args: tf.Tensor[]) => loss(args))(tensors);
      const step = 1e-2;
      for (const [i, gradient] of gradients.entries()) {
        // Along the gradient's own direction u, the loss changes by |gradient| per unit.
        const size = tf.norm(gradient).dataSync()[0];
        assert.ok(size > 1e-5, `${names[i]} has no gradient`);
        const at = (t: number) => {
          const moved = tensors[i].add(gradient.mul(t / size));
          return loss(tensors.map((tensor, j) => (j === i ? moved : tensor))).dataSync()[0];
        };
        const slope = (at(step) - at(-step)) / (2 * step);
        assert.ok(Math.abs(slope - size) <= 0.02 * size + 2e-4, `${names[i]}: ${size}, measured ${slope}`);
      }
    });
  });

  it("refuses a text longer than the context, and past with packing", () => {
    const long = [Array(65).fill(1)];
    assert.throws(
      () => forward(config, weights, long),
      /65 tokens are longer than the model's context of 64/,
    );
    const past = {
      keys: tf.zeros([2, 1, 2, 8, 4]),
      values: tf.zeros([2, 1, 2, 8, 4]),
      length: tf.tensor1d([0], "int32"),
    };
    assert.throws(
      () => forward(config, weights, [IDS], { past, segments: int32([IDS]) }),
      /past goes with neither/,
    );
  });

  it("lists every weight with its shape", () => {
    const shapes = weightShapes(
      tinyConfig({ model_type: "qwen2", num_hidden_layers: 1, tie_word_embeddings: false }),
    );
    assert.deepEqual(Object.fromEntries(shapes), {
      "model.embed_tokens.weight": [23, 16],
      "model.layers.0.input_layernorm.weight": [16],
      "model.layers.0.self_attn.q_proj.weight": [16, 16],
      "model.layers.0.self_attn.q_proj.bias": [16],
      "model.layers.0.self_attn.k_proj.weight": [8, 16],
      "model.layers.0.self_attn.k_proj.bias": [8],
      "model.layers.0.self_attn.v_proj.weight": [8, 16],
      "model.layers.0.self_attn.v_proj.bias": [8],
      "model.layers.0.self_attn.o_proj.weight": [16, 16],
      "model.layers.0.post_attention_layernorm.weight": [16],
      "model.layers.0.mlp.gate_proj.weight": [24, 16],
      "model.layers.0.mlp.up_proj.weight": [24, 16],
      "model.layers.0.mlp.down_proj.weight": [16, 24],
      "model.norm.weight": [16],
      "lm_head.weight": [23, 16],
    });
  });
});
