/** Files, as much of them as models, adapters and checkpoints need. Their counterpart in a page is `disk.browser.ts`. */
import { existsSync, statSync } from "node:fs";

export { existsSync, readFileSync } from "node:fs";
export { type FileHandle, mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
export { basename, join } from "node:path";

/** Whether there is a file, and no folder, of that name. */
export const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile();
