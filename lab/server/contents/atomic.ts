/**
 * Writes that happen whole or not at all.
 *
 * The bytes go to a temporary file beside the target, are forced to the disk, and take the target's name in one step.
 * A crash, a kill or a full disk leaves the old file; the worst that remains is a temporary file, whose name starts
 * with `.~` and which `sweep` removes.
 */
import { randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { pieces } from "./pieces";

const TEMPORARY = /^\.~.+\.[0-9a-f]{12}\.tmp$/;
/** A temporary file older than this belongs to no write that is still under way. */
const STALE_MS = 60 * 60 * 1000;

/** A name for a temporary file beside `file`. */
export function temporaryName(file: string): string {
  // Some file systems allow 255 bytes in a name, and the user's may take all of them.
  const base = Buffer.from(path.basename(file))
    .subarray(0, 150)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
  return path.join(path.dirname(file), `.~${base}.${randomBytes(6).toString("hex")}.tmp`);
}

/** Writes `data` to `file`, keeping the permissions of a file that it replaces. */
export async function writeAtomic(file: string, data: string | Uint8Array, mode?: number): Promise<void> {
  const temporary = temporaryName(file);
  const kept = mode ?? (await fs.stat(file).catch(() => undefined))?.mode;
  try {
    const handle = await fs.open(temporary, "wx", kept === undefined ? 0o666 : kept & 0o777);
    try {
      for (const piece of typeof data === "string" ? pieces(data) : [data]) await handle.writeFile(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await putInPlace(temporary, file);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
}

/** Copies a file; `target` is replaced, as a whole, when it is there. */
export async function copyAtomic(source: string, target: string): Promise<void> {
  const temporary = temporaryName(target);
  try {
    await fs.copyFile(source, temporary);
    await putInPlace(temporary, target);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
}

/** Gives a complete temporary file its final name, and makes that last. */
export async function putInPlace(temporary: string, file: string): Promise<void> {
  await fs.rename(temporary, file);
  if (process.platform === "win32") return; // folders cannot be opened there
  const folder = await fs.open(path.dirname(file), "r");
  await folder.sync().catch(() => {}); // some network file systems refuse; the rename itself has happened
  await folder.close();
}

/** Removes temporary files that a crash left in a folder. */
export async function sweep(folder: string): Promise<void> {
  for (const name of await fs.readdir(folder).catch(() => [])) {
    if (!TEMPORARY.test(name)) continue;
    const file = path.join(folder, name);
    const stat = await fs.stat(file).catch(() => undefined);
    if (stat && Date.now() - stat.mtimeMs > STALE_MS) await fs.rm(file, { force: true }).catch(() => {});
  }
}
