/**
 * A model folder in Hugging Face's layout (config.json, tokenizer.json, model.safetensors), read into memory and
 * written back. Nothing is taken on trust: every weight that the configuration implies must be there, in its shape, and
 * no other.
 */
import type { HostArray } from "../engine";
import { checkpointShapes, readCheckpoint, writeCheckpoint } from "./checkpoint";
import { configToJson, type ModelConfig, parseConfig } from "./config";
import { existsSync, join, mkdir, writeFile } from "./disk";
import { readJson, writeJson } from "./files";
import { resolveModelFolder } from "./places";
import type { FloatFormat } from "./safetensors";
import { loadTokenizer, type Tokenizer } from "./tokenizer";
import { weightShapes } from "./transformer";

export interface ModelFiles {
  config: ModelConfig;
  /** Name → float32 weight. */
  weights: Map<string, HostArray>;
  /** Absent when the folder has no tokenizer.json. */
  tokenizer?: Tokenizer;
}

/**
 * Reads and checks a model. Weights of any float format arrive as float32.
 * @param form what becomes of each weight as soon as it is read; one after the other, so that no more than one of them
 *   is in memory in the form that it was read in
 */
export async function readModelFolder(
  nameOrPath: string,
  form: (name: string, weight: HostArray) => HostArray = (_, weight) => weight,
): Promise<ModelFiles> {
  const folder = resolveModelFolder(nameOrPath);
  const config = parseConfig(await readJson(join(folder, "config.json")));
  const expected = weightShapes(config);
  checkShapes(folder, expected, await checkpointShapes(folder));
  // In the model's own order, whatever the file's.
  const weights = new Map<string, HostArray>([...expected.keys()].map((name) => [name, NOTHING]));
  for await (const [name, weight] of readCheckpoint(folder, new Set(expected.keys()))) {
    if (weight.dtype !== "float32")
      throw new Error(`${folder}: ${name}: expected a floating-point tensor, got ${weight.dtype}`);
    weights.set(name, form(name, weight));
  }
  const tokenizer = existsSync(join(folder, "tokenizer.json"))
    ? await loadTokenizer(folder, config)
    : undefined;
  if (tokenizer && tokenizer.vocabSize > config.vocabSize) {
    throw new Error(
      `${folder}: tokenizer.json has ${tokenizer.vocabSize} tokens, the embedding only ${config.vocabSize} rows`,
    );
  }
  return { config, weights, tokenizer };
}

const NOTHING: HostArray = { data: new Float32Array(), shape: [0], dtype: "float32" };

/** Writes a model so that readModelFolder and transformers read it back. `format` is how weights are stored. */
export async function writeModelFolder(
  folder: string,
  { config, weights, tokenizer }: ModelFiles,
  { format = "F32", shardBytes }: { format?: FloatFormat; shardBytes?: number } = {},
): Promise<void> {
  const shapes = new Map([...weights].map(([name, { shape }]) => [name, shape]));
  checkShapes(folder, weightShapes(config), shapes);
  await mkdir(folder, { recursive: true });
  await writeCheckpoint(folder, weights, { format, shardBytes });
  const dtype = { F32: "float32", F16: "float16", BF16: "bfloat16" }[format];
  await writeJson(join(folder, "config.json"), { ...configToJson(config), torch_dtype: dtype, dtype });
  for (const [file, text] of tokenizer?.files ?? []) await writeFile(join(folder, file), text);
}

/** Buffers that some files carry though they follow from the configuration. */
const DERIVED = /\.rotary_emb\.inv_freq$/;

function checkShapes(folder: string, expected: Map<string, number[]>, found: Map<string, number[]>): void {
  // A tied head that is stored all the same is the embedding once more.
  const ignored = (name: string) => DERIVED.test(name) || (name === "lm_head.weight" && !expected.has(name));
  const missing = [...expected.keys()].filter((name) => !found.has(name));
  const unexpected = [...found.keys()].filter((name) => !expected.has(name) && !ignored(name));
  const illShaped = [...expected].flatMap(([name, shape]) => {
    const got = found.get(name);
    return got && `${got}` !== `${shape}` ? [`${name} is [${got}], expected [${shape}]`] : [];
  });
  const problems = [list("missing", missing), list("unexpected", unexpected), list("ill-shaped", illShaped)];
  if (problems.some(Boolean)) {
    throw new Error(`${folder}: the weights do not fit config.json: ${problems.filter(Boolean).join("; ")}`);
  }
}

const list = (what: string, names: string[]) =>
  names.length === 0
    ? ""
    : `${names.length} ${what}: ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}`;
