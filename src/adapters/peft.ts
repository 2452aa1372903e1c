/**
 * Adapters in PEFT's own files, `adapter_model.safetensors` and `adapter_config.json`, both ways.
 *
 * A parameter's name in the file is its name here behind PEFT's prefix, in both directions by the same function pair,
 * so that what is written is what is read.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Adapter } from "../model/adapter";
import { readJson, writeJson } from "../model/files";
import type { LanguageModel } from "../model/language-model";
import { readSafetensors, writeSafetensors } from "../model/safetensors";
import { type LoraAdapter, lora } from "./lora";
import type { Targets } from "./targets";

const PREFIX = "base_model.model.";
const toFile = (name: string): string => PREFIX + name;
const fromFile = (key: string): string => (key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key);

const WEIGHTS = "adapter_model.safetensors";
const CONFIG = "adapter_config.json";

/** The fields of adapter_config.json that decide what the adapter computes. */
interface PeftLoraConfig {
  peft_type: string;
  r: number;
  lora_alpha: number;
  lora_dropout: number;
  use_rslora?: boolean;
  use_dora?: boolean;
  target_modules: string[] | string;
  rank_pattern?: Record<string, number>;
  alpha_pattern?: Record<string, number>;
  modules_to_save?: string[] | null;
  init_lora_weights?: boolean | string;
}

/**
 * Writes the adapter in use as a PEFT adapter folder, which `PeftModel.from_pretrained` loads.
 * @throws when no adapter is in use, or its method has no PEFT form yet
 */
export async function saveAdapter(model: LanguageModel, folder: string): Promise<void> {
  const adapter = model.adapter;
  if (!adapter) throw new Error("saveAdapter: no adapter is in use; attach one or choose one with use().");
  if (!isLora(adapter)) {
    throw new Error(
      `saveAdapter: a "${adapter.method}" adapter has no PEFT file; only "lora" can be saved so far.`,
    );
  }
  const { rank, alpha, dropout, rsLoRA } = adapter.settings;
  const config: PeftLoraConfig & Record<string, unknown> = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: model.name,
    revision: null,
    inference_mode: true,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: dropout,
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true,
    use_rslora: rsLoRA,
    use_dora: false,
    // Whole paths: whatever the targets were called, these modules and no others match.
    target_modules: adapter.pairs.map(({ path }) => path),
    rank_pattern: {},
    alpha_pattern: {},
    modules_to_save: null,
    layers_to_transform: null,
  };
  const tensors = new Map(adapter.parameters.entries().map(([name, array]) => [toFile(name), array]));
  await mkdir(folder, { recursive: true });
  await writeSafetensors(join(folder, WEIGHTS), tensors, { metadata: { format: "pt" } });
  await writeJson(join(folder, CONFIG), config);
}

const isLora = (adapter: Adapter): adapter is LoraAdapter => adapter.method === "lora";

/**
 * The model with the LoRA adapter of a PEFT folder attached and in use.
 * @throws when a file is missing or malformed, for another kind of adapter, and when names or shapes do not fit the
 *   model (lists the first few); the model itself is never changed
 */
export async function loadAdapter(
  model: LanguageModel,
  folder: string,
  { name = "default" }: { name?: string } = {},
): Promise<LanguageModel> {
  for (const file of [CONFIG, WEIGHTS]) {
    if (!existsSync(join(folder, file))) {
      throw new Error(`${folder}: no ${file}: expected a PEFT adapter folder with ${CONFIG} and ${WEIGHTS}.`);
    }
  }
  const config = await readConfig(join(folder, CONFIG));
  const { tensors } = await readSafetensors(join(folder, WEIGHTS));
  const student = model.attach(
    lora({
      rank: config.r,
      alpha: config.lora_alpha,
      dropout: config.lora_dropout,
      rsLoRA: config.use_rslora ?? false,
      targets: targetsOf(config),
    }),
    { name },
  );
  const { parameters } = student.adapter!;
  const found = new Map([...tensors].map(([key, array]) => [fromFile(key), array]));
  const problems = [
    ...parameters.names.filter((n) => !found.has(n)).map((n) => `${n} is missing`),
    ...[...found.keys()].filter((n) => !parameters.has(n)).map((n) => `${n} has no place in this model`),
    ...parameters.names.flatMap((n) => {
      const got = found.get(n);
      const want = parameters.get(n).shape;
      return got && `${got.shape}` !== `${want}` ? [`${n} is [${got.shape}], expected [${want}]`] : [];
    }),
  ];
  if (problems.length > 0) {
    const more = problems.length > 3 ? ` and ${problems.length - 3} more` : "";
    throw new Error(
      `${folder}: the adapter does not fit ${model.name}: ${problems.slice(0, 3).join("; ")}${more}.`,
    );
  }
  for (const parameter of parameters.names) parameters.set(parameter, found.get(parameter)!.data);
  return student;
}

async function readConfig(path: string): Promise<PeftLoraConfig> {
  const config = (await readJson(path)) as unknown as PeftLoraConfig;
  const unsupported = [
    config.peft_type !== "LORA" &&
      `peft_type ${JSON.stringify(config.peft_type)} (only "LORA" can be read so far)`,
    config.use_dora && "use_dora",
    Object.keys(config.rank_pattern ?? {}).length > 0 && "rank_pattern",
    Object.keys(config.alpha_pattern ?? {}).length > 0 && "alpha_pattern",
    config.modules_to_save?.length && "modules_to_save",
    /^(pissa|olora|corda|loftq)/i.test(String(config.init_lora_weights)) &&
      `init_lora_weights ${JSON.stringify(config.init_lora_weights)} (the base's weights were changed with it; ` +
        "convert the adapter to an ordinary one when saving it with PEFT)",
  ].filter(Boolean);
  if (unsupported.length > 0) throw new Error(`${path}: not supported: ${unsupported.join(", ")}.`);
  for (const field of ["r", "lora_alpha", "lora_dropout"] as const) {
    if (typeof config[field] !== "number") throw new Error(`${path}: expected a number as "${field}".`);
  }
  if (typeof config.target_modules !== "string" && !Array.isArray(config.target_modules)) {
    throw new Error(`${path}: expected a list of module names or a pattern as "target_modules".`);
  }
  return config;
}

/** PEFT: a list matches by suffix; a string is a regular expression for the whole path, or "all-linear". */
function targetsOf({ target_modules: targets }: PeftLoraConfig): Targets {
  if (Array.isArray(targets)) return targets;
  return targets === "all-linear" ? targets : new RegExp(targets);
}
