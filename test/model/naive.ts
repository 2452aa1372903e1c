/** The Llama architecture a second time, one number after the other: what the tensors are checked against. */
import type { HostArray } from "../../src/engine";
import type { ModelConfig } from "../../src/model/config";
import { ropeFrequencies } from "../../src/model/rope";

type Vector = number[];

/**
 * Logits after each token of one text, [seq][vocab].
 * @param see gets the hidden states, [seq][hiddenSize], after the embedding and after each layer
 */
export function naiveLogits(
  config: ModelConfig,
  weights: ReadonlyMap<string, HostArray>,
  ids: number[],
  see: (states: Vector[]) => void = () => {},
): Vector[] {
  const row = (name: string, i: number, width: number): Vector =>
    Array.from(weights.get(name)!.data.subarray(i * width, (i + 1) * width));
  const dot = (a: Vector, b: Vector) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const linear = (path: string, x: Vector): Vector => {
    const [out] = weights.get(`${path}.weight`)!.shape;
    const bias = weights.get(`${path}.bias`)?.data;
    return Array.from(
      { length: out },
      (_, i) => dot(row(`${path}.weight`, i, x.length), x) + (bias?.[i] ?? 0),
    );
  };
  const norm = (path: string, x: Vector): Vector => {
    const rms = Math.sqrt(dot(x, x) / x.length + config.normEpsilon);
    return x.map((value, i) => (value / rms) * weights.get(`${path}.weight`)!.data[i]);
  };
  const { headDim, heads, kvHeads } = config;
  const frequencies = ropeFrequencies(config);
  const rotate = (x: Vector, position: number): Vector => {
    const out = [...x];
    for (let i = 0; i < headDim / 2; i++) {
      const angle = position * frequencies[i];
      const [a, b] = [x[i], x[i + headDim / 2]];
      out[i] = a * Math.cos(angle) - b * Math.sin(angle);
      out[i + headDim / 2] = a * Math.sin(angle) + b * Math.cos(angle);
    }
    return out;
  };
  const head = (x: Vector, i: number) => x.slice(i * headDim, (i + 1) * headDim);

  let states = ids.map((id) => row("model.embed_tokens.weight", id, config.hiddenSize));
  see(states);
  for (let layer = 0; layer < config.layers; layer++) {
    const path = `model.layers.${layer}`;
    const normed = states.map((x) => norm(`${path}.input_layernorm`, x));
    const project = (name: string, count: number) =>
      normed.map((x, position) => {
        const all = linear(`${path}.self_attn.${name}_proj`, x);
        return Array.from({ length: count }, (_, i) => {
          if (name === "v") return head(all, i);
          const h = config.qkNorm ? norm(`${path}.self_attn.${name}_norm`, head(all, i)) : head(all, i);
          return rotate(h, position);
        });
      });
    const [q, k, v] = [project("q", heads), project("k", kvHeads), project("v", kvHeads)];
    states = states.map((x, position) => {
      const mixed = q[position].flatMap((query, i) => {
        const shared = Math.floor(i / (heads / kvHeads));
        const odds = Array.from({ length: position + 1 }, (_, j) =>
          Math.exp(dot(query, k[j][shared]) / Math.sqrt(headDim)),
        );
        const total = odds.reduce((a, b) => a + b, 0);
        return query.map((_, d) => odds.reduce((sum, o, j) => sum + (o / total) * v[j][shared][d], 0));
      });
      const attended = linear(`${path}.self_attn.o_proj`, mixed).map((y, i) => x[i] + y);
      const h = norm(`${path}.post_attention_layernorm`, attended);
      const up = linear(`${path}.mlp.up_proj`, h);
      const gated = linear(`${path}.mlp.gate_proj`, h).map((g, i) => (g / (1 + Math.exp(-g))) * up[i]);
      return linear(`${path}.mlp.down_proj`, gated).map((y, i) => attended[i] + y);
    });
    see(states);
  }
  const out = config.tiedEmbeddings ? "model.embed_tokens" : "lm_head";
  return states.map((x) => linear(out, norm("model.norm", x)));
}
