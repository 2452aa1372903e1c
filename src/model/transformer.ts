/**
 * A decoder-only transformer of the Llama family, from token ids to logits, in plain TensorFlow.js.
 *
 *   x = embedding(ids)
 *   for each layer:  x = x + attention(norm(x));  x = x + mlp(norm(x))
 *   logits = norm(x) · Eᵀ
 *
 * Every function here is pure: tensors in, tensors out. The weights are behind `Layers`, three operations that name a
 * layer by its Hugging Face module path, so an adapter steps in by wrapping `Layers` and the model knows nothing of it.
 * Activations are [batch·seq, features] throughout, which makes every projection one large matrix product. Shapes are
 * static and no tensor is read, so a forward pass, its gradient and an optimizer's step can be traced as one program.
 */
import * as tf from "@tensorflow/tfjs";
import { rmsNorm, rotate, softmaxAttention, swiglu } from "../engine";
import type { ModelConfig } from "./config";
import { ropeTable } from "./rope";

/** Where the transformer gets its weighted layers; paths are module paths such as "model.layers.0.self_attn.q_proj". */
export interface Layers {
  /** x·Wᵀ (+ b): [n, in] → [n, out]. W is [out, in], as in PyTorch. */
  linear(path: string, x: tf.Tensor2D): tf.Tensor2D;
  /** Rows of the table at int32 ids: [n] → [n, dim]. */
  embedding(path: string, ids: tf.Tensor1D): tf.Tensor2D;
  /** RMSNorm over the last axis, with the weight of that path. */
  norm(path: string, x: tf.Tensor): tf.Tensor;
}

/** Keys and values of earlier tokens: what generation would otherwise compute again at every step. */
export interface Past {
  /** [layers, batch, kvHeads, capacity, headDim], keys already rotated. */
  keys: tf.Tensor;
  values: tf.Tensor;
  /** How many of the capacity are filled in each row: int32 [batch]. */
  length: tf.Tensor1D;
}

export interface HiddenOptions {
  /** int32 [batch, seq]: position of each token, below seq; 0 … seq − 1 when absent. */
  positions?: tf.Tensor2D;
  /** int32 [batch, seq]: tokens attend within their own segment only, so several texts can share a row. Padding is 0. */
  segments?: tf.Tensor2D;
  /** The tokens follow these; positions then start at `past.length`. */
  past?: Past;
}

/**
 * Hidden states after the last norm, as [batch·seq, hiddenSize].
 * @param ids int32 [batch, seq]
 * @returns with `past`, also the new keys and values, [layers, batch, kvHeads, seq, headDim], for the caller to keep
 */
export function hiddenStates(
  config: ModelConfig,
  layers: Layers,
  ids: tf.Tensor2D,
  options: HiddenOptions = {},
): { hidden: tf.Tensor2D; keys?: tf.Tensor; values?: tf.Tensor } {
  const { batch, seq, rotateQuery, rotateKey, mask } = prepare(config, ids, options);
  const { heads, kvHeads, headDim } = config;
  const { past } = options;
  const newKeys: tf.Tensor4D[] = [];
  const newValues: tf.Tensor4D[] = [];

  let x = layers.embedding("model.embed_tokens", tf.reshape(ids, [-1]));
  for (let i = 0; i < config.layers; i++) {
    const layer = `model.layers.${i}`;
    const perHead = (name: string, h: tf.Tensor2D, count: number) =>
      tf.reshape<tf.Rank.R4>(layers.linear(`${layer}.self_attn.${name}_proj`, h), [
        batch,
        seq,
        count,
        headDim,
      ]);
    const normed = (name: string, h: tf.Tensor4D) =>
      config.qkNorm ? (layers.norm(`${layer}.self_attn.${name}_norm`, h) as tf.Tensor4D) : h;

    let h = layers.norm(`${layer}.input_layernorm`, x) as tf.Tensor2D;
    const q = rotateQuery(headsFirst(normed("q", perHead("q", h, heads))));
    let k = rotateKey(headsFirst(normed("k", perHead("k", h, kvHeads))));
    let v = headsFirst(perHead("v", h, kvHeads));
    if (past) {
      newKeys.push(k);
      newValues.push(v);
      k = tf.concat([cached(past.keys, i), k], 2);
      v = tf.concat([cached(past.values, i), v], 2);
    }
    x = tf.add(x, layers.linear(`${layer}.self_attn.o_proj`, attention(q, k, v, mask)));

    h = layers.norm(`${layer}.post_attention_layernorm`, x) as tf.Tensor2D;
    const gate = layers.linear(`${layer}.mlp.gate_proj`, h);
    const up = layers.linear(`${layer}.mlp.up_proj`, h);
    x = tf.add(x, layers.linear(`${layer}.mlp.down_proj`, swiglu(gate, up)));
  }
  const hidden = layers.norm("model.norm", x) as tf.Tensor2D;
  return past ? { hidden, keys: tf.stack(newKeys), values: tf.stack(newValues) } : { hidden };
}

/**
 * Next-token logits, [n, vocabSize], of hidden states [n, hiddenSize]. The head is the model's largest matrix: gather
 * the rows that are wanted before calling.
 */
export function logits(layers: Layers, hidden: tf.Tensor2D): tf.Tensor2D {
  return layers.linear("lm_head", hidden);
}

/**
 * The model as it was trained: every layer is its weight and nothing else.
 * @param weight "….q_proj.weight" → tensor
 * @param product x·Wᵀ with W of that name, for weights that are not held as a tensor
 */
export function baseLayers(
  config: ModelConfig,
  weight: (name: string) => tf.Tensor,
  product = (name: string, x: tf.Tensor2D): tf.Tensor2D =>
    tf.matMul(x, weight(name) as tf.Tensor2D, false, true),
): Layers {
  return {
    linear(path, x) {
      const tied = path === "lm_head" && config.tiedEmbeddings;
      const y = product(`${tied ? "model.embed_tokens" : path}.weight`, x);
      return hasBias(config, path) ? tf.add(y, weight(`${path}.bias`)) : y;
    },
    embedding: (path, ids) => tf.gather(weight(`${path}.weight`) as tf.Tensor2D, ids),
    norm: (path, x) => rmsNorm(x, weight(`${path}.weight`) as tf.Tensor1D, config.normEpsilon),
  };
}

/** Name → shape of every weight that a model of this configuration has, in the order of the forward pass. */
export function weightShapes(config: ModelConfig): Map<string, number[]> {
  const { hiddenSize: d, intermediateSize: mlp, headDim } = config;
  const shapes = new Map<string, number[]>([["model.embed_tokens.weight", [config.vocabSize, d]]]);
  const linear = (path: string, out: number, inputs: number) => {
    shapes.set(`${path}.weight`, [out, inputs]);
    if (hasBias(config, path)) shapes.set(`${path}.bias`, [out]);
  };
  for (let i = 0; i < config.layers; i++) {
    const layer = `model.layers.${i}`;
    shapes.set(`${layer}.input_layernorm.weight`, [d]);
    linear(`${layer}.self_attn.q_proj`, config.heads * headDim, d);
    linear(`${layer}.self_attn.k_proj`, config.kvHeads * headDim, d);
    linear(`${layer}.self_attn.v_proj`, config.kvHeads * headDim, d);
    if (config.qkNorm) shapes.set(`${layer}.self_attn.q_norm.weight`, [headDim]);
    if (config.qkNorm) shapes.set(`${layer}.self_attn.k_norm.weight`, [headDim]);
    linear(`${layer}.self_attn.o_proj`, d, config.heads * headDim);
    shapes.set(`${layer}.post_attention_layernorm.weight`, [d]);
    linear(`${layer}.mlp.gate_proj`, mlp, d);
    linear(`${layer}.mlp.up_proj`, mlp, d);
    linear(`${layer}.mlp.down_proj`, d, mlp);
  }
  shapes.set("model.norm.weight", [d]);
  if (!config.tiedEmbeddings) shapes.set("lm_head.weight", [config.vocabSize, d]);
  return shapes;
}

function hasBias(config: ModelConfig, path: string): boolean {
  if (/\.[qkv]_proj$/.test(path)) return config.qkvBias;
  if (path.endsWith(".o_proj")) return config.outputBias;
  return /\.(gate|up|down)_proj$/.test(path) && config.mlpBias;
}

/**
 * softmax(q·kᵀ + mask)·v; the 1/√headDim is expected inside q.
 *
 * Grouped-query attention (Ainslie et al., arXiv:2305.13245): query heads that share a key/value head are laid one
 * below the other as more rows of one matrix, so keys and values are never repeated.
 * @param q [batch, heads, seq, headDim]
 * @param k,v [batch, kvHeads, keys, headDim]
 * @param mask [1 | batch, 1, seq, keys], 0 where a query may look and very negative where not
 * @returns [batch·seq, heads·headDim]
 */
export function attention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, mask: tf.Tensor4D): tf.Tensor2D {
  const [batch, heads, seq, headDim] = q.shape;
  const kvHeads = k.shape[1];
  const rows = (heads / kvHeads) * seq;
  const grouped = tf.reshape<tf.Rank.R4>(q, [batch, kvHeads, rows, headDim]);
  const mixed = tf.reshape(softmaxAttention(grouped, k, v, mask), [batch, heads, seq, headDim]);
  return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch * seq, heads * headDim]);
}

/** [batch, seq, heads, headDim] → [batch, heads, seq, headDim] */
const headsFirst = (x: tf.Tensor4D): tf.Tensor4D => tf.transpose(x, [0, 2, 1, 3]);

/** Layer i of [layers, batch, kvHeads, capacity, headDim]. */
function cached(stack: tf.Tensor, i: number): tf.Tensor4D {
  const [, ...shape] = stack.shape;
  return tf.reshape(
    tf.slice(stack, [i, 0, 0, 0, 0], [1, ...shape]),
    shape as [number, number, number, number],
  );
}

/** Added to a score, it makes softmax's weight exactly zero in float32; unlike −∞ it never yields NaN. */
const NEVER = -1e9;

/** What all layers share: the rotations of queries and keys, and the mask. */
function prepare(config: ModelConfig, ids: tf.Tensor2D, { positions, segments, past }: HiddenOptions) {
  const [batch, seq] = ids.shape;
  if (past && (positions || segments)) {
    throw new Error(
      "hiddenStates: past goes with neither positions nor segments; positions follow from past.length",
    );
  }
  const capacity = past ? past.keys.shape[3]! : 0;
  const longest = past ? capacity : seq;
  if (longest > config.contextLength) {
    throw new Error(
      `hiddenStates: ${longest} tokens are longer than the model's context of ${config.contextLength}`,
    );
  }

  const at = past
    ? tf.add(tf.reshape(past.length, [batch, 1]), tf.tensor2d(range(seq), [1, seq]))
    : positions;
  const rotation = (scale: number) => {
    const table = ropeTable(config, capacity + seq, scale);
    const [cos, sin] = [table.cos, table.sin].map((values) => {
      const rows = tf.tensor2d(values, [capacity + seq, config.headDim]);
      return tf.reshape(at ? tf.gather(rows, at) : rows, [-1, 1, seq, config.headDim]) as tf.Tensor4D;
    });
    return (x: tf.Tensor4D) => rotate(x, cos, sin);
  };

  // Row = query, column = key: a query sees the keys up to its own.
  const causal = Float32Array.from({ length: seq * seq }, (_, i) =>
    i % seq > Math.floor(i / seq) ? NEVER : 0,
  );
  let mask: tf.Tensor4D = tf.tensor4d(causal, [1, 1, seq, seq]);
  if (segments) {
    const query = tf.reshape(segments, [batch, 1, seq, 1]);
    const key = tf.reshape(segments, [batch, 1, 1, seq]);
    mask = tf.add(mask, never(tf.notEqual(query, key) as tf.Tensor4D));
  }
  if (past) {
    const slots = tf.tensor4d(range(capacity), [1, 1, 1, capacity]);
    const unfilled = tf.greaterEqual(slots, tf.reshape(past.length, [batch, 1, 1, 1]));
    const before = tf.add(never(unfilled as tf.Tensor4D), tf.tensor4d(new Float32Array(seq), [1, 1, seq, 1]));
    const among = tf.add(mask, tf.tensor4d(new Float32Array(batch), [batch, 1, 1, 1]));
    mask = tf.concat<tf.Tensor4D>([before as tf.Tensor4D, among as tf.Tensor4D], 3);
  }
  // Scaling cos and sin of the query's rotation applies attention's 1/√headDim without touching the larger scores.
  return { batch, seq, rotateQuery: rotation(config.headDim ** -0.5), rotateKey: rotation(1), mask };
}

/** What to add to the scores for "not allowed": NEVER where true, 0 where false. */
const never = (forbidden: tf.Tensor4D): tf.Tensor4D =>
  tf.mul(tf.cast(forbidden, "float32") as tf.Tensor4D, NEVER);

const range = (length: number) => Int32Array.from({ length }, (_, i) => i);
