/**
 * AdaLoRA: adaptive budget allocation (Zhang et al., arXiv:2303.10512).
 *
 *   y = x·Wᵀ + s·drop(x)·Qᵀ·Λ·Pᵀ       P [d, r], Λ = diag(λ), Q [r, k] trained,  s = α/(r₀ + 10⁻⁵)
 *
 * The update ΔW = s·P·Λ·Q has the form of a singular value decomposition, and a term of the loss keeps the columns of P and
 * the rows of Q near orthonormal, the mean over all matrices of ‖PᵀP − I‖_F and ‖QQᵀ − I‖_F. So one triplet of a column,
 * a λᵢ and a row can be taken away by λᵢ = 0 with little harm to the others. All matrices start with the rank r₀; while
 * they are trained, ranks go where they matter (`rank-allocator.ts`).
 *
 * λ starts at zero, so training starts exactly at the base; P and Q start normal with a deviation of 0.02.
 */
import * as tf from "@tensorflow/tfjs";
import { generator, type HostArray } from "../engine";
import type { Adapter, Base, Method } from "../model/adapter";
import { Parameters } from "../model/parameters";
import { checkDropout, checkRank, normal, product, sum } from "./low-rank";
import {
  type Allocation,
  type AllocationSettings,
  fixedRanks,
  type RankRecord,
  rankAllocator,
  ranksOf,
  type Triplets,
} from "./rank-allocator";
import { type LinearShape, selectTargets, type Targets } from "./targets";
import { mergedWeights, wholeModules } from "./whole-modules";

export interface AdaloraSettings extends AllocationSettings {
  /** r₀, the rank of each update at the start; at most the smaller side of each target. PEFT: `init_r`. */
  initRank: number;
  /** The mean rank of the updates at the end. PEFT: `target_r`. */
  targetRank: number;
  /** α; the update is scaled by α/(r₀ + 10⁻⁵), whatever rank it is cut to. PEFT: `lora_alpha`. */
  alpha: number;
  /** Which linear layers get an update. PEFT: `target_modules`. */
  targets: Targets;
  /** Probability with which an element of Q's input is dropped in training. PEFT: `lora_dropout`. */
  dropout: number;
  /** The weight in the loss of ‖PᵀP − I‖_F and ‖QQᵀ − I‖_F, their mean. PEFT: `orth_reg_weight`. */
  orthogonality: number;
  /** Modules to train whole besides, such as "lm_head": their weights themselves. PEFT: `modules_to_save`. */
  modulesToSave: readonly string[];
  /** Which of the r₀ triplets of a target are left, by its path: ranks that are handed out already. PEFT: `rank_pattern`. */
  rankPattern: Readonly<Record<string, readonly boolean[]>>;
}

/** A target's update with its places in the parameters. */
export interface AdaloraTriplets extends LinearShape, Triplets {
  /** Which of the r₀ triplets these are. */
  places: readonly number[];
}

export interface AdaloraAdapter extends Adapter {
  readonly method: "adalora";
  readonly settings: Readonly<AdaloraSettings> & Record<string, unknown>;
  /** s: what P·Λ·Q is multiplied by. */
  readonly scale: number;
  readonly triplets: readonly AdaloraTriplets[];
  /** Triplets in use in each target now, in the order of `triplets`. */
  readonly ranks: readonly number[];
  /** The ranks after each step of the last run. */
  readonly rankHistory: readonly RankRecord[];
  /** ΔW = s·P·Λ·Q of one target, [out, in]. */
  delta(path: string): HostArray;
}

/**
 * AdaLoRA (Zhang et al., arXiv:2303.10512) with these settings, to `attach` to a model: updates ΔW = s·P·Λ·Q whose ranks
 * are cut during training from `initRank` to a mean of `targetRank`, where they matter least. `train` must be given
 * as many steps as `totalSteps`; of a run that has ended the ranks stay as they are in the next. Linear layers only.
 * Defaults as in PEFT: ranks 12 to 8, alpha 8, tInit and tFinal 0, deltaT 1, both betas 0.85, orthogonality 0.5; targets
 * are "all-linear". PEFT: `AdaLoraConfig`.
 * @throws for settings out of range or at odds with each other, `totalSteps` above all; when attached, for a rank above a
 *   target's smaller side, and for targets, patterns and modules that match nothing
 */
export function adalora({
  totalSteps,
  initRank = 12,
  targetRank = 8,
  alpha = 8,
  targets = "all-linear",
  dropout = 0,
  tInit = 0,
  tFinal = 0,
  deltaT = 1,
  beta1 = 0.85,
  beta2 = 0.85,
  orthogonality = 0.5,
  modulesToSave = [],
  rankPattern = {},
}: Pick<AdaloraSettings, "totalSteps"> & Partial<AdaloraSettings>): Method {
  const schedule = { totalSteps, tInit, tFinal, deltaT, beta1, beta2 };
  const settings = {
    ...{ initRank, targetRank, alpha, targets, dropout },
    ...schedule,
    ...{ orthogonality, modulesToSave, rankPattern },
  };
  check(settings);
  return { method: "adalora", bind: (base, seed) => bind(settings, base, seed) };
}

function check(settings: AdaloraSettings): void {
  const { totalSteps, initRank, targetRank, alpha, tInit, tFinal, orthogonality, dropout } = settings;
  if (totalSteps === undefined || totalSteps === null) {
    throw new Error(
      "adalora: totalSteps is missing: the ranks fall along a schedule, so say how many steps the run will take, " +
        "the same as train's steps: adalora({ totalSteps: 500 }).",
    );
  }
  const whole = (name: keyof AdaloraSettings, least: number) => {
    const value = settings[name] as number;
    if (!Number.isInteger(value) || value < least)
      throw new Error(`adalora: ${name} must be a whole number from ${least}, got ${value}`);
  };
  for (const name of ["totalSteps", "initRank", "targetRank", "deltaT"] as const) whole(name, 1);
  for (const name of ["tInit", "tFinal"] as const) whole(name, 0);
  for (const name of ["beta1", "beta2"] as const) {
    if (!(settings[name] > 0 && settings[name] < 1))
      throw new Error(`adalora: ${name} must be above 0 and below 1, got ${settings[name]}`);
  }
  if (!Number.isFinite(alpha)) throw new Error(`adalora: alpha must be a number, got ${alpha}`);
  if (!(orthogonality >= 0 && orthogonality < Infinity))
    throw new Error(`adalora: orthogonality must be at least 0, got ${orthogonality}`);
  checkDropout("adalora", dropout);
  if (targetRank > initRank)
    throw new Error(`adalora: targetRank ${targetRank} is above initRank ${initRank}: ranks can only fall`);
  if (tInit >= totalSteps - tFinal) {
    throw new Error(
      `adalora: of ${totalSteps} steps the first ${tInit} (tInit) and the last ${tFinal} (tFinal) leave none in which the ` +
        "ranks could fall",
    );
  }
}

function bind(settings: AdaloraSettings, base: Base, seed: number): AdaloraAdapter {
  const { initRank, targetRank, alpha, totalSteps, dropout, orthogonality, modulesToSave } = settings;
  const scale = alpha / (initRank + 1e-5);
  const triplets = tripletsOf(settings, base);
  const tripletsAt = new Map(triplets.map((matrix) => [matrix.path, matrix]));
  const whole = wholeModules("adalora", base, modulesToSave, triplets);
  const random = generator(seed);
  const arrays = triplets.map(({ a, e, b, out, in: inputs, rank }) => {
    const near = (...shape: [number, number]) => matrix(shape, () => 0.02 * normal(random));
    const initial: [string, HostArray][] = [
      [a, near(rank, inputs)],
      [e, matrix([rank, 1])],
      [b, near(out, rank)],
    ];
    return { rank, initial };
  });
  const some = arrays.filter(({ rank }) => rank > 0).flatMap(({ initial }) => initial);
  const none = arrays.filter(({ rank }) => rank === 0).flatMap(({ initial }) => initial);
  const parameters = new Parameters(new Map([...some, ...whole.arrays]));
  const allocation: Allocation = { kept: triplets.map(({ rank }) => Array(rank).fill(true)), history: [] };

  const delta = (path: string): HostArray => {
    const matrix = tripletsAt.get(path);
    if (!matrix) {
      throw new Error(`adalora: ${path} is not a target; targets are ${[...tripletsAt.keys()].join(", ")}`);
    }
    const { a, e, b, out, in: inputs, rank } = matrix;
    if (rank === 0) return { data: new Float32Array(out * inputs), shape: [out, inputs], dtype: "float32" };
    const lambda = parameters.get(e).data;
    const p = parameters.get(b);
    const scaled = { ...p, data: p.data.map((x, i) => scale * x * lambda[i % rank]!) };
    return { data: product(scaled, parameters.get(a)), shape: [out, inputs], dtype: "float32" };
  };

  return {
    method: "adalora",
    settings: { ...settings },
    scale,
    triplets,
    parameters,
    // A target of rank zero has arrays without elements in PEFT's files.
    buffers: new Map(none),
    get ranks() {
      return ranksOf(allocation);
    },
    get rankHistory() {
      return allocation.history;
    },
    delta,
    layers(base, context) {
      const { parameter, random, penalize } = context;
      const inUse = triplets.filter(({ rank }) => rank > 0);
      if (penalize && orthogonality > 0) {
        const far = inUse.flatMap(({ a, b }) => [
          fromIdentity(parameter(a), true),
          fromIdentity(parameter(b), false),
        ]);
        penalize(tf.mul(tf.addN(far), orthogonality / (2 * triplets.length)));
      }
      const adapted: typeof base = {
        ...base,
        linear(path, x) {
          const y = base.linear(path, x);
          const matrix = tripletsAt.get(path);
          if (!matrix || matrix.rank === 0) return y;
          const [q, p] = [parameter(matrix.a), parameter(matrix.b)] as [tf.Tensor2D, tf.Tensor2D];
          const lambda = tf.mul(tf.reshape(parameter(matrix.e), [matrix.rank]), scale);
          const dropped = random ? random.dropout(x, dropout) : x;
          const down = tf.mul<tf.Tensor2D>(tf.matMul(dropped, q, false, true), lambda);
          return tf.add(y, tf.matMul(down, p, false, true));
        },
      };
      return whole.layers(adapted, context);
    },
    merged(base) {
      const updated = triplets.map(({ path }): [string, HostArray] => {
        const name = `${path}.weight`;
        return [name, sum(base.weights.get(name)!, delta(path))];
      });
      return mergedWeights(base, updated, whole, parameters);
    },
    training({ steps }) {
      const target = targetRank * triplets.length;
      const left = ranksOf(allocation).reduce((total, rank) => total + rank, 0);
      if (left <= target) return fixedRanks(triplets, parameters, allocation);
      if (steps !== totalSteps) {
        throw new Error(
          `adalora: the ranks are to fall over ${totalSteps} steps (totalSteps), but the run takes ${steps}: give both ` +
            "the same number.",
        );
      }
      return rankAllocator(triplets, parameters, allocation, target, settings);
    },
    /** Without the triplets that are out of use. One that has risen again since ranks were handed out is still in use. */
    portable(base) {
      const used = triplets.map(({ e, rank }, m) =>
        rank === 0 ? [] : [...parameters.get(e).data].map((x, i) => x !== 0 || allocation.kept[m]![i]!),
      );
      if (used.flat().every(Boolean)) return this;
      const pattern = triplets.map(({ path, places }, m): [string, boolean[]] => [
        path,
        Array.from({ length: initRank }, (_, i) => used[m]![places.indexOf(i)] ?? false),
      ]);
      const cut = bind({ ...settings, rankPattern: Object.fromEntries(pattern) }, base, seed);
      for (const name of whole.arrays.keys()) cut.parameters.set(name, parameters.get(name).data);
      for (const [m, { a, e, b, in: inputs, rank }] of triplets.entries()) {
        if (!used[m]!.includes(true)) continue;
        const rows = (name: string, width: number) =>
          parameters.get(name).data.filter((_, i) => used[m]![Math.floor(i / width)]);
        cut.parameters.set(a, rows(a, inputs));
        cut.parameters.set(e, rows(e, 1));
        cut.parameters.set(
          b,
          parameters.get(b).data.filter((_, i) => used[m]![i % rank]),
        );
      }
      return cut;
    },
  };
}

/** @throws for a rank above a target's smaller side, and for a pattern of no target or of another length */
function tripletsOf({ targets, initRank, rankPattern }: AdaloraSettings, base: Base): AdaloraTriplets[] {
  const selected = selectTargets(base, targets);
  for (const [path, pattern] of Object.entries(rankPattern)) {
    if (!selected.some((target) => target.path === path)) {
      throw new Error(
        `adalora: rankPattern has "${path}", which is no target; targets are such as ${selected[0]?.path}`,
      );
    }
    if (pattern.length !== initRank) {
      throw new Error(
        `adalora: rankPattern of ${path} has ${pattern.length} truth values, expected ${initRank} (initRank)`,
      );
    }
  }
  return selected.map((target) => {
    checkRank("adalora", initRank, target);
    const pattern = rankPattern[target.path] ?? Array<boolean>(initRank).fill(true);
    const places = pattern.flatMap((kept, i) => (kept ? [i] : []));
    const [a, e, b] = ["A", "E", "B"].map((name) => `${target.path}.lora_${name}`) as [
      string,
      string,
      string,
    ];
    return { ...target, a, e, b, rank: places.length, places };
  });
}

function matrix(shape: [number, number], draw?: () => number): HostArray {
  const data = new Float32Array(shape[0] * shape[1]);
  return { data: draw ? data.map(draw) : data, shape, dtype: "float32" };
}

/** ‖MMᵀ − I‖_F of the rows of M, or ‖MᵀM − I‖_F of its columns. */
function fromIdentity(m: tf.Tensor, rows: boolean): tf.Scalar {
  const products = tf.matMul(m as tf.Tensor2D, m as tf.Tensor2D, !rows, rows);
  const n = products.shape[0];
  const identity = tf.tensor2d(
    Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)),
    [n, n],
  );
  return tf.sqrt(tf.sum<tf.Scalar>(tf.square(tf.sub(products, identity))));
}
