/**
 * EVA: explained variance adaptation (Paischer et al., arXiv:2410.07170).
 *
 * A starts as the directions along which a layer's inputs vary most on the data to be learned, B at zero. They are the
 * right singular vectors of the inputs less their mean, brought up to date batch by batch until they turn no more: between
 * two batches every one that is used keeps a cosine of τ with itself.
 *
 * The ranks go where they explain most. Each layer offers ρ·r directions, each with its part of the variance of the layer's
 * inputs; of all layers' directions the best n·r are taken, n being the number of layers. A layer without any gets no
 * adapter.
 */
import type * as tf from "@tensorflow/tfjs";
import { type HostArray, trace } from "../engine";
import type { Method } from "../model/adapter";
import { checkTokens } from "../model/generate";
import type { LanguageModel } from "../model/language-model";
import { hiddenStates, type Layers, logits } from "../model/transformer";
import { type LoraSettings, lora } from "./lora";
import { PrincipalComponents } from "./principal-components";
import { type LinearShape, selectTargets } from "./targets";

export interface EvaSettings extends Omit<LoraSettings, "init" | "rankPattern" | "alphaPattern"> {
  /** ρ: a layer's rank is at most ρ·rank; 1 leaves all at `rank`. PEFT: `EvaConfig(rho)`. */
  rho: number;
  /** τ, the cosine from which a direction counts as settled. PEFT: `EvaConfig(tau)`. */
  tau: number;
  /** Texts of a batch. */
  batchSize: number;
}

/** LoRA with its start, and what was found. */
export interface EvaMethod extends Method {
  /** The rank of every target, zeros included, by path. */
  readonly ranks: ReadonlyMap<string, number>;
  /** Parts of the variance of a target's inputs that its directions explain, descending: ρ·rank numbers, by path. */
  readonly explained: ReadonlyMap<string, readonly number[]>;
}

/** A batch more changes nothing that matters after as many passes over the data. */
const MOST_PASSES = 20;

/**
 * LoRA whose A starts along the variance of the layers' inputs on these texts, and whose ranks are distributed by it (Paischer
 * et al., arXiv:2410.07170), to `attach` to the same model. Scales stay as `alpha` and `rank` say, whatever a layer's own
 * rank. Defaults: rank 8, ρ = 2, τ = 0.99, batches of 8; the others are LoRA's. Linear layers only. PEFT:
 * `init_lora_weights="eva"` with `use_label_mask=False`.
 * @param texts or their token ids; every token counts
 * @throws without texts, for a batch with fewer tokens than directions are wanted, for settings out of range, and for
 *   targets that match nothing
 */
export async function eva(
  model: LanguageModel,
  texts: readonly (string | number[])[],
  settings: Partial<EvaSettings> = {},
): Promise<EvaMethod> {
  const { rho = 2, tau = 0.99, batchSize = 8, ...ofLora } = settings;
  const { rank = 8, alpha = rank, targets = "all-linear", rsLoRA = false } = ofLora;
  lora(ofLora); // for its errors
  if (!(rho >= 1 && rho < Infinity)) throw new Error(`eva: rho must be a number from 1, got ${rho}`);
  if (!(tau > 0 && tau < 1)) throw new Error(`eva: tau must be between 0 and 1, got ${tau}`);
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new Error(`eva: batchSize must be a whole number from 1, got ${batchSize}`);
  const layers = selectTargets(model, targets);
  const offered = new Map(
    layers.map(({ path, out, in: inputs }) => [path, Math.min(Math.round(rank * rho), out, inputs)]),
  );
  const batches = batchesOf(model, texts, batchSize);
  const components = await settledComponents(model, layers, batches, { rank, offered, tau });
  const explained = new Map(
    layers.map(({ path }) => [path, components.get(path)!.explained.slice(0, offered.get(path))]),
  );
  const ranks = distribute(layers, offered, components, rank * layers.length);
  const chosen = layers.filter(({ path }) => ranks.get(path)! > 0);
  const method = lora({
    ...ofLora,
    targets: chosen.map(({ path }) => path),
    rankPattern: Object.fromEntries(chosen.map(({ path }) => [path, ranks.get(path)!])),
    alphaPattern: Object.fromEntries(
      chosen.map(({ path }) => {
        const part = ranks.get(path)! / rank;
        return [path, alpha * (rsLoRA ? Math.sqrt(part) : part)];
      }),
    ),
    init: {
      name: "eva",
      takenOut: false,
      start({ path, rank, out }) {
        const vectors = components.get(path)!.vectors.slice(0, rank);
        const a = Float32Array.from(vectors.flatMap((vector) => [...vector]));
        return { a, b: new Float32Array(out * rank) };
      },
    },
  });
  return { ...method, ranks, explained };
}

/** Token ids in batches. */
function batchesOf(model: LanguageModel, texts: readonly (string | number[])[], size: number): number[][][] {
  const { contextLength, vocabSize } = model.config;
  const rows = texts.map((text) => {
    const ids = (typeof text === "string" ? model.tokenizer.encode(text) : text).slice(0, contextLength);
    checkTokens(ids, vocabSize);
    return ids;
  });
  if (!rows.some((ids) => ids.length > 0))
    throw new Error("eva: expected texts to collect the inputs of layers on");
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, i) =>
    rows.slice(i * size, (i + 1) * size),
  );
}

/** The principal components of each target's inputs, one object for targets with the same inputs. */
async function settledComponents(
  model: LanguageModel,
  layers: readonly LinearShape[],
  batches: readonly number[][][],
  { rank, offered, tau }: { rank: number; offered: ReadonlyMap<string, number>; tau: number },
): Promise<Map<string, PrincipalComponents>> {
  const { program, source } = await inputsProgram(model, layers, batches);
  const components = new Map<string, PrincipalComponents>();
  for (const path of new Set(source.values())) {
    const sharing = layers.filter((layer) => source.get(layer.path) === path).map((layer) => layer.path);
    const made = new PrincipalComponents(Math.max(...sharing.map((target) => offered.get(target)!)));
    for (const target of sharing) components.set(target, made);
  }
  try {
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      for (const batch of batches) {
        const inputs = await program.run({
          ids: padded(batch, program.inputs.ids!.shape as [number, number]),
        });
        for (const path of new Set(source.values())) {
          const rows = tokensOf(inputs[path]!, batch, program.inputs.ids!.shape[1]!);
          const { count } = components.get(path)!;
          if (rows.shape[0]! < count) {
            throw new Error(
              `eva: a batch has ${rows.shape[0]} tokens, fewer than the ${count} directions that ${path} offers. Take ` +
                "longer texts, a larger batchSize, or a lower rank or rho.",
            );
          }
          components.get(path)!.add(rows);
        }
        const ranks = distribute(layers, offered, components, rank * layers.length);
        if (layers.every(({ path }) => components.get(path)!.settled(ranks.get(path)!, tau)))
          return components;
      }
    }
    return components;
  } finally {
    await program.dispose();
  }
}

/** A program of the base that gives the targets' inputs, [tokens, in], each under the first target that has it. */
async function inputsProgram(
  model: LanguageModel,
  layers: readonly LinearShape[],
  batches: readonly number[][][],
) {
  const targets = new Set(layers.map(({ path }) => path));
  const length = Math.max(...batches.flat().map((ids) => ids.length));
  /** By target, the first with the same inputs. */
  const source = new Map<string, string>();
  const program = await trace(
    ({ ids }) => {
      const seen = new Map<tf.Tensor, string>();
      const base = model.use(null).layers();
      const watched: Layers = {
        ...base,
        linear(path, x) {
          if (targets.has(path)) {
            if (!seen.has(x)) seen.set(x, path);
            source.set(path, seen.get(x)!);
          }
          return base.linear(path, x);
        },
      };
      const { hidden } = hiddenStates(model.config, watched, ids as tf.Tensor2D);
      if (targets.has("lm_head")) logits(watched, hidden);
      return Object.fromEntries([...seen].map(([x, path]) => [path, x]));
    },
    { ids: { shape: [batches[0]!.length, length], dtype: "int32" } },
  );
  return { program, source };
}

/** Token ids as one grid of this shape, filled up with zeros. */
function padded(batch: readonly number[][], [rows, length]: [number, number]): Int32Array {
  const grid = new Int32Array(rows * length);
  for (const [r, ids] of batch.entries()) grid.set(ids, r * length);
  return grid;
}

/** The rows of x, [rows · length, width], that belong to tokens. */
function tokensOf({ data, shape }: HostArray, batch: readonly number[][], length: number): HostArray {
  const width = shape[1]!;
  const places = batch.flatMap((ids, r) => ids.map((_, i) => r * length + i));
  const kept = new Float32Array(places.length * width);
  for (const [i, place] of places.entries()) {
    kept.set((data as Float32Array).subarray(place * width, (place + 1) * width), i * width);
  }
  return { data: kept, shape: [places.length, width], dtype: "float32" };
}

/** How many of each target's directions are among the `budget` best of all. */
function distribute(
  layers: readonly LinearShape[],
  offered: ReadonlyMap<string, number>,
  components: ReadonlyMap<string, PrincipalComponents>,
  budget: number,
): Map<string, number> {
  const met = new Set<PrincipalComponents>();
  const [first, sharing]: [LinearShape[], LinearShape[]] = [[], []];
  for (const layer of layers) {
    const of = components.get(layer.path)!;
    (met.has(of) ? sharing : first).push(layer);
    met.add(of);
  }
  // Of equal parts, those of targets that share another's inputs come later, as in PEFT.
  const offers = [...first, ...sharing].flatMap(({ path }) =>
    components
      .get(path)!
      .explained.slice(0, offered.get(path))
      .map((part) => ({ path, part })),
  );
  const ranks = new Map(layers.map(({ path }) => [path, 0]));
  for (const { path } of offers.sort((p, q) => q.part - p.part).slice(0, budget)) {
    ranks.set(path, ranks.get(path)! + 1);
  }
  return ranks;
}
