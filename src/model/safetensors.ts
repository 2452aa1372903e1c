/**
 * The safetensors format: eight bytes of header length (little-endian), a JSON header naming each tensor's dtype, shape
 * and byte range, then the bytes. Everything about a file is checked before any of its data is used: a malformed file is
 * refused with the offset and the reason. Reading goes range by range, so at no time is there more in memory than the
 * tensors asked for and one chunk; writing goes to a temporary file that is then renamed, so a crash never leaves half a file.
 *
 * On the host, floating-point tensors are float32 whatever the file holds.
 */
import type { HostArray } from "../engine";
import { type FileHandle, open } from "./disk";
import { writeAtomically } from "./files";
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from "./halves";
import { duplicateKey } from "./json";

/** Bytes per element of every dtype that may stand in a header. */
// biome-ignore format: one line per width
const ELEMENT_BYTES: Record<string, number> = {
  BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1,
  U16: 2, I16: 2, F16: 2, BF16: 2,
  U32: 4, I32: 4, F32: 4,
  U64: 8, I64: 8, F64: 8,
};
const MAX_HEADER_BYTES = 100_000_000;
const CHUNK_BYTES = 8 << 20;
const SPACE = 0x20;

/** How floating-point tensors are stored. */
export type FloatFormat = "F32" | "F16" | "BF16";

/** One tensor of a file; start and end are offsets from the beginning of the file. */
export interface TensorEntry {
  name: string;
  dtype: string;
  shape: number[];
  start: number;
  end: number;
}

export interface SafetensorsHeader {
  entries: Map<string, TensorEntry>;
  metadata: Record<string, string>;
}

export interface Tensors {
  tensors: Map<string, HostArray>;
  metadata: Record<string, string>;
}

/** Header of a file, checked in full. Throws for a malformed file: "<path>: at byte <offset>: <reason>". */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const file = await open(path, "r");
  try {
    return await readHeader(file, path);
  } finally {
    await file.close();
  }
}

/**
 * Tensors of a file: F32, F16 and BF16 as float32; I32, I64 (if in range) and U8 as int32; BOOL as bool.
 * @param names only these; an error lists those the file has not
 */
export async function readSafetensors(path: string, names?: Iterable<string>): Promise<Tensors> {
  const { metadata } = await readSafetensorsHeader(path);
  const tensors = new Map<string, HostArray>();
  for await (const [name, tensor] of streamSafetensors(path, names)) tensors.set(name, tensor);
  return { tensors, metadata };
}

/** The same one by one, in the order of the names: each is read when it is asked for. */
export async function* streamSafetensors(
  path: string,
  names?: Iterable<string>,
): AsyncGenerator<[string, HostArray]> {
  const file = await open(path, "r");
  try {
    const { entries } = await readHeader(file, path);
    const wanted = names === undefined ? [...entries.keys()] : [...names];
    const missing = wanted.filter((name) => !entries.has(name));
    if (missing.length > 0) {
      throw new Error(`${path}: no tensor named ${some(missing)}; the file has ${some([...entries.keys()])}`);
    }
    for (const name of wanted) yield [name, await readTensor(file, path, entries.get(name)!)];
  } finally {
    await file.close();
  }
}

/**
 * Writes tensors to one file, atomically. float32 is stored as `format` (rounded to nearest, ties to even), int32 as
 * I32, bool as BOOL. Throws when a finite value does not fit float16, since it would come back infinite.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, HostArray>,
  { format = "F32", metadata = {} }: { format?: FloatFormat; metadata?: Record<string, string> } = {},
): Promise<void> {
  const stored = [...tensors].map(([name, tensor]) => {
    const dtype = { float32: format, int32: "I32", bool: "BOOL" }[tensor.dtype];
    return { name, tensor, dtype, bytes: elementCount(tensor.shape) * ELEMENT_BYTES[dtype] };
  });
  // Widest elements first keeps every tensor aligned to its element size; the name makes the order, and so the file, unique.
  stored.sort((a, b) => ELEMENT_BYTES[b.dtype] - ELEMENT_BYTES[a.dtype] || (a.name < b.name ? -1 : 1));

  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : [];
  let position = 0;
  for (const { name, tensor, dtype, bytes } of stored) {
    const data_offsets = [position, position + bytes];
    header.push([name, { dtype, shape: tensor.shape, data_offsets }]);
    position += bytes;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = new Uint8Array(8 * Math.ceil(json.length / 8)).fill(SPACE);
  padded.set(json);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);

  await writeAtomically(path, async (file) => {
    await writeFully(file, length);
    await writeFully(file, padded);
    for (const { name, tensor, dtype } of stored) await writeFully(file, encode(name, tensor, dtype));
  });
}

async function readHeader(file: FileHandle, path: string): Promise<SafetensorsHeader> {
  const reject = (offset: number, reason: string): never => {
    throw new Error(`${path}: at byte ${offset}: ${reason}`);
  };
  const { size } = await file.stat();
  if (size < 8)
    reject(0, `a safetensors file starts with 8 bytes of header length, this one has ${size} bytes`);
  const prefix = new Uint8Array(8);
  await readFully(file, prefix, 0, path);
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES) {
    reject(
      0,
      `header length ${length} is above the format's limit of ${MAX_HEADER_BYTES}; not a safetensors file?`,
    );
  }
  if (8 + length > size) reject(8, `truncated header: ${length} bytes announced, ${size - 8} present`);
  const buffer = new Uint8Array(length);
  await readFully(file, buffer, 8, path);

  let text = "";
  let parsed: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(buffer);
    parsed = JSON.parse(text);
  } catch (error) {
    reject(8, `the header is not JSON in UTF-8: ${(error as Error).message}`);
  }
  if (!isRecord(parsed) || !text.startsWith("{")) return reject(8, "the header must be a JSON object");
  const twice = duplicateKey(text);
  if (twice)
    reject(8 + byteLength(text.slice(0, twice.index)), `duplicate name ${JSON.stringify(twice.key)}`);

  const { __metadata__: metadata = {}, ...infos } = parsed;
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === "string")) {
    return reject(8, "__metadata__ must map strings to strings");
  }
  const dataStart = 8 + length;
  const entries = new Map<string, TensorEntry>();
  for (const [name, info] of Object.entries(infos)) {
    const problem = malformedInfo(info);
    if (problem) reject(8, `tensor ${JSON.stringify(name)}: ${problem}`);
    const { dtype, shape, data_offsets: offsets } = info as StoredInfo;
    const bytes = elementCount(shape) * ELEMENT_BYTES[dtype];
    if (offsets[1] - offsets[0] !== bytes) {
      const got = `${offsets[1] - offsets[0]} (offsets [${offsets}])`;
      reject(
        dataStart + offsets[0],
        `tensor ${name}: ${dtype} of shape [${shape}] is ${bytes} bytes, got ${got}`,
      );
    }
    if (dataStart + offsets[1] > size) {
      reject(
        dataStart + offsets[0],
        `tensor ${name} ends at byte ${dataStart + offsets[1]}, the file at ${size}`,
      );
    }
    entries.set(name, { name, dtype, shape, start: dataStart + offsets[0], end: dataStart + offsets[1] });
  }

  // The format allows neither overlap nor hole: in order of their offsets, tensors must tile the rest of the file.
  let expected = dataStart;
  let before = "the header";
  for (const entry of [...entries.values()].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (entry.start !== expected) {
      const kind =
        entry.start < expected ? "overlaps" : `leaves a hole of ${entry.start - expected} bytes after`;
      reject(entry.start, `tensor ${entry.name} ${kind} ${before}, which ends at byte ${expected}`);
    }
    expected = entry.end;
    before = `tensor ${entry.name}`;
  }
  if (expected !== size) reject(expected, `${size - expected} bytes after the last tensor belong to none`);
  return { entries, metadata: metadata as Record<string, string> };
}

interface StoredInfo {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** What is wrong with one tensor's entry in the header, if anything. */
function malformedInfo(info: unknown): string | undefined {
  const isSize = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!isRecord(info)) return "its entry must be an object with dtype, shape and data_offsets";
  const { dtype, shape, data_offsets: offsets } = info;
  if (typeof dtype !== "string" || !Object.hasOwn(ELEMENT_BYTES, dtype)) {
    return `dtype must be one of ${Object.keys(ELEMENT_BYTES).join(", ")}, got ${JSON.stringify(dtype)}`;
  }
  if (!Array.isArray(shape) || !shape.every(isSize) || !isSize(elementCount(shape) * 8)) {
    return `shape must be a list of sizes, got ${JSON.stringify(shape)}`;
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0] > offsets[1]) {
    return `data_offsets must be [begin, end] with begin ≤ end, got ${JSON.stringify(offsets)}`;
  }
  return undefined;
}

async function readTensor(file: FileHandle, path: string, entry: TensorEntry): Promise<HostArray> {
  const { name, dtype, shape, start, end } = entry;
  const size = elementCount(shape);
  switch (dtype) {
    case "F32": {
      const data = new Float32Array(size);
      await readFully(file, new Uint8Array(data.buffer), start, path);
      return { data, shape, dtype: "float32" };
    }
    case "F16":
    case "BF16": {
      const data = new Float32Array(size);
      const decode = dtype === "F16" ? decodeFloat16 : decodeBfloat16;
      const chunk = new Uint16Array(Math.min(size, CHUNK_BYTES / 2));
      for (let done = 0; done < size; done += chunk.length) {
        const part = chunk.subarray(0, Math.min(chunk.length, size - done));
        await readFully(file, new Uint8Array(part.buffer, 0, 2 * part.length), start + 2 * done, path);
        decode(part, data, done);
      }
      return { data, shape, dtype: "float32" };
    }
    case "I32": {
      const data = new Int32Array(size);
      await readFully(file, new Uint8Array(data.buffer), start, path);
      return { data, shape, dtype: "int32" };
    }
    case "I64": {
      const wide = new BigInt64Array(size);
      await readFully(file, new Uint8Array(wide.buffer), start, path);
      const data = Int32Array.from(wide, Number);
      const outside = wide.findIndex((value, i) => value !== BigInt(data[i]));
      if (outside >= 0) {
        throw new Error(
          `${path}: at byte ${start + 8 * outside}: tensor ${name} holds ${wide[outside]}, beyond int32`,
        );
      }
      return { data, shape, dtype: "int32" };
    }
    case "U8":
    case "BOOL": {
      const data = new Uint8Array(end - start);
      await readFully(file, data, start, path);
      return dtype === "BOOL"
        ? { data, shape, dtype: "bool" }
        : { data: Int32Array.from(data), shape, dtype: "int32" };
    }
    default:
      throw new Error(
        `${path}: at byte ${start}: tensor ${name} is ${dtype}; can read F32, F16, BF16, I32, I64, U8, BOOL`,
      );
  }
}

/** Asks for the data once: of a quantized tensor they are computed each time. */
function encode(name: string, { data, shape }: HostArray, dtype: string): Uint8Array {
  if (data.length !== elementCount(shape)) {
    throw new Error(`${name}: shape [${shape}] wants ${elementCount(shape)} values, got ${data.length}`);
  }
  if (dtype !== "F16" && dtype !== "BF16")
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const values = data as Float32Array;
  const halves = dtype === "F16" ? encodeFloat16(values) : encodeBfloat16(values);
  // bfloat16 reaches as far as float32 (its top rounds up to infinity just like float16's), so one test serves both.
  const infinite = dtype === "F16" ? 0x7c00 : 0x7f80;
  const lost = values.findIndex((value, i) => (halves[i] & 0x7fff) === infinite && Number.isFinite(value));
  if (lost >= 0) {
    throw new Error(
      `${name} [${shape}]: ${values[lost]} at index ${lost} is beyond ${dtype}; store the model as F32`,
    );
  }
  return new Uint8Array(halves.buffer);
}

/** FileHandle.read may return fewer bytes than asked for, and takes at most 2 GiB at once. */
async function readFully(file: FileHandle, target: Uint8Array, start: number, path: string): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const length = Math.min(target.length - done, 1 << 30);
    const { bytesRead } = await file.read(target, done, length, start + done);
    if (bytesRead === 0)
      throw new Error(`${path}: at byte ${start + done}: the file ended while it was read`);
    done += bytesRead;
  }
}

async function writeFully(file: FileHandle, source: Uint8Array): Promise<void> {
  for (let done = 0; done < source.length; ) {
    done += (await file.write(source, done, Math.min(source.length - done, 1 << 30))).bytesWritten;
  }
}

const byteLength = (text: string): number => new TextEncoder().encode(text).length;

const elementCount = (shape: number[]) => shape.reduce((product, size) => product * size, 1);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const some = (names: string[]) =>
  names.length <= 4 ? names.join(", ") : `${names.slice(0, 4).join(", ")} and ${names.length - 4} more`;
