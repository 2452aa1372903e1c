/**
 * Pairs of matrices B·A: what LoRA and the methods built on it train.
 *
 * A weight W [out, in] gets A [r, in] and B [out, r]; its update is s·B·A. Here is which weights get a pair, of which rank
 * and scale, what the pair starts from, and the update itself, in a traced program and on the host.
 */
import * as tf from "@tensorflow/tfjs";
import type { HostArray } from "../engine";
import type { Base } from "../model/adapter";
import type { Parameters } from "../model/parameters";
import { type LinearShape, selectTargets, type TargetShape, type Targets } from "./targets";

export interface LowRankSettings {
  /** r, the rank of the update; at most the smaller side of each target. PEFT: `r`. */
  rank: number;
  /** α; the update is scaled by α/r. PEFT: `lora_alpha`. */
  alpha: number;
  /** Which layers get an update. PEFT: `target_modules`. */
  targets: Targets;
  /** Probability with which an element of A's input is dropped in training. PEFT: `lora_dropout`. */
  dropout: number;
  /** Scale by α/√r, which keeps gradients alike at every rank (Kalajdzievski, arXiv:2312.03732). PEFT: `use_rslora`. */
  rsLoRA: boolean;
  /**
   * Other ranks for some targets: { "q_proj": 4, "layers\\.0\\.mlp\\..*": 16 }. A key is a regular expression for the end
   * of the path, from a dot on; the first that matches counts. PEFT: `rank_pattern`.
   */
  rankPattern: Readonly<Record<string, number>>;
  /** Other alphas for some targets, in the same way. PEFT: `alpha_pattern`. */
  alphaPattern: Readonly<Record<string, number>>;
  /**
   * Modules to train whole besides, such as "lm_head": their weights themselves; "score" adds the layer of a reward model.
   * PEFT: `modules_to_save`.
   */
  modulesToSave: readonly string[];
}

/** What a method without modules that are trained whole has of it. */
export type UpdateSettings = Omit<LowRankSettings, "modulesToSave">;

/** A target's update with its places in the parameters. */
export interface LowRankPair extends TargetShape {
  /** Parameter names of A [rank, in] and B [out, rank]. */
  a: string;
  b: string;
  rank: number;
  /** s: what B·A is multiplied by, α/r or α/√r with this target's own α and r. */
  scale: number;
}

/** @throws for settings out of range, in the name of the method */
export function checkLowRank(method: string, settings: UpdateSettings): void {
  const { rank, alpha, dropout, rankPattern, alphaPattern } = settings;
  for (const r of [rank, ...Object.values(rankPattern)]) {
    if (!Number.isInteger(r) || r < 1)
      throw new Error(`${method}: rank must be a whole number from 1, got ${r}`);
  }
  for (const a of [alpha, ...Object.values(alphaPattern)]) {
    if (!Number.isFinite(a)) throw new Error(`${method}: alpha must be a number, got ${a}`);
  }
  checkDropout(method, dropout);
}

export function checkDropout(method: string, dropout: number): void {
  if (!(dropout >= 0 && dropout < 1)) throw new Error(`${method}: dropout must be in [0, 1), got ${dropout}`);
}

/** @throws for a rank above what the update of that matrix can have */
export function checkRank(method: string, rank: number, { path, out, in: inputs }: LinearShape): void {
  if (rank <= Math.min(out, inputs)) return;
  throw new Error(
    `${method}: rank ${rank} is above what ${path} can have: its matrix is [${out}, ${inputs}], so ΔW has rank ` +
      `${Math.min(out, inputs)} at most. Choose a lower rank or leave it out of the targets.`,
  );
}

/** s = α/r, or α/√r with rsLoRA. */
export const scaleOf = (rank: number, alpha: number, rsLoRA: boolean): number =>
  alpha / (rsLoRA ? Math.sqrt(rank) : rank);

/**
 * The pairs that the settings ask for, in the order of the forward pass.
 * @throws for targets and patterns that match nothing, and for a rank above a target's smaller side
 */
export function lowRankPairs(
  method: string,
  base: Base,
  settings: UpdateSettings,
  { embeddings = false }: { embeddings?: boolean } = {},
): LowRankPair[] {
  const { rank, alpha, targets, rsLoRA, rankPattern, alphaPattern } = settings;
  const selected = selectTargets(base, targets, { embeddings });
  const ranks = patternValues(method, "rankPattern", rankPattern, selected, rank);
  const alphas = patternValues(method, "alphaPattern", alphaPattern, selected, alpha);
  return selected.map((target, i) => {
    const { path, embedding } = target;
    const [r, a] = [ranks[i]!, alphas[i]!];
    checkRank(method, r, target);
    const name = (matrix: "A" | "B") =>
      embedding ? `${path}.lora_embedding_${matrix}` : `${path}.lora_${matrix}.weight`;
    return { ...target, a: name("A"), b: name("B"), rank: r, scale: scaleOf(r, a, rsLoRA) };
  });
}

/** Whether a pattern's key is meant for this path: PEFT's rule. */
export const keyMatches = (key: string, path: string): boolean =>
  new RegExp(`^(?:.*\\.)?(?:${key})$`).test(path);

/** The value of each target: of the first key that matches, or the general one. */
function patternValues(
  method: string,
  setting: string,
  pattern: Readonly<Record<string, number>>,
  targets: readonly TargetShape[],
  general: number,
): number[] {
  const keys = Object.keys(pattern);
  const idle = keys.find((key) => !targets.some(({ path }) => keyMatches(key, path)));
  if (idle !== undefined) {
    throw new Error(
      `${method}: ${setting} has "${idle}", which is the end of no target's path; a target is ${targets[0]?.path}`,
    );
  }
  return targets.map(({ path }) => {
    const key = keys.find((k) => keyMatches(k, path));
    return key === undefined ? general : pattern[key]!;
  });
}

/**
 * What a pair starts from, so that B·A is zero: A uniform in ±1/√in as PyTorch's linear layers are, B zero; of an
 * embedding A zero and B normal, as PyTorch's embeddings are.
 * @param random uniform in [0, 1)
 * @param start other values of a linear layer's A and B
 */
export function initialPair(
  { a, b, out, in: inputs, rank, embedding }: LowRankPair,
  random: () => number,
  start?: { a: Float32Array; b: Float32Array },
): [string, HostArray][] {
  if (start) {
    return [
      [a, { data: start.a, shape: [rank, inputs], dtype: "float32" }],
      [b, { data: start.b, shape: [out, rank], dtype: "float32" }],
    ];
  }
  const bound = 1 / Math.sqrt(inputs);
  const uniform = () => (2 * random() - 1) * bound;
  const [ofA, ofB] = embedding ? [undefined, () => normal(random)] : [uniform, undefined];
  const filled = (shape: [number, number], draw?: () => number): HostArray => ({
    data: draw
      ? Float32Array.from({ length: shape[0] * shape[1] }, draw)
      : new Float32Array(shape[0] * shape[1]),
    shape,
    dtype: "float32",
  });
  return [
    [a, filled([rank, inputs], ofA)],
    [b, filled([out, rank], ofB)],
  ];
}

/** A number of the standard normal distribution (Box & Muller, 1958). */
export const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/**
 * s·x·Aᵀ·Bᵀ
 * @param x [n, in]
 * @param a,b [r, in], [out, r]
 * @returns [n, out]
 */
export function lowRank(x: tf.Tensor2D, a: tf.Tensor, b: tf.Tensor, scale: number): tf.Tensor2D {
  const down = tf.mul<tf.Tensor2D>(tf.matMul(x, a as tf.Tensor2D, false, true), scale);
  return tf.matMul(down, b as tf.Tensor2D, false, true);
}

/** The update of a pair's weight, s·B·A, in the weight's own shape: [out, in], of an embedding [vocabulary, dim]. */
export function lowRankDelta(pair: LowRankPair, parameters: Parameters): HostArray {
  const { a, b, out, in: inputs, scale, embedding } = pair;
  const data = product(parameters.get(b), parameters.get(a)).map((x) => x * scale);
  if (!embedding) return { data, shape: [out, inputs], dtype: "float32" };
  const across = Float32Array.from(data, (_, i) => data[(i % out) * inputs + Math.floor(i / out)]!);
  return { data: across, shape: [inputs, out], dtype: "float32" };
}

/** b·a of [m, r] and [r, n]. */
export function product(b: HostArray, a: HostArray): Float32Array {
  const [m, r] = b.shape as [number, number];
  const n = a.shape[1]!;
  const out = new Float32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let k = 0; k < r; k++) {
      const factor = b.data[i * r + k]!;
      for (let j = 0; j < n; j++) out[i * n + j]! += factor * a.data[k * n + j]!;
    }
  }
  return out;
}

/** a + factor · b of one shape, in float32. */
export function sum(a: HostArray, b: HostArray, factor = 1): HostArray {
  const [x, y] = [a.data as Float32Array, b.data];
  return { shape: a.shape, dtype: "float32", data: x.map((value, i) => value + factor * y[i]!) };
}
