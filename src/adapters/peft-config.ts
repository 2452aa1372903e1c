/**
 * adapter_config.json: which PEFT configuration is which method with which settings.
 *
 * A form is one method's mapping, a table of settings and fields that serves both directions. What a configuration asks
 * for that no form can give is refused by name, since it would change what the adapter computes.
 */
import type { Adapter, Method } from "../model/adapter";
import type { LanguageModel } from "../model/language-model";
import { adalora } from "./adalora";
import { dora } from "./dora";
import type { Initialisation } from "./initialisation";
import { lora } from "./lora";
import { keyMatches } from "./low-rank";
import { olora } from "./olora";
import { pissa } from "./pissa";
import type { Targets } from "./targets";
import { vera } from "./vera";
import { modulePaths, SCORE } from "./whole-modules";

export type PeftConfig = Record<string, unknown>;

type Kind = "number" | "boolean" | "numbers by pattern" | "masks by target";

interface Form {
  /** The method's name here … */
  method: string;
  /** … and the class of its configuration there. */
  peftType: string;
  /** Setting here → field there. Fields of PEFT's newer versions are optional. */
  fields: Record<string, { field: string; kind: Kind; optional?: boolean }>;
  /** What tells the form from others of its type, and what it implies: written, and expected where it is given. */
  implied: PeftConfig;
  /** What PEFT wants to see besides, and what is of no consequence in a file that comes with all its arrays. */
  written: PeftConfig;
  make(settings: Record<string, any>): Method;
}

const LOW_RANK: Form["fields"] = {
  rank: { field: "r", kind: "number" },
  alpha: { field: "lora_alpha", kind: "number" },
  dropout: { field: "lora_dropout", kind: "number" },
  rsLoRA: { field: "use_rslora", kind: "boolean", optional: true },
  rankPattern: { field: "rank_pattern", kind: "numbers by pattern", optional: true },
  alphaPattern: { field: "alpha_pattern", kind: "numbers by pattern", optional: true },
};

const FORMS: readonly Form[] = [
  {
    method: "lora",
    peftType: "LORA",
    fields: LOW_RANK,
    implied: { use_dora: false },
    written: { init_lora_weights: true },
    make: lora,
  },
  {
    method: "dora",
    peftType: "LORA",
    fields: LOW_RANK,
    implied: { use_dora: true },
    written: { init_lora_weights: true },
    make: dora,
  },
  {
    method: "vera",
    peftType: "VERA",
    fields: {
      rank: { field: "r", kind: "number" },
      dropout: { field: "vera_dropout", kind: "number" },
      dInitial: { field: "d_initial", kind: "number" },
    },
    // Only PyTorch's own generator gives A and B back from a key, so they always come with the file.
    implied: { save_projection: true },
    written: { init_weights: true, projection_prng_key: 0 },
    make: vera,
  },
  {
    method: "adalora",
    peftType: "ADALORA",
    fields: {
      initRank: { field: "init_r", kind: "number" },
      targetRank: { field: "target_r", kind: "number" },
      alpha: { field: "lora_alpha", kind: "number" },
      dropout: { field: "lora_dropout", kind: "number" },
      tInit: { field: "tinit", kind: "number" },
      tFinal: { field: "tfinal", kind: "number" },
      deltaT: { field: "deltaT", kind: "number" },
      totalSteps: { field: "total_step", kind: "number" },
      beta1: { field: "beta1", kind: "number" },
      beta2: { field: "beta2", kind: "number" },
      orthogonality: { field: "orth_reg_weight", kind: "number" },
      rankPattern: { field: "rank_pattern", kind: "masks by target", optional: true },
    },
    implied: { use_dora: false },
    // PEFT's class inherits `r` and warns of any but its default, which means nothing.
    written: { init_lora_weights: true, r: 8 },
    make: adalora as Form["make"],
  },
];

/** What every form implies. */
const IMPLIED: PeftConfig = { bias: "none", fan_in_fan_out: false, layers_to_transform: null };

/** Fields that change what an adapter computes, in ways that no form has. */
const FOREIGN = [
  "exclude_modules",
  "trainable_token_indices",
  "target_parameters",
  "layer_replication",
  "lora_bias",
  "ensure_weight_tying",
  "use_qalora",
  "use_bdlora",
  "alora_invocation_tokens",
  "arrow_config",
  "kasa_config",
  "monteclora_config",
];

/** Initialisations that take the adapter's first values out of the base's weights … */
const CHANGES_BASE = /^(pissa|olora|corda|loftq|lora_ga)/i;
/** … and those of them that follow from the base alone, so that they can be had again. */
const REPEATABLE: Record<string, Initialisation> = { pissa, olora };

/**
 * The configuration of a model's adapter.
 * @param targets paths of the modules that it changes
 * @throws for a method that has no PEFT form
 */
export function toPeftConfig(model: LanguageModel, adapter: Adapter): PeftConfig {
  const form = FORMS.find(({ method }) => method === adapter.method);
  if (!form) {
    const known = FORMS.map(({ method }) => `"${method}"`).join(", ");
    throw new Error(
      `saveAdapter: a "${adapter.method}" adapter has no PEFT file; those that have are ${known}.`,
    );
  }
  const names = [...adapter.parameters.names, ...(adapter.buffers?.keys() ?? [])];
  const modules = modulePaths(model);
  const whole = [...modules, SCORE].filter((path) => names.includes(`${path}.weight`));
  // Whole paths: whatever the targets were called, these modules and no others match.
  const targets = modules.filter(
    (path) => !whole.includes(path) && names.some((name) => name.startsWith(`${path}.`)),
  );
  return {
    peft_type: form.peftType,
    task_type: whole.includes(SCORE) ? "SEQ_CLS" : "CAUSAL_LM",
    base_model_name_or_path: model.name,
    revision: null,
    inference_mode: true,
    ...IMPLIED,
    ...form.written,
    ...form.implied,
    ...Object.fromEntries(
      Object.entries(form.fields).map(([setting, { field, kind }]) => {
        const value = adapter.settings[setting];
        return [field, kind === "masks by target" ? masksToFile(value as Masks) : value];
      }),
    ),
    target_modules: targets,
    modules_to_save: whole.length > 0 ? whole : null,
  };
}

/**
 * The method with its settings that a configuration describes.
 * @param names of the arrays that come with it
 * @param path of the file, for messages
 * @throws for another type of adapter, for fields that are malformed or contradict each other, and for what no method
 *   here computes
 */
export function fromPeftConfig(
  config: PeftConfig,
  model: LanguageModel,
  names: readonly string[],
  path: string,
): Method {
  const form = findForm(config, path);
  const settings: Record<string, unknown> = {};
  for (const [setting, { field, kind, optional }] of Object.entries(form.fields)) {
    const value = config[field];
    if (optional && (value === undefined || value === null)) continue;
    if (!IS[kind](value)) {
      throw new Error(`${path}: expected ${WORDS[kind]} as "${field}", got ${JSON.stringify(value)}.`);
    }
    settings[setting] = read(kind, value, names);
  }
  try {
    return form.make({
      ...settings,
      targets: targetsOf(config, path),
      modulesToSave: modulesToSave(config, model, path),
      init: REPEATABLE[config.init_lora_weights as string],
    });
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

const IS: Record<Kind, (value: unknown) => boolean> = {
  number: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  "numbers by pattern": (value) =>
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((n) => typeof n === "number"),
  "masks by target": (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(value).every(
      ([name, mask]) =>
        OF_MASK.test(name) && Array.isArray(mask) && mask.every((kept) => typeof kept === "boolean"),
    ),
};

const WORDS: Record<Kind, string> = {
  number: "a number",
  boolean: "a truth value",
  "numbers by pattern": "an object from patterns to numbers",
  "masks by target": "an object from names that end with .lora_E to lists of truth values",
};

function read(kind: Kind, value: unknown, names: readonly string[]): unknown {
  if (kind === "numbers by pattern") return inUse(value as Record<string, number>, names);
  if (kind === "masks by target") return masksFromFile(value as Masks);
  return value;
}

/** Which triplets of a target AdaLoRA has kept; PEFT's name for the target is its λ's. */
type Masks = Readonly<Record<string, readonly boolean[]>>;
const OF_MASK = /\.lora_E$/;

const masksToFile = (masks: Masks): Masks | null =>
  Object.keys(masks).length === 0
    ? null
    : Object.fromEntries(Object.entries(masks).map(([path, mask]) => [`${path}.lora_E`, mask]));

const masksFromFile = (masks: Masks): Masks =>
  Object.fromEntries(Object.entries(masks).map(([name, mask]) => [name.replace(OF_MASK, ""), mask]));

function findForm(config: PeftConfig, path: string): Form {
  const ofType = FORMS.filter(({ peftType }) => peftType === config.peft_type);
  if (ofType.length === 0) {
    const known = [...new Set(FORMS.map(({ peftType }) => `"${peftType}"`))].join(", ");
    throw new Error(
      `${path}: peft_type ${JSON.stringify(config.peft_type)} is not supported: expected one of ${known}.`,
    );
  }
  // A field that is absent or null is off.
  const differs = ([field, value]: [string, unknown]) => (config[field] || false) !== (value || false);
  const form = ofType.find(({ implied }) => !Object.entries(implied).some(differs)) ?? ofType[0]!;
  const init = config.init_lora_weights;
  const foreign = [
    ...Object.entries({ ...IMPLIED, ...form.implied })
      .filter(([field, value]) => config[field] !== undefined && differs([field, value]))
      .map(([field]) => field),
    ...FOREIGN.filter((field) => isOn(config[field])),
  ].map((field) => `${field} ${JSON.stringify(config[field])}`);
  const repeatable = form.method === "lora" && REPEATABLE[init as string];
  if (typeof init === "string" && CHANGES_BASE.test(init) && !repeatable) {
    foreign.push(
      `init_lora_weights "${init}" (the base's weights were changed with it; convert the adapter to an ordinary one ` +
        "when saving it with PEFT: path_initial_model_for_weight_conversion)",
    );
  }
  if (foreign.length > 0) throw new Error(`${path}: not supported: ${foreign.join(", ")}.`);
  return form;
}

const isOn = (value: unknown): boolean =>
  Boolean(value) && (typeof value !== "object" || Object.keys(value as object).length > 0);

/** The patterns that match a module with arrays: PEFT passes over the others, which the methods here refuse. */
function inUse(pattern: Record<string, number>, names: readonly string[]): Record<string, number> {
  const paths = [...new Set(names.map((name) => name.replace(/\.lora_.*$/, "")))];
  return Object.fromEntries(
    Object.entries(pattern).filter(([key]) => paths.some((path) => keyMatches(key, path))),
  );
}

/** PEFT: a list matches by suffix; a string is a regular expression for the whole path, or "all-linear". */
function targetsOf({ target_modules: targets }: PeftConfig, path: string): Targets {
  if (isNames(targets)) return targets;
  if (typeof targets !== "string") {
    throw new Error(`${path}: expected a list of module names or a pattern as "target_modules".`);
  }
  return targets === "all-linear" ? targets : new RegExp(targets);
}

/** PEFT: modules whose path ends with one of the names, be it in the middle of a word. */
function modulesToSave(config: PeftConfig, model: LanguageModel, path: string): string[] {
  const { modules_to_save: names, task_type: task } = config;
  if (names === undefined || names === null) return [];
  if (!isNames(names))
    throw new Error(`${path}: expected a list of module names or null as "modules_to_save".`);
  const modules = modulePaths(model);
  return names.flatMap((name) => {
    // PEFT lists every name that a head of sequence classification may have.
    if (task === "SEQ_CLS" && name === "classifier") return [];
    const found = modules.filter((module) => module.endsWith(name));
    return found.length > 0 ? found : [name];
  });
}

const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((name) => typeof name === "string");
