/**
 * A checkpoint's weights in a folder, as Hugging Face lays them out: one `model.safetensors`, or several shards with a
 * `model.safetensors.index.json` that says which tensor is in which.
 */
import { type HostArray, sizeOf } from "../engine";
import { basename, existsSync, join, rm } from "./disk";
import { readJson, writeJson } from "./files";
import { type FloatFormat, readSafetensorsHeader, streamSafetensors, writeSafetensors } from "./safetensors";

export const SINGLE = "model.safetensors";
export const INDEX = "model.safetensors.index.json";

/** Name → shape of every tensor of the folder's checkpoint, from the headers alone. */
export async function checkpointShapes(folder: string): Promise<Map<string, number[]>> {
  const shapes = new Map<string, number[]>();
  for (const [file, names] of await shards(folder)) {
    const { entries } = await readSafetensorsHeader(join(folder, file));
    for (const name of names ?? entries.keys()) {
      const entry = entries.get(name);
      if (!entry)
        throw new Error(`${join(folder, INDEX)}: tensor ${name} should be in ${file}, which has not got it`);
      shapes.set(name, entry.shape);
    }
  }
  return shapes;
}

/** The named tensors of the folder's checkpoint, one after the other, so that no more than one need be in memory. */
export async function* readCheckpoint(
  folder: string,
  names: ReadonlySet<string>,
): AsyncGenerator<[string, HostArray]> {
  for (const [file, listed] of await shards(folder)) {
    const path = join(folder, file);
    const present = listed ?? [...(await readSafetensorsHeader(path)).entries.keys()];
    yield* streamSafetensors(
      path,
      present.filter((name) => names.has(name)),
    );
  }
}

/**
 * Writes a checkpoint, in shards when it is larger than `shardBytes`. What another checkpoint left in the folder under
 * the other layout's name is removed, since readers would prefer it.
 */
export async function writeCheckpoint(
  folder: string,
  tensors: ReadonlyMap<string, HostArray>,
  { format = "F32", shardBytes = 5e9 }: { format?: FloatFormat; shardBytes?: number } = {},
): Promise<void> {
  const width = format === "F32" ? 4 : 2;
  const parts: Map<string, HostArray>[] = [new Map()];
  let filled = 0;
  let total = 0;
  for (const [name, tensor] of tensors) {
    const bytes = sizeOf(tensor.shape) * width;
    if (filled > 0 && filled + bytes > shardBytes) {
      parts.push(new Map());
      filled = 0;
    }
    parts.at(-1)!.set(name, tensor);
    filled += bytes;
    total += bytes;
  }
  const options = { format, metadata: { format: "pt" } };
  if (parts.length === 1) {
    await writeSafetensors(join(folder, SINGLE), parts[0], options);
    await rm(join(folder, INDEX), { force: true });
    return;
  }
  const weightMap: Record<string, string> = {};
  const digits = (n: number) => String(n).padStart(5, "0");
  for (const [i, part] of parts.entries()) {
    const file = `model-${digits(i + 1)}-of-${digits(parts.length)}.safetensors`;
    await writeSafetensors(join(folder, file), part, options);
    for (const name of part.keys()) weightMap[name] = file;
  }
  await writeJson(join(folder, INDEX), { metadata: { total_size: total }, weight_map: weightMap });
  await rm(join(folder, SINGLE), { force: true });
}

/** Files of the checkpoint, each with the tensors that the index expects in it (undefined: all there are). */
async function shards(folder: string): Promise<[string, string[] | undefined][]> {
  if (existsSync(join(folder, SINGLE))) return [[SINGLE, undefined]];
  const path = join(folder, INDEX);
  if (!existsSync(path)) throw new Error(`${folder}: expected ${SINGLE} or ${INDEX}, found neither`);
  const files = await shardTensors(path);
  for (const file of files.keys()) {
    if (!existsSync(join(folder, file))) throw new Error(`${path}: shard ${file} is missing from the folder`);
  }
  return [...files];
}

/** The shards that an index names, each with its tensors. @param path of the index */
export async function shardTensors(path: string): Promise<Map<string, string[]>> {
  const { weight_map: weightMap } = await readJson(path);
  if (typeof weightMap !== "object" || weightMap === null) {
    throw new Error(`${path}: expected weight_map, an object from tensor names to file names`);
  }
  const files = new Map<string, string[]>();
  for (const [name, file] of Object.entries(weightMap)) {
    if (typeof file !== "string" || basename(file) !== file || file.includes("\\")) {
      throw new Error(
        `${path}: tensor ${name}: expected the name of a file in this folder, got ${JSON.stringify(file)}`,
      );
    }
    if (!files.has(file)) files.set(file, []);
    files.get(file)!.push(name);
  }
  return files;
}
