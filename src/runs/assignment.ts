/**
 * A trial as it travels to another process. Functions stay behind: a method goes by its name and the settings of the adapter
 * that it makes, complete with defaults; an objective likewise; a model by what `loadModel` finds it by. Data go once for all
 * trials, by their hash.
 *
 * Nothing that arrives is taken on trust. A trial's key is a hash of all that decides its numbers, the weights of the model and
 * the adapter's first values included; who does the trial computes it anew, and it must be the same.
 */
import { adalora, dora, full, houlsby, lora, mixture, olora, pissa, qalora, vera } from "../adapters";
import { chosenDevice } from "../engine";
import type { Method } from "../model/adapter";
import type { Prompt } from "../model/generate";
import type { LanguageModel } from "../model/language-model";
import type { ModelSource } from "../model/places";
import { type QuantizationSettings, QuantizedWeight } from "../model/quantized";
import type { Objective } from "../train/objective";
import { dpo } from "../train/objectives/dpo";
import { rewardModel } from "../train/objectives/reward";
import { sft } from "../train/objectives/sft";
import { fingerprint, hashOf } from "../train/origin";
import type { TrainOptions } from "../train/settings";
import { keyOf, type Trial } from "./trials";

export interface Assignment {
  key: string;
  /** The id of the sweep. */
  sweep: string;
  seed: number;
  model: { source: ModelSource; fingerprint: string; quantize?: QuantizationSettings };
  method: ByName;
  objective?: ByName;
  /** Other options of training. */
  options: Record<string, unknown>;
  evaluate?: { every: number; prompts?: readonly Prompt[] };
  /** Hashes of the data to train on and of those held out. */
  data: string;
  heldOut?: string;
}

interface ByName {
  name: string;
  settings: Record<string, unknown>;
}

/** What is left of a trial when its place in the grid is not. */
export type Task = Pick<Trial, "key" | "student" | "options" | "seed">;

const METHODS: Record<string, (settings: any) => Method> = {
  ...{ adalora, dora, full, houlsby, lora, mixture, qalora, vera },
};
const INITIALISATIONS = { pissa, olora };
const OBJECTIVES: Record<string, (settings: any) => Objective<any>> = { sft, dpo, reward: rewardModel };

const HERE = 'Leave "on" out to run the sweep here.';

/**
 * What a worker needs to do a trial of a sweep.
 * @param data texts by hash, to which those of the trial are added
 * @throws for what cannot travel, by its name: a model that was changed in memory, measures and rewards, methods and
 *   initialisations that are not loralab's own
 */
export function assign(
  trial: Trial,
  sweep: string,
  base: LanguageModel,
  data: Map<string, string>,
): Assignment {
  const { key, seed, options } = trial;
  const { data: examples, evaluate, objective, signal: _signal, ...plain } = options;
  const adapter = trial.student().adapter!;
  const measures = Object.keys(evaluate?.measures ?? {});
  if (measures.length > 0) {
    throw new Error(
      `sweep: the ${measures.length > 1 ? "measures" : "measure"} ${measures.join(", ")} cannot travel to a worker, being a ` +
        `function of this process. Evaluate held-out data alone (evaluate: { every, data }), or measure afterwards. ${HERE}`,
    );
  }
  if (!METHODS[adapter.method]) {
    throw new Error(
      `sweep: the method ${adapter.method} cannot travel to a worker: expected one of ${Object.keys(METHODS).join(", ")}. ${HERE}`,
    );
  }
  const { init } = adapter.settings;
  if (typeof init === "string" && !(init in INITIALISATIONS)) {
    throw new Error(
      `sweep: the initialisation ${init} was computed here and cannot travel to a worker: expected none, or one of ` +
        `${Object.keys(INITIALISATIONS).join(", ")}. ${HERE}`,
    );
  }
  if (objective && !OBJECTIVES[objective.name]) {
    throw new Error(
      `sweep: the objective ${objective.name} cannot travel to a worker, since functions of this process belong to it, such as ` +
        `rewards: expected one of ${Object.keys(OBJECTIVES).join(", ")}. ${HERE}`,
    );
  }
  const device = chosenDevice(options.engine?.device);
  const assignment: Assignment = {
    key,
    sweep,
    seed,
    model: modelOf(base),
    method: { name: adapter.method, settings: adapter.settings },
    ...(objective && { objective: { name: objective.name, settings: objective.settings } }),
    options: { ...plain, engine: { ...plain.engine, device } },
    ...(evaluate && { evaluate: { every: evaluate.every, prompts: evaluate.prompts } }),
    data: packData(examples, data),
    ...(evaluate?.data && { heldOut: packData(evaluate.data, data) }),
  };
  const arrived = restore(unpack(pack(assignment)) as Assignment, base.detach(), data);
  if (arrived.key !== key) {
    throw new Error(
      `sweep: the trial with method ${adapter.method} cannot travel to a worker: made again from its settings it is another ` +
        `one. ${HERE}`,
    );
  }
  return assignment;
}

/** Whether a worker finds the model, and how. */
function modelOf(base: LanguageModel): Assignment["model"] {
  const { source } = base;
  if (source === undefined) {
    throw new Error(
      `sweep: ${base.name} exists in this process alone, so no worker can load it: it was merged or made here. Save it with ` +
        'saveModel(model, "folder") where workers can read it, and take loadModel("folder") for the sweep.',
    );
  }
  const quantized = [...base.weights.values()].find((weight) => weight instanceof QuantizedWeight);
  return {
    source,
    fingerprint: fingerprint(base),
    ...(quantized && { quantize: quantized.settings }),
  };
}

function packData(examples: readonly unknown[], data: Map<string, string>): string {
  const hash = hashOf(examples);
  if (hash !== undefined && !data.has(hash)) data.set(hash, pack(examples));
  if (hash === undefined || hashOf(unpack(data.get(hash)!)) !== hash)
    throw new Error("sweep: the data cannot be written as JSON, so they cannot travel to a worker.");
  return hash;
}

/**
 * The trial again, with the key that it has here.
 * @param base the model, loaded, without adapters
 * @param data texts by hash
 * @throws when a text is missing
 */
export function restore(
  { seed, method, objective, options, evaluate, data: examples, heldOut }: Assignment,
  base: LanguageModel,
  data: ReadonlyMap<string, string>,
): Task {
  const init = INITIALISATIONS[method.settings.init as keyof typeof INITIALISATIONS];
  const made = METHODS[method.name]!({ ...method.settings, init });
  const read = (hash: string) => unpack(data.get(hash)!) as unknown[];
  const own: TrainOptions<any> = {
    ...(options as Pick<TrainOptions, "steps">),
    data: read(examples),
    ...(objective && { objective: OBJECTIVES[objective.name]!(objective.settings) }),
    ...(evaluate && { evaluate: { ...evaluate, ...(heldOut && { data: read(heldOut) }) } }),
  };
  const student = () => base.attach(made, { seed });
  return { key: keyOf(student(), { ...own, seed }), student, options: own, seed };
}

/** Text of a value, patterns and numbers that JSON lacks included. @throws for a function, by its name */
export const pack = (value: unknown): string =>
  JSON.stringify(value, (key, one) => {
    if (typeof one === "function")
      throw new Error(`sweep: ${key} cannot travel to a worker, being a function of this process. ${HERE}`);
    if (one instanceof RegExp) return { $pattern: one.source, $flags: one.flags };
    return typeof one === "number" && !Number.isFinite(one) ? { $number: String(one) } : one;
  });

export const unpack = (text: string): unknown =>
  JSON.parse(text, (_key, one) => {
    if (typeof one?.$pattern === "string") return new RegExp(one.$pattern, one.$flags);
    return typeof one?.$number === "string" ? Number(one.$number) : one;
  });
