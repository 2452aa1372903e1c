/**
 * Adapters in PEFT's own files, `adapter_model.safetensors` and `adapter_config.json`, both ways.
 *
 * An array's name in the file is its name here behind PEFT's prefix, in both directions by the same function pair, so
 * that what is written is what is read. The configuration is `peft-config.ts`'s.
 */
import type { HostArray } from "../engine";
import type { Adapter } from "../model/adapter";
import { existsSync, join, mkdir } from "../model/disk";
import { readJson, writeJson } from "../model/files";
import type { LanguageModel } from "../model/language-model";
import { readSafetensors, writeSafetensors } from "../model/safetensors";
import { fromPeftConfig, type PeftConfig, toPeftConfig } from "./peft-config";
import { modulePaths, SCORE } from "./whole-modules";

/** Arrays of a module are behind the name of the model in PEFT's wrapper, those of the adapter as a whole are not. */
const toFile = (name: string): string =>
  name.includes(".") ? `base_model.model.${name}` : `base_model.${name}`;
const fromFile = (key: string): string => key.replace(/^base_model\.(model\.)?/, "");

/** The base's own weights, which PEFT writes beside the update of an embedding. */
const OF_BASE = /\.base_layer\.(weight|bias)$/;

const WEIGHTS = "adapter_model.safetensors";
const CONFIG = "adapter_config.json";

/** All arrays of an adapter's file, by their names here. */
const arraysOf = ({ parameters, buffers = new Map() }: Adapter): Map<string, HostArray> =>
  new Map([...parameters.entries(), ...buffers]);

/**
 * Writes the adapter in use as a PEFT adapter folder, which `PeftModel.from_pretrained` loads. One that starts from
 * changed weights (PiSSA, OLoRA) becomes an update of the base's own, an ordinary LoRA of twice the rank.
 * @throws when no adapter is in use, or its method has no PEFT form
 */
export async function saveAdapter(model: LanguageModel, folder: string): Promise<void> {
  if (!model.adapter)
    throw new Error("saveAdapter: no adapter is in use; attach one or choose one with use().");
  await writeAdapter(model, model.adapter.portable?.(model) ?? model.adapter, folder);
}

/** Writes an adapter as it is. @param changes to its configuration */
export async function writeAdapter(
  model: LanguageModel,
  adapter: Adapter,
  folder: string,
  changes: PeftConfig = {},
): Promise<void> {
  const config = { ...toPeftConfig(model, adapter), ...changes };
  const tensors = new Map([...arraysOf(adapter)].map(([name, array]) => [toFile(name), array]));
  await mkdir(folder, { recursive: true });
  await writeSafetensors(join(folder, WEIGHTS), tensors, { metadata: { format: "pt" } });
  await writeJson(join(folder, CONFIG), config);
}

/**
 * The model with the adapter of a PEFT folder attached and in use.
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
  const config = await readJson(join(folder, CONFIG));
  const { tensors } = await readSafetensors(join(folder, WEIGHTS));
  const found = new Map(
    [...tensors]
      .map(([key, array]): [string, HostArray] => [fromFile(key), array])
      .filter(([n]) => !OF_BASE.test(n)),
  );
  const method = fromPeftConfig(config, model, [...found.keys()], join(folder, CONFIG));
  const misfit = `${folder}: the adapter does not fit ${model.name}`;
  const modules = [...modulePaths(model), SCORE];
  const homeless = [...found.keys()].filter(
    (n) => n.includes(".") && !modules.some((path) => n.startsWith(`${path}.`)),
  );
  refuse(misfit, homeless.map(noPlace));
  const student = model.attach(method, { name });
  const adapter = student.adapter!;
  refuse(misfit, differences(arraysOf(adapter), found));
  for (const parameter of adapter.parameters.names)
    adapter.parameters.set(parameter, found.get(parameter)!.data);
  for (const [buffer, { data }] of adapter.buffers ?? []) data.set(found.get(buffer)!.data);
  return student;
}

const noPlace = (name: string): string => `${name} has no place in this model`;

function differences(
  expected: ReadonlyMap<string, HostArray>,
  found: ReadonlyMap<string, HostArray>,
): string[] {
  return [
    ...[...expected.keys()].filter((n) => !found.has(n)).map((n) => `${n} is missing`),
    ...[...found.keys()].filter((n) => !expected.has(n)).map(noPlace),
    ...[...expected].flatMap(([n, { shape: want }]) => {
      const got = found.get(n);
      return got && `${got.shape}` !== `${want}` ? [`${n} is [${got.shape}], expected [${want}]`] : [];
    }),
  ];
}

/** @throws with the first few problems, if there are any */
function refuse(what: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const more = problems.length > 3 ? ` and ${problems.length - 3} more` : "";
  throw new Error(`${what}: ${problems.slice(0, 3).join("; ")}${more}.`);
}
