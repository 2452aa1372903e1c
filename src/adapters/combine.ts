/**
 * Sums of LoRA adapters as one adapter: PEFT's `add_weighted_adapter`.
 *
 * What is wanted is ΣΔW = Σ wᵢ·sᵢ·Bᵢ·Aᵢ, and its rank is up to the sum of the ranks. "cat" puts the factors next to each
 * other, [B₁ B₂]·[w₁s₁A₁; w₂s₂A₂], and is exact. "svd" is the best update of a lower rank. "linear" sums A and B each for
 * themselves, with which the product has cross-terms besides: (√w₁s₁·B₁ + √w₂s₂·B₂)·(√w₁s₁·A₁ + √w₂s₂·A₂) contains
 * B₁·A₂ and B₂·A₁, which no adapter has learned. The others thin out what they sum (`task-arithmetic.ts`), the two factors
 * or, with "_svd", the updates themselves.
 */
import { generator, type HostArray } from "../engine";
import type { Base } from "../model/adapter";
import type { LanguageModel } from "../model/language-model";
import { type LoraAdapter, type LoraPair, lora } from "./lora";
import { product } from "./low-rank";
import { type SingularVectors, svd, svdOfProduct } from "./svd";
import { agreeingMean, keepLargest, keepRandom, weightedSum } from "./task-arithmetic";
import { WeightErrors } from "./weight-errors";

const THINNED = ["magnitude_prune", "ties", "dare_linear", "dare_ties"] as const;
type Thinned = (typeof THINNED)[number];
export type CombinationMethod = "cat" | "linear" | "svd" | Thinned | `${Thinned}_svd`;

const METHODS: readonly CombinationMethod[] = [
  "cat",
  "linear",
  "svd",
  ...THINNED,
  ...THINNED.map((name) => `${name}_svd` as const),
];

export interface CombineOptions {
  /** w, one for each adapter; all 1 by default. Negative ones take away. */
  weights?: readonly number[];
  /** How, "cat" by default. PEFT: `combination_type`. */
  method?: CombinationMethod;
  /** Of the result, for "svd" and the like; by default the largest of the adapters' ranks. PEFT: `svd_rank`. */
  rank?: number;
  /** The part of the elements that is kept where some are dropped, in (0, 1]. */
  density?: number;
  /** How TIES elects a sign: by the elements' total, the default, or by their number. PEFT: `majority_sign_method`. */
  election?: "total" | "frequency";
  /** Of what DARE drops. */
  seed?: number;
  /** Of the new adapter. */
  name?: string;
}

/** The factors of an update. */
interface Factors {
  a: ArrayLike<number>;
  b: ArrayLike<number>;
}

/**
 * The base with one adapter that stands for several. With one student and "svd" it is that adapter cut down to a lower rank.
 * @param students models of one base, each with a LoRA adapter in use on the same targets
 * @throws for students of different bases, with other methods' adapters, with different targets or, where factors are
 *   summed, ranks; for weights of another number; for options that the method needs or that are out of range
 */
export function combine(
  students: readonly LanguageModel[],
  { method = "cat", name = "combined", seed = 0, ...options }: CombineOptions = {},
): LanguageModel {
  const adapters = adaptersOf(students);
  const weights = checkWeights(students, options.weights);
  checkOptions(method, options);
  const random = generator(seed);
  const base = students[0]!.detach();
  const first = adapters[0]!;
  const arrays = new Map<string, ArrayLike<number>>();
  const ranks: Record<string, number> = {};
  for (const { path, a, b } of first.pairs) {
    const parts = adapters.map((adapter) => partOf(adapter, path));
    const made = combined(path, parts, weights, method, { ...options, random });
    ranks[path] = made.rank;
    arrays.set(a, made.a).set(b, made.b);
  }
  const rank = Math.max(...Object.values(ranks));
  const shared = { targets: first.pairs.map(({ path }) => path), rankPattern: ranks, alphaPattern: ranks };
  const adapter = lora({ rank, ...shared }).bind(base, 0);
  for (const [array, values] of arrays) adapter.parameters.set(array, values);
  return base.withAdapter(name, adapter);
}

/**
 * How far a combination is from the exact sum Σ wᵢ·ΔWᵢ, target by target: of "linear" its cross-terms, of "svd" what was cut
 * off, of the others what was dropped.
 * @param combination what `combine` made of the students with these weights
 */
export function combinationErrors(
  combination: LanguageModel,
  students: readonly LanguageModel[],
  weights?: readonly number[],
): WeightErrors {
  const adapters = adaptersOf([combination, ...students]).slice(1);
  const factors = checkWeights(students, weights);
  const { pairs, delta } = combination.adapter as LoraAdapter;
  return new WeightErrors(
    "Σ w·ΔW",
    pairs.map(({ path }) => {
      const exact = weightedSum(
        adapters.map((adapter) => Float64Array.from(adapter.delta(path).data)),
        factors,
      );
      return { path, exact, got: delta(path).data };
    }),
  );
}

/** Each student's adapter as an update of the base itself. */
function adaptersOf(students: readonly LanguageModel[]): LoraAdapter[] {
  const [first] = students;
  if (!first) throw new Error("combine: expected one model with an adapter in use or more, got none");
  const adapters = students.map((student, i) => {
    if (student.adapter?.method !== "lora") {
      const got = student.adapter ? `a "${student.adapter.method}" adapter` : "no adapter in use";
      throw new Error(`combine: expected models with LoRA adapters, but number ${i + 1} has ${got}.`);
    }
    const whole = (student.adapter as LoraAdapter).settings.modulesToSave;
    if (whole.length > 0) {
      throw new Error(
        `combine: number ${i + 1} trains ${whole.join(", ")} whole, of which there is no sum of updates.`,
      );
    }
    const difference = differs(first, student);
    if (difference) {
      throw new Error(
        `combine: number ${i + 1} has another base than the first: ${difference}. An update fits the weights that it was ` +
          "trained on, and no others.",
      );
    }
    return (student.adapter.portable?.(student) ?? student.adapter) as LoraAdapter;
  });
  const paths = (adapter: LoraAdapter) => adapter.pairs.map(({ path }) => path);
  for (const [i, adapter] of adapters.entries()) {
    const [want, got] = [paths(adapters[0]!), paths(adapter)];
    const odd = want.find((path) => !got.includes(path)) ?? got.find((path) => !want.includes(path));
    if (odd) {
      throw new Error(
        `combine: the targets of number ${i + 1} are not those of the first: ${odd} is one of ${got.includes(odd) ? "its" : "the first's"} alone.`,
      );
    }
  }
  return adapters;
}

/** The first weight in which two bases differ. */
function differs(one: Base, other: Base): string | undefined {
  if (one.weights === other.weights) return undefined;
  const names = new Set([...one.weights.keys(), ...other.weights.keys()]);
  return [...names].find((name) => {
    const [v, w] = [one.weights.get(name), other.weights.get(name)];
    if (v === w) return false;
    if (!v || !w || `${v.shape}` !== `${w.shape}`) return true;
    const [x, y] = [v.data, w.data];
    return x.some((value: number, i: number) => value !== y[i]);
  });
}

function checkWeights(
  students: readonly unknown[],
  weights: readonly number[] = students.map(() => 1),
): readonly number[] {
  if (weights.length !== students.length || !weights.every(Number.isFinite)) {
    throw new Error(
      `combine: expected ${students.length} numbers as weights, one for each adapter, got [${weights.join(", ")}]`,
    );
  }
  return weights;
}

function checkOptions(
  method: CombinationMethod,
  { rank, density, election = "total" }: CombineOptions,
): void {
  if (!METHODS.includes(method)) {
    throw new Error(`combine: method "${method}" is not known: expected ${METHODS.join(", ")}`);
  }
  if (THINNED.some((name) => method.startsWith(name)) && !(density! > 0 && density! <= 1)) {
    throw new Error(`combine: "${method}" needs a density above 0 and up to 1, got ${density}`);
  }
  if (rank !== undefined && (!method.endsWith("svd") || !Number.isInteger(rank) || rank < 1)) {
    throw new Error(
      `combine: rank must be a whole number from 1 and is for methods with "svd", got ${rank} for "${method}"`,
    );
  }
  if (!["total", "frequency"].includes(election)) {
    throw new Error(`combine: election must be "total" or "frequency", got "${election}"`);
  }
}

interface Part {
  pair: LoraPair;
  a: HostArray;
  b: HostArray;
}

function partOf({ pairs, parameters }: LoraAdapter, path: string): Part {
  const pair = pairs.find((one) => one.path === path)!;
  return { pair, a: parameters.get(pair.a), b: parameters.get(pair.b) };
}

/** A [rank, in] and B [out, rank] of one target, to be scaled by 1. */
function combined(
  path: string,
  parts: readonly Part[],
  weights: readonly number[],
  method: CombinationMethod,
  options: CombineOptions & { random: () => number },
): Factors & { rank: number } {
  const scaled = parts.map(({ pair }, i) => weights[i]! * pair.scale);
  if (method === "cat") return concatenated(parts, scaled);
  const ranks = parts.map(({ pair }) => pair.rank);
  const { out, in: inputs } = parts[0]!.pair;
  if (method.endsWith("svd")) {
    const rank = Math.min(options.rank ?? Math.max(...ranks), out, inputs);
    return { rank, ...split(cut(parts, scaled, weights, method, rank, options)) };
  }
  if (ranks.some((rank) => rank !== ranks[0])) {
    throw new Error(
      `combine: "${method}" sums factors, which have to be of one rank; those of ${path} have ${ranks.join(", ")}. ` +
        '"cat" and "svd" take any.',
    );
  }
  // The root of a weight goes to each factor, its sign to A.
  const roots = scaled.map((weight) => Math.sqrt(Math.abs(weight)));
  const signed = roots.map((root, i) => (scaled[i]! < 0 ? -root : root));
  const floats = (arrays: HostArray[]) => arrays.map(({ data }) => Float64Array.from(data));
  const a = merged(floats(parts.map((part) => part.a)), signed, method as Thinned | "linear", options);
  const b = merged(floats(parts.map((part) => part.b)), roots, method as Thinned | "linear", options);
  return { rank: ranks[0]!, a, b };
}

/** [B₁ B₂ …]·[w₁s₁A₁; w₂s₂A₂; …] */
function concatenated(parts: readonly Part[], scaled: readonly number[]): Factors & { rank: number } {
  const { out } = parts[0]!.pair;
  const rank = parts.reduce((sum, { pair }) => sum + pair.rank, 0);
  const a = parts.flatMap(({ a }, i) => Array.from(a.data, (x) => scaled[i]! * x));
  const b = Array.from({ length: out }, (_, row) =>
    parts.flatMap(({ pair, b }) => [...b.data.subarray(row * pair.rank, (row + 1) * pair.rank)]),
  ).flat();
  return { a, b, rank };
}

/** The largest singular values of what the method makes of the updates. */
function cut(
  parts: readonly Part[],
  scaled: readonly number[],
  weights: readonly number[],
  method: CombinationMethod,
  count: number,
  options: CombineOptions & { random: () => number },
): SingularVectors {
  const { out, in: inputs } = parts[0]!.pair;
  if (method === "svd") {
    const { a, b, rank } = concatenated(parts, scaled);
    if (count <= rank && rank <= Math.min(out, inputs)) {
      return svdOfProduct({ data: b, shape: [out, rank] }, { data: a, shape: [rank, inputs] }, count);
    }
  }
  const updates = parts.map(({ a, b, pair }) => Float64Array.from(product(b, a), (x) => pair.scale * x));
  const how = method === "svd" ? "linear" : (method.slice(0, -"_svd".length) as Thinned);
  return svd({ data: merged(updates, weights, how, options), shape: [out, inputs] }, count);
}

/** A = Vᵀ and B = U·S, as PEFT has them. */
function split({ values, left, right }: SingularVectors): Factors {
  const rank = values.length;
  const a = right.flatMap((vector) => [...vector]);
  const b = Float64Array.from({ length: left[0]!.length * rank }, (_, i) => {
    const k = i % rank;
    return values[k]! * left[k]![Math.floor(i / rank)]!;
  });
  return { a, b };
}

function merged(
  updates: readonly Float64Array[],
  weights: readonly number[],
  method: Thinned | "linear",
  { density = 1, election = "total", random }: CombineOptions & { random: () => number },
): Float64Array {
  const thin = (update: Float64Array) =>
    method.startsWith("dare") ? keepRandom(update, density, random) : keepLargest(update, density);
  const kept = method === "linear" ? updates : updates.map(thin);
  return method.endsWith("ties") ? agreeingMean(kept, weights, election) : weightedSum(kept, weights);
}
