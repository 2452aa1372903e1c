/**
 * `plan`: what fine-tuning a model takes, before anything is downloaded. Parameters are counted from the configuration
 * alone, exactly; memory is arithmetic with every term shown.
 */
import { isFile, join, readFileSync } from "../model/disk";
import { LanguageModel } from "../model/language-model";
import { resolveModelFolder } from "../model/places";
import { QuantizedWeight } from "../model/quantized";
import { type Architecture, architectureOf, catalogued, catalogueNames } from "./catalogue";
import { type Fit, fitsOn } from "./hardware";
import {
  type MemoryTerm,
  memoryTerms,
  type PlanMethod,
  type PlanSettings,
  trainableParameters,
} from "./memory";
import { countOf } from "./parameters";

/** PEFT's defaults where it has any, and the least that trains: one sequence at a time, bfloat16 with float32 moments. */
const DEFAULTS: PlanSettings = {
  method: "lora",
  rank: 8,
  targets: "all-linear",
  batch: 1,
  sequence: 512,
  precision: "mixed",
  optimizer: "adamw",
  attention: "fused",
  recompute: false,
  doubleQuantization: true,
  use: "training",
};

const CHOICES: { [K in keyof PlanSettings]?: readonly PlanSettings[K][] } = {
  method: ["full", "lora", "qlora", "dora"],
  precision: ["float32", "mixed", "bfloat16"],
  optimizer: ["adamw", "adamw-8bit", "sgd"],
  attention: ["fused", "eager"],
  use: ["training", "inference"],
};

/** What a plan can be made for: a name of the catalogue, a folder or file with a config.json, its object, or a model. */
export type Plannable = string | Record<string, unknown> | LanguageModel;

export class Plan {
  /** Parameters that training changes. */
  readonly trainable: number;
  /** All parameters, an adapter's included. */
  readonly total: number;
  readonly terms: readonly MemoryTerm[];

  constructor(
    readonly architecture: Architecture,
    readonly settings: PlanSettings,
  ) {
    const base = countOf(architecture.weights);
    this.trainable = trainableParameters(architecture, settings);
    this.total = settings.method === "full" ? base : base + this.trainable;
    this.terms = memoryTerms(architecture, settings);
  }

  /** Sum of the terms, in bytes. */
  get bytes(): number {
    return this.terms.reduce((sum, term) => sum + term.bytes, 0);
  }

  /** Common computers, and what would be left of their memory. */
  get fits(): Fit[] {
    return fitsOn(this.terms);
  }

  /** The same model with other settings: a slider's next position. */
  with(settings: Partial<PlanSettings>): Plan {
    return makePlan(this.architecture, { ...this.settings, ...settings });
  }

  toJSON() {
    const { architecture, settings, trainable, total, terms, bytes } = this;
    const { targets } = settings;
    return {
      model: architecture.name,
      settings: { ...settings, targets: targets instanceof RegExp ? targets.source : targets },
      trainable,
      total,
      bytes: Object.fromEntries(terms.map((term) => [term.name, term.bytes])),
      totalBytes: bytes,
    };
  }
}

/**
 * What fine-tuning (or running) a model takes: trainable and total parameters, and memory term by term, each with its
 * formula and the numbers put in. Sizes are in bytes. Defaults: LoRA of rank 8 on all linear layers, one sequence of
 * 512 tokens (or the whole context where it is shorter), bfloat16 with float32 moments; for a loaded model as it is trained
 * here, in float32 and with the probabilities of attention kept (`measureMemory` is what that really takes).
 * @param model a name such as "Llama-2-7B" (see `catalogueNames`), "small", a folder or file with a Hugging Face
 *   `config.json`, the object in one, or a loaded model, whose adapter in use, if any, gives rank and targets
 * @throws for a model that is not known, a setting out of range, a rank above a target's smaller side, and targets that
 *   match nothing
 */
export function plan(model: Plannable, settings: Partial<PlanSettings> = {}): Plan {
  const architecture = findArchitecture(model);
  const sequence = Math.min(DEFAULTS.sequence, architecture.contextLength);
  const own = model instanceof LanguageModel ? settingsOf(model) : {};
  return makePlan(architecture, { ...DEFAULTS, sequence, ...own, ...settings });
}

/** Plans side by side: those of `plans`, or any of one's own, `new Plans([plan(…), plan(…)])`. */
export class Plans {
  constructor(readonly all: readonly Plan[]) {}

  toJSON() {
    return this.all.map((plan) => plan.toJSON());
  }
}

/**
 * The article's comparison, all else alike: full fine-tuning in mixed precision (16 bytes a parameter) and in bfloat16
 * alone (8), LoRA, DoRA and QLoRA. Settings and errors are those of `plan`.
 */
export function plans(
  model: Plannable,
  settings: Partial<Omit<PlanSettings, "method" | "precision">> = {},
): Plans {
  const of = (method: PlanMethod, precision: PlanSettings["precision"] = "mixed") =>
    plan(model, { ...settings, precision, method });
  return new Plans([of("full"), of("full", "bfloat16"), of("lora"), of("dora"), of("qlora")]);
}

function makePlan(architecture: Architecture, settings: PlanSettings): Plan {
  check(architecture, settings);
  return new Plan(architecture, settings);
}

function check(architecture: Architecture, settings: PlanSettings): void {
  for (const key of Object.keys(settings)) {
    if (!(key in DEFAULTS))
      throw new Error(`plan: there is no setting ${key}; settings are ${Object.keys(DEFAULTS).join(", ")}`);
  }
  for (const [key, choices] of Object.entries(CHOICES)) {
    const value = settings[key as keyof PlanSettings];
    if (!(choices as readonly unknown[]).includes(value))
      throw new Error(`plan: ${key} must be one of ${choices.join(", ")}, got ${JSON.stringify(value)}`);
  }
  for (const key of ["rank", "batch", "sequence"] as const) {
    const value = settings[key];
    if (!Number.isSafeInteger(value) || value < 1)
      throw new Error(`plan: ${key} must be a positive integer, got ${value}`);
  }
  const { name, contextLength } = architecture;
  if (settings.sequence > contextLength) {
    throw new Error(
      `plan: a sequence of ${settings.sequence} tokens is longer than the context of ${name}, ${contextLength}`,
    );
  }
}

/** A loaded model as it would be trained here: float32, attention's probabilities kept, with the adapter in use. */
function settingsOf({ adapter, weights }: LanguageModel): Partial<PlanSettings> {
  const isQuantized = [...weights.values()].some((weight) => weight instanceof QuantizedWeight);
  const method = (isQuantized && adapter?.method === "lora" ? "qlora" : adapter?.method) as PlanMethod;
  const { rank, targets } = (adapter?.settings ?? {}) as Partial<PlanSettings>;
  return {
    precision: "float32",
    attention: "eager",
    ...(CHOICES.method?.includes(method) && { method }),
    ...(rank && { rank }),
    ...(targets && { targets }),
  };
}

function findArchitecture(model: Plannable): Architecture {
  if (model instanceof LanguageModel)
    return { ...model.config, name: model.name, gatedMlp: true, weights: model.weights };
  if (typeof model !== "string") return architectureOf(String(model._name_or_path ?? "this model"), model);
  const known = catalogued(model);
  if (known) return known;
  const file = configFile(model);
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Error(`${file}: expected a Hugging Face config.json: ${(error as Error).message}`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new Error(`${file}: expected an object, as in a Hugging Face config.json`);
  return architectureOf(model, json as Record<string, unknown>);
}

function configFile(nameOrPath: string): string {
  if (isFile(nameOrPath)) return nameOrPath;
  try {
    return join(resolveModelFolder(nameOrPath), "config.json");
  } catch (error) {
    throw new Error(`${(error as Error).message}; plan also knows ${catalogueNames.join(", ")}`);
  }
}
