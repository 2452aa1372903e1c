/**
 * What a run was of: the model, the method, the data, the place. Plain values, so that a record in a file says as much as
 * the live run; and hashes where the thing itself is large, so that two runs can be told to be of the same.
 */
import { chosenDevice, type HostArray } from "../engine";
import { LanguageModel } from "../model/language-model";
import { QuantizedWeight } from "../model/quantized";
import { computer, type Hash, sha256, versions } from "./computer";
import type { TrainOptions } from "./settings";

export interface Origin {
  /** The base's name, and a hash of its weights. */
  model: string;
  fingerprint: string;
  /** Weights of the base, and those that are trained. */
  parameters: number;
  trainable: number;
  /** Whether the base's matrices are in 4 bits. */
  quantized: boolean;
  method: string;
  /** The method's settings, complete with defaults. */
  adapter: Readonly<Record<string, unknown>>;
  /** Steps that the adapter had been trained for before this run. */
  earlierSteps: number;
  /** A hash of the adapter's values before the first step; absent of full fine-tuning, whose are the base's, and where
   * the run goes on from a checkpoint. */
  start?: string;
  /** A hash of the training data; absent where they cannot be written as JSON. */
  data?: string;
  evaluation?: {
    every: number;
    /** A hash of the held-out data. */
    data?: string;
    /** Measures by name, a hash of each one's source. */
    measures?: Record<string, string>;
    /** A hash of the prompts that are continued. */
    prompts?: string;
  };
  /** What judged completions: a function, with a hash of its source, or a model, with one of its weights. */
  reward?: { name: string; hash?: string };
  /** Where the steps were computed. */
  device: { name: string; cpu: string; cores: number };
  /** Of loralab, Node and ONNX Runtime. */
  versions: Record<string, string>;
  /** What the caller wrote on it. */
  notes: Readonly<Record<string, string>>;
}

export function originOf<Datum>(
  model: LanguageModel,
  { data, evaluate, record, engine, objective, resume }: TrainOptions<Datum>,
  earlierSteps: number,
): Origin {
  const { method, settings, parameters } = model.adapter!;
  const measures = Object.entries(evaluate?.measures ?? {}).map(([name, f]) => [name, hashOf(String(f))]);
  return {
    model: model.name,
    fingerprint: fingerprint(model),
    parameters: model.parameterCount,
    trainable: model.trainableCount,
    quantized: [...model.weights.values()].some((weight) => weight instanceof QuantizedWeight),
    method,
    adapter: plain(settings) as Record<string, unknown>,
    earlierSteps,
    ...(method !== "full" && !resume && { start: hashOf(parameters.flat) }),
    data: hashOf(data),
    ...(evaluate && {
      evaluation: {
        every: evaluate.every,
        ...(evaluate.data && { data: hashOf(evaluate.data) }),
        ...(measures.length > 0 && { measures: Object.fromEntries(measures) }),
        ...(evaluate.prompts && { prompts: hashOf(evaluate.prompts) }),
      },
    }),
    ...(objective?.reward && { reward: identify(objective.reward) }),
    device: { name: chosenDevice(engine?.device), ...computer() },
    versions: versions(),
    notes: typeof record === "object" ? record : {},
  };
}

/** A reward as it is recorded. */
export function identify(reward: object): { name: string; hash?: string } {
  if (reward instanceof LanguageModel) {
    const adapter = reward.adapter && hashOf(reward.adapter.parameters.flat);
    return { name: reward.name, hash: hashOf([fingerprint(reward), adapter ?? null]) };
  }
  return { name: (reward as { name?: string }).name || "reward", hash: hashOf(reward) };
}

/** Half of a SHA-256: enough to tell anything apart that a laboratory makes. */
const shortened = (hash: Hash): string => hash.digest("hex").slice(0, 32);

const known = new WeakMap<ReadonlyMap<string, HostArray>, string>();

/** A hash of a model's base: its configuration and every bit of its weights. Computed once; weights never change. */
export function fingerprint({ config, weights }: LanguageModel): string {
  const found = known.get(weights);
  if (found) return found;
  const hash = sha256().update(JSON.stringify(config));
  for (const [name, { data, shape }] of weights) hash.update(`${name} [${shape}]`).update(data);
  const value = shortened(hash);
  known.set(weights, value);
  return value;
}

/**
 * A hash of a value's JSON, keys in order; of lists item by item, of typed arrays the bytes. Undefined where there is no
 * JSON, as of a cycle.
 */
export function hashOf(value: unknown): string | undefined {
  const hash = sha256();
  if (ArrayBuffer.isView(value)) return shortened(hash.update(value as Uint8Array));
  try {
    for (const item of Array.isArray(value) ? value : [value])
      hash.update(`${JSON.stringify(plain(item), inOrder)}\n`);
  } catch {
    return undefined;
  }
  return shortened(hash);
}

const inOrder = (_key: string, value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** The same in what JSON has: patterns and functions as their source, typed arrays as lists, NaN as "NaN". */
export function plain(value: unknown): unknown {
  if (value instanceof RegExp || typeof value === "function" || typeof value === "bigint")
    return String(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>, plain);
  if (Array.isArray(value)) return value.map(plain);
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries.map(([key, one]) => [key, plain(one)]));
}
