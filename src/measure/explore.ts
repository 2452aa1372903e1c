/** `explore`: sliders over what was learned, and over what learning takes. */
import type { LanguageModel } from "../model/language-model";
import { Blend, type Weights } from "./blend";
import { type Evidence, Exploration } from "./exploration";
import type { PlanSettings } from "./memory";
import type { Plannable } from "./plan";
import { PlanExploration } from "./plan-exploration";
import { Change, checkFactor, checkRank, layerOf, moduleOf, type Switches, switched, upTo } from "./variants";

/** Whose change is blended, in which parts, and how. */
export interface BlendValue {
  weights: Weights;
  /** Whether the factors are summed in place of the changes. */
  crossTerms: boolean;
}

/** Of the ranks up to 8 each, then four to a doubling: where curves bend, and not where they are flat. */
function ranksUpTo(most: number): number[] {
  const ranks = [0];
  for (let rank = 1; rank < most; rank += Math.max(1, 2 ** (Math.floor(Math.log2(rank)) - 2)))
    ranks.push(rank);
  return most > 0 ? [...ranks, most] : ranks;
}

/**
 * A slider for the rank of a trained change: ΔW cut by singular value decomposition to its strongest directions, with
 * the loss on held-out data, the samples, and the share of ‖ΔW‖² that is kept. The decomposition is made once, and all
 * positions share their programs. In a notebook the result shows itself with its slider; `await (…).at(3)` is a position.
 * @param model with an adapter in use that is a change of weights; of PiSSA and OLoRA the change of the base's own
 *   weights counts, of twice their rank
 * @throws when no adapter is in use, and for a method that cannot be folded into the weights
 */
async function rank(model: LanguageModel, evidence: Evidence = {}): Promise<Exploration<number>> {
  const change = new Change(model);
  const most = change.rank;
  return Exploration.of(
    model,
    {
      kind: "rank",
      label: (rank) => `rank ${rank}`,
      variant(rank) {
        checkRank(rank);
        return { model: change.weighed(upTo(rank)), kept: change.share(upTo(rank)) };
      },
      values: ranksUpTo(most),
      none: 0,
      all: most,
    },
    evidence,
    most,
  );
}

/**
 * A slider for the size of a trained change, W + factor·ΔW, which is what another α does after training: 0 is the base,
 * 1 the adapter, below 0 the opposite of what was learned.
 * @param range of the factor, [−1, 2] by default
 * @throws as `explore.rank` does
 */
async function scale(
  model: LanguageModel,
  { range: [least, most] = [-1, 2], ...evidence }: Evidence & { range?: readonly [number, number] } = {},
): Promise<Exploration<number>> {
  checkFactor(least);
  checkFactor(most);
  if (least >= most)
    throw new Error(`explore.scale: expected a range from low to high, got ${least} to ${most}.`);
  const change = new Change(model);
  const steps = 12;
  const even = Array.from({ length: steps + 1 }, (_, i) =>
    Number((least + ((most - least) * i) / steps).toPrecision(6)),
  );
  return Exploration.of(
    model,
    {
      kind: "scale",
      label: (factor) => `${factor} × ΔW`,
      variant(factor) {
        checkFactor(factor);
        return { model: change.weighed(() => factor) };
      },
      values: even,
      none: 0,
      all: 1,
    },
    evidence,
    Math.min(Math.max(1, least), most),
  );
}

/**
 * Switches for the modules and layers of a trained change: where did it learn? The chart has the loss with each kind of
 * module, and each layer, alone and left out.
 * @throws as `explore.rank` does
 */
async function targets(model: LanguageModel, evidence: Evidence = {}): Promise<Exploration<Switches>> {
  const change = new Change(model);
  const modules = [...new Set(change.names.map(moduleOf))];
  const layers = [...new Set(change.names.flatMap((name) => layerOf(name) ?? []))].sort((a, b) => a - b);
  const without = <T>(all: readonly T[], one: T) => all.filter((other) => other !== one);
  const values: Switches[] = [
    ...modules.flatMap((one) => [
      { modules: [one], layers },
      { modules: without(modules, one), layers },
    ]),
    ...layers.flatMap((one) => [
      { modules, layers: [one] },
      { modules, layers: without(layers, one) },
    ]),
  ];
  const all = { modules, layers };
  return Exploration.of(
    model,
    {
      kind: "targets",
      label({ modules: some = modules, layers: few = layers }) {
        if (some.length === 0 || (few.length === 0 && layers.length > 0)) return "none";
        const where = few.length < layers.length ? `layer${few.length === 1 ? "" : "s"} ${spans(few)}` : "";
        const what = listed(some, modules);
        if (!where) return what;
        return what === "all" ? where : `${what} in ${where}`;
      },
      variant(switches) {
        const weighing = switched(change, switches);
        return { model: change.weighed(weighing), kept: change.share(weighing) };
      },
      values,
      none: { modules: [], layers },
      all,
    },
    evidence,
    all,
  );
}

/** The names, or those that are missing where these are fewer. */
function listed(some: readonly string[], all: readonly string[]): string {
  const missing = all.filter((name) => !some.includes(name));
  if (missing.length === 0) return "all";
  return missing.length < some.length ? `all but ${missing.join(", ")}` : some.join(", ");
}

/** "0, 2–5" */
function spans(numbers: readonly number[]): string {
  const runs: number[][] = [];
  for (const n of numbers) {
    const run = runs.at(-1);
    if (run?.at(-1) === n - 1) run.push(n);
    else runs.push([n]);
  }
  return runs.map((run) => (run.length > 2 ? `${run[0]}–${run.at(-1)}` : run.join(", "))).join(", ");
}

type BlendOptions = Evidence & { names?: readonly [string, string] };

/**
 * Two sliders for two adapters on one base, w₁·ΔW₁ + w₂·ΔW₂, and a switch for the cross-terms that summing the factors A
 * and B would add: `crossTerms(weights)` is their size in parts of the sum's. The map is of the mean of the losses.
 * @param one,other two models with an adapter in use each, or one model with two adapters attached
 * @throws for models of different bases, for a model with another number of adapters, and as `explore.rank` does
 */
async function blend(
  one: LanguageModel,
  other: LanguageModel | BlendOptions = {},
  options: BlendOptions = {},
): Promise<BlendExploration> {
  const isPair = "weights" in other;
  const { names, ...evidence } = isPair ? options : other;
  const pair = isPair ? ([one, other] as const) : bothOf(one);
  const of = new Blend(...pair);
  const [first, second] = pair.map(({ active }) => active!);
  const called = names ?? (first === second ? (["first", "second"] as const) : ([first!, second!] as const));
  const values = GRID.flatMap((w) => GRID.map((v): BlendValue => ({ weights: [w, v], crossTerms: false })));
  const exploration = await Exploration.of<BlendValue>(
    pair[0],
    {
      kind: "blend",
      label: ({ weights: [w, v], crossTerms }) =>
        `${w} × ${called[0]} + ${v} × ${called[1]}${crossTerms ? ", with cross-terms" : ""}`,
      variant: ({ weights, crossTerms }) => ({ model: of.with(weights, { crossTerms }) }),
      values,
      none: { weights: [0, 0], crossTerms: false },
      all: { weights: [1, 1], crossTerms: false },
    },
    evidence,
    { weights: [1, 1], crossTerms: false },
  );
  return Object.assign(exploration, {
    names: called,
    grid: GRID,
    withoutCrossTerms: of.without,
    crossTerms: (weights: Weights) => of.crossTerms(weights),
  });
}

export interface BlendExploration extends Exploration<BlendValue> {
  /** What the adapters are called. */
  readonly names: readonly [string, string];
  /** The weights that the map is drawn of, for each adapter. */
  readonly grid: readonly number[];
  /** Why there are no cross-terms, where there are none. */
  readonly withoutCrossTerms?: string;
  /** ‖cross-terms‖ / ‖w₁·ΔW₁ + w₂·ΔW₂‖ @throws where there are none */
  crossTerms(weights: Weights): number;
}

const GRID: readonly number[] = [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5];

function bothOf(model: LanguageModel): readonly [LanguageModel, LanguageModel] {
  const names = [...model.adapters.keys()];
  if (names.length !== 2) {
    throw new Error(
      `explore.blend: expected two models, or one with two adapters; this has ${names.length}: ${names.join(", ") || "none"}.`,
    );
  }
  return [model.use(names[0]!), model.use(names[1]!)];
}

/**
 * Sliders for what fine-tuning takes: memory of each method, term by term, against the memory of common computers, while
 * method, rank, batch, sequence, targets, precision and recomputation change. Nothing is loaded or downloaded.
 * @param model,settings as `plan` takes them, with its errors
 */
function planned(model: Plannable, settings: Partial<PlanSettings> = {}): PlanExploration {
  return new PlanExploration(model, settings);
}

/** Sliders over a trained change, each usable without a notebook too: `const e = await explore.rank(model, { data })`. */
export const explore = { rank, scale, targets, blend, plan: planned } as const;
