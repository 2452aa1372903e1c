/**
 * Contents paths: `a/b.ipynb`, relative to the root folder, always with `/`.
 *
 * Nothing outside the root is ever reached: a path is resolved through all symbolic links before it is used, and must
 * end up inside the root. (A process of the same user could swap a folder for a link in between; it could read the
 * target itself.)
 */
import fs from "node:fs/promises";
import path from "node:path";
import { HttpError } from "../errors";

/** The parts of a contents path joined as the API gives them: no `/` at its ends, none doubled. */
export function normalPath(apiPath: string): string {
  return apiPath.split("/").filter(Boolean).join("/");
}

export function parentPath(apiPath: string): string {
  return apiPath.split("/").slice(0, -1).join("/");
}

export function baseName(apiPath: string): string {
  return apiPath.split("/").at(-1) ?? "";
}

export function joinPath(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

/** Whether the file or a folder above it is hidden: its name starts with a dot. */
export function isHidden(apiPath: string): boolean {
  return apiPath.split("/").some((part) => part.startsWith("."));
}

/**
 * The file that a contents path stands for, with all links resolved; it need not be there.
 *
 * @throws HttpError 400 for a path that no file can have, 404 for one that leads out of the root
 */
export async function resolveInside(root: string, apiPath: string): Promise<string> {
  const outside = new HttpError(404, `no such file or folder: ${apiPath} (it is outside of the root folder)`);
  if (apiPath.includes("\0")) throw new HttpError(400, "a path cannot have a null character in it");
  const parts = apiPath.split("/").filter(Boolean);
  if (parts.includes("..")) throw outside;
  // On Windows a part could bring its own separator or drive.
  if (path.sep === "\\" && parts.some((part) => /[\\:]/.test(part))) throw outside;
  const top = await fs.realpath(root);
  const real = await realTarget(path.join(top, ...parts));
  if (real !== top && !real.startsWith(top.endsWith(path.sep) ? top : top + path.sep)) throw outside;
  return real;
}

/** The real path of a file, or where it would be: that of the nearest folder above which is there, and the rest. */
async function realTarget(file: string): Promise<string> {
  try {
    return await fs.realpath(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ELOOP") throw new HttpError(404, "no such file: its symbolic links lead in a circle");
    if (code !== "ENOENT") throw error;
  }
  // A link whose target is missing: writing to it would create the target, wherever that is.
  const link = await fs.readlink(file).catch(() => undefined);
  if (link !== undefined) return realTarget(path.resolve(path.dirname(file), link));
  return path.join(await realTarget(path.dirname(file)), path.basename(file));
}
