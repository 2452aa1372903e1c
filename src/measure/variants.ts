/**
 * A trained model with its change cut to a lower rank, scaled, switched off in places, or blended with another's.
 *
 * All variants of a change have its shapes: what is cut off or switched off are rows of zeros. So they share their compiled
 * programs, and going from one to the next costs the copying of the factors.
 */
import { type Factored, factored } from "../adapters/factored";
import type { LanguageModel } from "../model/language-model";
import { changesOf } from "./changes";

/** Which parts of a change stay. */
export interface Switches {
  /** Modules by the last part of their path, such as "q_proj", and "attention" and "mlp" for theirs; all by default. */
  modules?: readonly string[];
  /** Layers from 0; all by default. What is in no layer (embedding, last norm, head) goes by `modules` alone. */
  layers?: readonly number[];
}

/** A model's change in singular directions, Σ σₖ·uₖ·vₖᵀ, to be weighed anew direction by direction. */
export class Change {
  private readonly base: LanguageModel;
  private readonly parts: readonly Factored[];
  /** σₖ² of each part. */
  private readonly squares: readonly Float64Array[];

  /** @throws when no adapter is in use, and for a method that is no change of weights */
  constructor(model: LanguageModel) {
    this.base = model.detach();
    this.parts = changesOf(model, { singular: true });
    this.squares = this.parts.map(directionSquares);
  }

  /** The largest rank of a weight's change. */
  get rank(): number {
    return Math.max(0, ...this.parts.map(({ a }) => a.shape[0]!));
  }

  /** Names of the weights that are changed. */
  get names(): string[] {
    return this.parts.map(({ name }) => name);
  }

  /** The base with each direction of the change times a factor. */
  weighed(factor: Weighing): LanguageModel {
    const parts = this.parts.map((part) => {
      const [rank, columns] = part.a.shape as [number, number];
      const data = (part.a.data as Float32Array).slice();
      for (let k = 0; k < rank; k++) {
        const weight = factor(part.name, k);
        if (weight === 1) continue;
        for (let i = k * columns; i < (k + 1) * columns; i++) data[i] = weight * data[i]!;
      }
      return { ...part, a: { ...part.a, data } };
    });
    return this.base.withAdapter("default", factored(parts));
  }

  /** ‖ΔW‖² so weighed, over all weights, in parts of what it is as learned; 1 where that is zero. */
  share(factor: Weighing): number {
    let [kept, all] = [0, 0];
    for (const [i, { name }] of this.parts.entries()) {
      for (const [k, square] of this.squares[i]!.entries()) {
        kept += factor(name, k) ** 2 * square;
        all += square;
      }
    }
    return all === 0 ? 1 : kept / all;
  }
}

/** A factor for direction k, from 0, of the change of a weight. */
type Weighing = (name: string, direction: number) => number;

/** ‖bₖ‖²·‖aₖ‖² of each direction. */
function directionSquares({ a, b }: Factored): Float64Array {
  const [rank, columns] = a.shape as [number, number];
  const [ofA, ofB] = [new Float64Array(rank), new Float64Array(rank)];
  for (const [i, x] of a.data.entries()) ofA[Math.floor(i / columns)]! += x * x;
  for (const [i, x] of b.data.entries()) ofB[i % rank]! += x * x;
  return ofA.map((square, k) => square * ofB[k]!);
}

export const upTo =
  (rank: number): Weighing =>
  (_, k) =>
    k < rank ? 1 : 0;

/** "q_proj" of "model.layers.0.self_attn.q_proj.weight". */
export const moduleOf = (name: string): string => name.split(".").at(-2)!;

/** 0 of "model.layers.0.self_attn.q_proj.weight"; undefined of what is in no layer. */
export function layerOf(name: string): number | undefined {
  const found = /\.layers\.(\d+)\./.exec(name);
  return found ? Number(found[1]) : undefined;
}

const groupOf = (name: string): string | undefined =>
  name.includes(".self_attn.") ? "attention" : name.includes(".mlp.") ? "mlp" : undefined;

/** @throws for modules and layers that the change has not */
export function switched({ names }: Change, { modules, layers }: Switches): Weighing {
  const isOf = (name: string, module: string) => moduleOf(name) === module || groupOf(name) === module;
  const odd = modules?.find((module) => !names.some((name) => isOf(name, module)));
  if (odd !== undefined) {
    const known = [...new Set(names.map(moduleOf))].join(", ");
    throw new Error(`The adapter changes no module "${odd}"; it changes ${known}.`);
  }
  const strange = layers?.find((layer) => !names.some((name) => layerOf(name) === layer));
  if (strange !== undefined) {
    const known = [...new Set(names.flatMap((name) => layerOf(name) ?? []))].join(", ");
    throw new Error(`The adapter changes no layer ${strange}; it changes ${known}.`);
  }
  return (name) => {
    const layer = layerOf(name);
    const isOn =
      (modules?.some((module) => isOf(name, module)) ?? true) &&
      (layer === undefined || (layers?.includes(layer) ?? true));
    return isOn ? 1 : 0;
  };
}

/**
 * The model with each ΔW cut to its `rank` strongest singular directions, the best approximation of that rank (Eckart &
 * Young, 1936). At the adapter's own rank it is the adapter, at 0 the base. A changed vector (a norm, a bias) has rank 1.
 * @param model with an adapter in use that is a change of weights: LoRA and its relatives, DoRA, VeRA, full fine-tuning …
 * @throws when no adapter is in use, for a method that cannot be folded into the weights, and for a rank that is no whole
 *   number from 0
 */
export function truncated(model: LanguageModel, rank: number): LanguageModel {
  checkRank(rank);
  return new Change(model).weighed(upTo(rank));
}

export function checkRank(rank: number): void {
  if (!Number.isInteger(rank) || rank < 0)
    throw new Error(`The rank to keep must be a whole number from 0, got ${rank}.`);
}

/**
 * The model with W + factor·ΔW: 0 is the base, 1 the adapter as it is, 2 what twice its α would do, and a negative factor
 * the opposite of what was learned.
 * @throws as `truncated` does, and for a factor that is no number
 */
export function scaled(model: LanguageModel, factor: number): LanguageModel {
  checkFactor(factor);
  return new Change(model).weighed(() => factor);
}

export function checkFactor(factor: number): void {
  if (!Number.isFinite(factor)) throw new Error(`The factor of ΔW must be a number, got ${factor}.`);
}

/**
 * The model with its change in some modules and layers only; elsewhere it is the base.
 * @throws as `truncated` does, and for modules and layers that the adapter does not change
 */
export function restricted(model: LanguageModel, switches: Switches): LanguageModel {
  const change = new Change(model);
  return change.weighed(switched(change, switches));
}
