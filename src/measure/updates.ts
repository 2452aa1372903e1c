/** What an adapter changes: ΔW = W′ − W of each weight matrix, in factors where it has them. */
import type { LoraAdapter } from "../adapters/lora";
import {
  type LeftBasis,
  leftBasis,
  type Matrix,
  type SingularVectors,
  singularValues,
  svd,
  svdOfProduct,
} from "../adapters/svd";
import { type HostArray, mapOnCores } from "../engine";
import type { Adapter, Base } from "../model/adapter";

/** A changed matrix. Shapes are the weight's own, [out, in]. */
export interface Update {
  /** Module path, such as "model.layers.0.self_attn.q_proj". */
  path: string;
  /** W */
  before: HostArray;
  /** ΔW = b·a, [out, r] and [r, in], where the method keeps it so. */
  factors?: { b: HostArray; a: HostArray };
  /** ΔW; of factors it is formed anew at each call. */
  delta(): HostArray;
}

/** A model, or anything with weights and an adapter in use. */
export interface Adapted extends Base {
  adapter?: Adapter;
}

/**
 * The matrices that the adapter in use changes, in the order of the forward pass; embeddings are left out, whose rows are
 * looked up and not multiplied with.
 * @throws when no adapter is in use, and for a method that cannot be folded into the weights
 */
export function updatesOf(model: Adapted): Update[] {
  const { adapter, weights } = model;
  if (!adapter)
    throw new Error(
      "There is no adapter in use, so nothing is changed: attach one, or choose one with use().",
    );
  const ordinary = adapter.portable?.(model) ?? adapter;
  if (ordinary.method === "lora") return lowRankUpdates(model, ordinary as LoraAdapter);
  return [...adapter.merged(model)].flatMap(([name, after]): Update[] => {
    const before = weights.get(name);
    const isMatrix =
      before?.shape.length === 2 && name.endsWith(".weight") && !name.endsWith("embed_tokens.weight");
    if (!isMatrix) return [];
    return [{ path: name.replace(/\.weight$/, ""), before, delta: () => difference(after, before) }];
  });
}

/**
 * The update of one module.
 * @param path of the module, or the end of one: "layers.0.self_attn.q_proj"
 * @throws as `updatesOf` does, and for a module that is not changed (lists those that are)
 */
export function updateOf(model: Adapted, path: string): Update {
  return findPath(updatesOf(model), path);
}

/** @throws for a path that is none of them, nor the end of one */
export function findPath<T extends { path: string }>(all: readonly T[], path: string): T {
  const found = all.find((one) => one.path === path || one.path.endsWith(`.${path}`));
  if (found) return found;
  const some = all.slice(0, 4).map((one) => one.path);
  throw new Error(
    `The adapter does not change ${JSON.stringify(path)}; it changes ${some.join(", ")}` +
      `${all.length > some.length ? ` and ${all.length - some.length} more` : ""}`,
  );
}

function lowRankUpdates({ weights }: Adapted, { pairs, parameters, delta }: LoraAdapter): Update[] {
  return pairs
    .filter(({ embedding }) => !embedding)
    .map(({ path, a, b, scale }) => {
      // Copies: the parameters go on changing while they are trained.
      const [up, down] = [parameters.get(b), parameters.get(a)];
      const factors = {
        a: { ...down, data: down.data.slice() },
        b: { ...up, data: (up.data as Float32Array).map((x) => scale * x) },
      };
      return { path, before: weights.get(`${path}.weight`)!, factors, delta: () => delta(path) };
    });
}

function difference(after: HostArray, before: HostArray): HostArray {
  const w = before.data;
  return { ...after, data: (after.data as Float32Array).map((x, i) => x - w[i]!) };
}

/** The singular values of ΔW with their vectors: from the factors, never forming the matrix, where there are factors. */
export function svdOfUpdate({ factors, delta }: Update, count?: number): SingularVectors {
  return factors ? svdOfProduct(factors.b, factors.a, count) : svd(delta(), count);
}

/** The singular values of each ΔW alone. */
export const valuesOfUpdates = (updates: readonly Update[]): number[][] =>
  mapOnCores(
    singularValuesOf,
    () => __filename,
    updates.map(({ factors, delta }) => factors ?? delta()),
  );

/** Of ΔW, or of its factors. */
export const singularValuesOf = (update: HostArray | { b: HostArray; a: HostArray }): number[] =>
  "data" in update ? singularValues(update) : svdOfProduct(update.b, update.a).values;

const bases = new WeakMap<HostArray, LeftBasis>();

/** The bases of frozen weights' left singular vectors, which are computed once for each. */
export function basesOf(weights: readonly HostArray[]): LeftBasis[] {
  const missing = weights.filter((weight) => !bases.has(weight));
  for (const [i, basis] of mapOnCores(leftBasisOf, () => __filename, missing).entries())
    bases.set(missing[i]!, basis);
  return weights.map((weight) => bases.get(weight)!);
}

export const leftBasisOf = (weight: Matrix): LeftBasis => leftBasis(weight);

/** A changed weight's strongest directions after the change. */
export interface Tuned {
  update: Update;
  /** Of W + ΔW; as many as were asked for or, of a small matrix, all. */
  directions: SingularVectors;
}

interface Known {
  weights: Adapted["weights"];
  version: number;
  count: number;
  tuned: Tuned[];
}

const decompositions = new WeakMap<Adapter, Known>();

/**
 * The strongest directions of each changed weight. They are kept until the adapter's values change.
 * @throws as `updatesOf` does
 */
export function tunedWeights(model: Adapted, count: number): Tuned[] {
  const { adapter, weights } = model;
  const known = adapter && decompositions.get(adapter);
  if (known?.weights === weights && known.version === adapter!.parameters.version && known.count === count)
    return known.tuned;
  const updates = updatesOf(model);
  const inputs = updates.map(({ before, delta }) => ({ before, delta: delta(), count }));
  const found = mapOnCores(strongestDirections, () => __filename, inputs);
  const tuned = updates.map((update, i) => ({ update, directions: found[i]! }));
  decompositions.set(adapter!, { weights, version: adapter!.parameters.version, count, tuned });
  return tuned;
}

/** Singular vectors of the largest values of W + ΔW; of a small matrix all. */
export function strongestDirections({
  before,
  delta,
  count,
}: {
  before: HostArray;
  delta: HostArray;
  count: number;
}): SingularVectors {
  const data = Float64Array.from(before.data as Float32Array, (w, i) => w + delta.data[i]!);
  return svd({ data, shape: before.shape }, Math.min(count, ...before.shape));
}
