/** Files that are either whole or not there, and JSON objects in them. */
import { type FileHandle, open, readFile, rename, rm } from "./disk";

/** Calls `write` with a temporary file beside `path`, then renames it into place; removes it when `write` throws. */
export async function writeAtomically(
  path: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${Math.random().toString(36).slice(2)}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Reads a JSON object; errors name the file. */
export async function readJson(path: string): Promise<Record<string, unknown>> {
  return parseJson(path, await readFile(path, "utf8"));
}

/** Parses a JSON object that came from `path`. */
export function parseJson(path: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${path}: not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${path}: expected a JSON object`);
  }
  return value as Record<string, unknown>;
}

/** Writes JSON, atomically. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeAtomically(path, (file) => file.writeFile(`${JSON.stringify(value, null, 2)}\n`));
}
