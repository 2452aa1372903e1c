/**
 * Two adapters in one: W + w₁·ΔW₁ + w₂·ΔW₂, which is the product of the factors side by side, [b₁ b₂]·[w₁a₁; w₂a₂].
 *
 * Summing the factors instead, as PEFT's "linear" does, gives cross-terms besides:
 *
 *   (√w₁·b₁ + √w₂·b₂)·(√w₁·a₁ + √w₂·a₂) = w₁·b₁a₁ + w₂·b₂a₂ + √(w₁w₂)·(b₁a₂ + b₂a₁)
 *
 * Nobody has learned b₁a₂ and b₂a₁. They are a product of the same factors, [b₁ b₂]·[√(w₁w₂)·a₂; √(w₁w₂)·a₁], so both sums
 * are the same program with other numbers put in.
 */
import { type Factored, factored } from "../adapters/factored";
import type { HostArray } from "../engine";
import type { LanguageModel } from "../model/language-model";
import { changesOf } from "./changes";

/** What each adapter's change is multiplied by. */
export type Weights = readonly [number, number];

interface Pair {
  name: string;
  /** [b₁ b₂], [rows, r₁ + r₂] */
  b: HostArray;
  ranks: readonly [number, number];
  /** a₁ and a₂ one below the other, [r₁ + r₂, columns] */
  a: HostArray;
  /** bᵀb and a·aᵀ, [r₁ + r₂, r₁ + r₂]: all that norms need. */
  grams: { b: Float64Array; a: Float64Array };
}

export class Blend {
  private readonly base: LanguageModel;
  private readonly pairs: readonly Pair[];
  /** Why there are no cross-terms, where there are none. */
  readonly without?: string;

  /** @throws for models of different bases, and as `truncated` does */
  constructor(one: LanguageModel, other: LanguageModel) {
    if (one.weights !== other.weights) {
      throw new Error(
        "blend: the two models have different weights below their adapters. Attach both adapters to one base, which is " +
          "loaded once: a change fits the weights that it was trained on.",
      );
    }
    this.base = one.detach();
    const sides = [one, other].map((model) => new Map(changesOf(model).map((part) => [part.name, part])));
    const names = [...new Set(sides.flatMap((side) => [...side.keys()]))];
    this.pairs = names.map((name) => sideBySide(sides[0]!.get(name), sides[1]!.get(name)));
    this.without = reason(one, other, this.pairs);
  }

  /** w₁·ΔW₁ + w₂·ΔW₂, with the cross-terms on top where they are asked for. */
  with(weights: Weights, { crossTerms = false } = {}): LanguageModel {
    const [own, cross] = this.factors(weights, crossTerms);
    return this.base.withAdapter(
      "blend",
      factored(this.pairs.map((pair) => ({ name: pair.name, b: pair.b, a: mixed(pair, own, cross) }))),
    );
  }

  /** ‖cross-terms‖ / ‖w₁·ΔW₁ + w₂·ΔW₂‖, over all weights. */
  crossTerms(weights: Weights): number {
    const [own, cross] = this.factors(weights, true);
    const square = (of: Weights, across: number) =>
      this.pairs.reduce((sum, pair) => sum + squareOf(pair, of, across), 0);
    return Math.sqrt(square([0, 0], cross) / square(own, 0));
  }

  /** The weights of a₁ and a₂ in their own places, and in each other's. */
  private factors([one, other]: Weights, crossTerms: boolean): [Weights, number] {
    if (!Number.isFinite(one) || !Number.isFinite(other)) {
      throw new Error(`blend: expected two numbers as weights, got ${one} and ${other}.`);
    }
    if (!crossTerms) return [[one, other], 0];
    if (this.without) throw new Error(`blend: ${this.without}.`);
    if (one < 0 || other < 0)
      throw new Error(`blend: cross-terms take the roots of the weights, got ${one} and ${other}.`);
    return [[one, other], Math.sqrt(one * other)];
  }
}

/**
 * One model with the changes of two, w₁·ΔW₁ + w₂·ΔW₂, of any methods that change weights.
 * @param crossTerms sums the factors instead: (√w₁·B₁ + √w₂·B₂)·(√w₁·A₁ + √w₂·A₂)
 * @throws for models of different bases; for cross-terms of adapters that have no factors of equal shapes
 */
export function blended(
  one: LanguageModel,
  other: LanguageModel,
  weights: Weights = [1, 1],
  options: { crossTerms?: boolean } = {},
): LanguageModel {
  return new Blend(one, other).with(weights, options);
}

function reason(one: LanguageModel, other: LanguageModel, pairs: readonly Pair[]): string | undefined {
  const odd = [one, other].find(({ adapter }) => adapter!.method !== "lora");
  if (odd) return `there are no cross-terms: a "${odd.adapter!.method}" adapter has no factors A and B`;
  const unequal = pairs.find(({ ranks }) => ranks[0] !== ranks[1]);
  if (!unequal) return undefined;
  const [p, q] = unequal.ranks;
  return `there are no cross-terms: the factors of ${unequal.name} have ranks ${p} and ${q} and cannot be summed`;
}

function sideBySide(one: Factored | undefined, other: Factored | undefined): Pair {
  const { name } = (one ?? other)!;
  const parts = [one, other].filter((part) => part !== undefined);
  const ranks: [number, number] = [one?.a.shape[0] ?? 0, other?.a.shape[0] ?? 0];
  const [rows, columns] = [parts[0]!.b.shape[0]!, parts[0]!.a.shape[1]!];
  const total = ranks[0] + ranks[1];
  const b = new Float32Array(rows * total);
  const a = new Float32Array(total * columns);
  let place = 0;
  for (const part of parts) {
    const rank = part.a.shape[0]!;
    const data = part.b.data as Float32Array;
    for (let i = 0; i < rows; i++) b.set(data.subarray(i * rank, (i + 1) * rank), i * total + place);
    a.set(part.a.data as Float32Array, place * columns);
    place += rank;
  }
  return {
    name,
    ranks,
    b: { data: b, shape: [rows, total], dtype: "float32" },
    a: { data: a, shape: [total, columns], dtype: "float32" },
    grams: {
      b: gram(total, rows, (k, i) => b[i * total + k]!),
      a: gram(total, columns, (k, i) => a[k * columns + i]!),
    },
  };
}

/** The products of vectors with each other. @param at element i of vector k */
function gram(count: number, length: number, at: (k: number, i: number) => number): Float64Array {
  const out = new Float64Array(count * count);
  for (let k = 0; k < count; k++) {
    for (let l = k; l < count; l++) {
      let sum = 0;
      for (let i = 0; i < length; i++) sum += at(k, i) * at(l, i);
      out[k * count + l] = sum;
      out[l * count + k] = sum;
    }
  }
  return out;
}

/** [w₁a₁ + c·a₂; w₂a₂ + c·a₁]; c other than 0 for equal ranks only. */
function mixed({ a, ranks }: Pair, [one, other]: Weights, cross: number): HostArray {
  const source = a.data as Float32Array;
  const half = ranks[0] * a.shape[1]!;
  const data = source.map((x, i) => (i < half ? one : other) * x);
  if (cross !== 0) {
    for (let i = 0; i < half; i++) {
      data[i]! += cross * source[half + i]!;
      data[half + i]! += cross * source[i]!;
    }
  }
  return { ...a, data };
}

/** ‖b·a‖² of what `mixed` makes: Σ (bᵀb) ⊙ (M·a·aᵀ·Mᵀ), where row k of M has wₖ at k and c at its partner in the other half. */
function squareOf({ ranks, grams }: Pair, [one, other]: Weights, cross: number): number {
  const [half, count] = [ranks[0], ranks[0] + ranks[1]];
  const own = (k: number) => (k < half ? one : other);
  const partner = (k: number) => (k < half ? k + half : k - half);
  const a = (k: number, l: number) => grams.a[k * count + l]!;
  let square = 0;
  for (let k = 0; k < count; k++) {
    for (let l = 0; l < count; l++) {
      let product = own(k) * own(l) * a(k, l);
      if (cross !== 0) {
        const [p, q] = [partner(k), partner(l)];
        product += cross * (own(k) * a(k, q) + own(l) * a(p, l) + cross * a(p, q));
      }
      square += grams.b[k * count + l]! * product;
    }
  }
  return square;
}
