/**
 * A change of weights in factors, ΔW = b·a, as an adapter: what any method has learned, in a form that can be cut,
 * scaled and mixed without another program.
 *
 *   y = x·Wᵀ + x·aᵀ·bᵀ        W [d, k],  a [r, k],  b [d, r]
 *
 * It is LoRA's form for every weight that a method can change: matrices, the embedding (and with it a tied head), and
 * vectors, which are matrices of one column. Factors are inputs of the programs, so adapters whose changes have the same
 * shapes share them.
 */
import * as tf from "@tensorflow/tfjs";
import type { HostArray } from "../engine";
import type { Adapter } from "../model/adapter";
import { Parameters } from "../model/parameters";
import { baseLayers } from "../model/transformer";
import { lowRank, product } from "./low-rank";

export interface Factored {
  /** The weight's name, such as "model.layers.0.self_attn.q_proj.weight". */
  name: string;
  /** [rows, r] and [r, columns] of a matrix; [length, 1] and [1, 1] of a vector. */
  b: HostArray;
  a: HostArray;
}

export const EMBEDDING = "model.embed_tokens.weight";
export const HEAD = "lm_head.weight";

/** An adapter that changes weights by these products; a tied head follows the embedding unless it has a change of its own. */
export function factored(changes: readonly Factored[]): Adapter {
  const names = new Set(changes.map(({ name }) => name));
  const [ofA, ofB] = [(name: string) => `${name} a`, (name: string) => `${name} b`];
  const parameters = new Parameters(
    new Map(
      changes.flatMap(({ name, a, b }): [string, HostArray][] => [
        [ofA(name), a],
        [ofB(name), b],
      ]),
    ),
  );
  return {
    method: "factored",
    settings: {},
    parameters,
    form: `factored ${JSON.stringify(changes.map(({ name, a, b }) => [name, a.shape, b.shape]))}`,
    layers(base, { config, weight, parameter }) {
      const factor = (name: string) => parameter(name) as tf.Tensor2D;
      const vector = (name: string) =>
        tf.reshape<tf.Rank.R1>(tf.matMul(factor(ofB(name)), factor(ofA(name))), [-1]);
      const own = baseLayers(config, (name) => tf.add(weight(name), vector(name)));
      return {
        linear(path, x) {
          const follows = path === "lm_head" && config.tiedEmbeddings && !names.has(HEAD);
          const name = follows ? EMBEDDING : `${path}.weight`;
          let y = base.linear(path, x);
          if (names.has(name)) y = tf.add(y, lowRank(x, factor(ofA(name)), factor(ofB(name)), 1));
          return names.has(`${path}.bias`) ? tf.add(y, vector(`${path}.bias`)) : y;
        },
        embedding(path, ids) {
          const y = base.embedding(path, ids);
          const name = `${path}.weight`;
          return names.has(name)
            ? tf.add(y, tf.matMul(tf.gather(factor(ofB(name)), ids), factor(ofA(name))))
            : y;
        },
        norm: (path, x) => (names.has(`${path}.weight`) ? own : base).norm(path, x),
      };
    },
    merged: ({ weights }) =>
      new Map(
        changes.map(({ name }): [string, HostArray] => {
          const before = weights.get(name) ?? weights.get(EMBEDDING)!; // a tied head that is tied no longer
          const change = product(parameters.get(ofB(name)), parameters.get(ofA(name)));
          const data = (before.data as Float32Array).map((w, i) => w + change[i]!);
          return [name, { data, shape: before.shape, dtype: "float32" }];
        }),
      ),
  };
}
