/**
 * A trained model at many positions of a slider: what it loses, and what it says, when its change is cut, scaled,
 * switched off in places or blended. Every position is measured once and remembered.
 */

import { ComputeThread, onThread } from "../engine";
import type { Generation, Prompt } from "../model/generate";
import type { LanguageModel } from "../model/language-model";
import type { Example } from "../train/data";
import { HeldOut } from "./held-out";

/** Samples are written on a thread of their own, so that the losses of the slider's next position do not wait for them. */
let writer: ComputeThread | undefined;

/** What a position is measured on. */
export interface Evidence {
  /** Held-out examples, or several sets of them by name, such as { capitals, stories }. A few dozen give a quick slider. */
  data?: readonly Example[] | Readonly<Record<string, readonly Example[]>>;
  /** Prompts to be continued, greedily. */
  prompts?: readonly Prompt[];
  /** At most so many tokens of each. Default 16. */
  maxTokens?: number;
}

export interface Position<V> {
  value: V;
  /** Mean loss in nats per token, by the name of the data set; "loss" where there is only one. */
  losses: Readonly<Record<string, number>>;
  /** Continuations of the prompts, where they were asked for. */
  samples?: readonly Generation[];
  /** ‖ΔW‖² here, in parts of that of the whole change. */
  kept?: number;
}

/** The model of a position, and what is known of it besides. */
export interface Variant {
  model: LanguageModel;
  kept?: number;
}

/** Where an exploration can go. */
export interface Route<V> {
  kind: Exploration<V>["kind"];
  /** Of each position, by what it is: "rank", "only q_proj" … */
  label(value: V): string;
  variant(value: V): Variant;
  /** What the curve is drawn of. */
  values: readonly V[];
  /** Positions to compare with: without the change, and with all of it. */
  none: V;
  all: V;
}

/** What a slider moves through: displayable, and in a notebook with its sliders. Elsewhere `at` is the slider. */
export class Exploration<V = unknown> {
  private readonly known = new Map<string, Position<V>>();

  private constructor(
    readonly kind: "rank" | "scale" | "targets" | "blend",
    /** The model that is explored. */
    readonly model: LanguageModel,
    private readonly route: Route<V>,
    private readonly evidence: Evidence,
    private readonly heldOut: ReadonlyMap<string, HeldOut>,
    /** Where the sliders begin. */
    readonly start: V,
  ) {}

  /** Measures the whole curve, and samples where there is something to compare. */
  static async of<V>(
    model: LanguageModel,
    route: Route<V>,
    evidence: Evidence,
    start: V,
  ): Promise<Exploration<V>> {
    const sets = setsOf(evidence).map(([name, examples]) => [name, new HeldOut(model, examples)] as const);
    const heldOut = new Map(sets);
    const exploration = new Exploration(route.kind, model, route, evidence, heldOut, start);
    for (const value of [route.none, route.all, start]) await exploration.at(value);
    for (const value of route.values) await exploration.lossesAt(value);
    return exploration;
  }

  /** The model at a position: an ordinary one, to go on with. */
  modelAt(value: V): LanguageModel {
    return this.route.variant(value).model;
  }

  label(value: V): string {
    return this.route.label(value);
  }

  /** The curve. */
  get positions(): readonly Position<V>[] {
    return this.route.values.map((value) => this.known.get(keyOf(value))!);
  }

  /** The base, without the change. */
  get none(): Position<V> {
    return this.known.get(keyOf(this.route.none))!;
  }

  /** The model with all of its change. */
  get all(): Position<V> {
    return this.known.get(keyOf(this.route.all))!;
  }

  /** The names of the data sets. */
  get sets(): string[] {
    return Object.keys(this.none.losses);
  }

  /** A position that was measured before. */
  found(value: V): Position<V> | undefined {
    return this.known.get(keyOf(value));
  }

  /**
   * Loss and samples at a position.
   * @throws for a value that is out of range
   */
  async at(value: V): Promise<Position<V>> {
    const { prompts = [], maxTokens = 16 } = this.evidence;
    const position = await this.lossesAt(value);
    if (position.samples || prompts.length === 0) return position;
    writer ??= new ComputeThread();
    const samples = await onThread(writer, () => this.modelAt(value).generateBatch(prompts, { maxTokens }));
    const sampled = { ...position, samples };
    // A slider that moved on has stopped it: half a text is not remembered.
    if (!samples.some(({ finish }) => finish === "aborted")) this.known.set(keyOf(value), sampled);
    return sampled;
  }

  /** The position without its samples, which take longer than the losses. @throws as `at` does */
  async lossesAt(value: V): Promise<Position<V>> {
    const before = this.known.get(keyOf(value));
    if (before) return before;
    const { model, kept } = this.route.variant(value);
    const losses: Record<string, number> = {};
    for (const [name, set] of this.heldOut) losses[name] = await set.loss(model);
    const position = { value, losses, ...(kept !== undefined && { kept }) };
    this.known.set(keyOf(value), position);
    return position;
  }
}

const keyOf = (value: unknown): string => JSON.stringify(value);

function setsOf({ data }: Evidence): [string, readonly Example[]][] {
  if (!data) return [];
  return Array.isArray(data) ? [["loss", data]] : Object.entries(data as Record<string, readonly Example[]>);
}
