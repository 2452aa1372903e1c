/** Where models are: those that come with loralab, folders, and the hub. The counterpart in a page is `places.browser.ts`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fetchModel, isHubName } from "./hub";

/** What `loadModel` takes. */
export interface ModelSource {
  /** The name of a model, or the whole path of a folder. */
  name: string;
  /** Of a model on the hub. */
  revision?: string;
}

/** A model that can be read. */
export interface Place {
  folder: string;
  name: string;
  /** What it is found by in another process. */
  source?: ModelSource;
}

/** Finds a model's folder, and fetches it where it is not here yet. Errors are those of `loadModel`. */
export async function locate(nameOrPath: string, revision?: string): Promise<Place> {
  const fromHub = isHubName(nameOrPath) && !localModelFolder(nameOrPath);
  if (revision !== undefined && !fromHub) {
    throw new Error(
      `loadModel: only models of the hub have revisions; ${JSON.stringify(nameOrPath)} is none.`,
    );
  }
  const folder = fromHub ? await fetchModel(nameOrPath, revision) : resolveModelFolder(nameOrPath);
  const name = fromHub ? nameOrPath : folder.split(/[\\/]/).at(-1)!;
  // A model that comes with loralab lies elsewhere on another computer.
  return { folder, name, source: { name: fromHub || isShipped(folder) ? name : folder, revision } };
}

/**
 * Folder of a model: a path to a folder with a config.json, or the name of a model that comes with the package.
 * Throws with the names that exist.
 */
export function resolveModelFolder(nameOrPath: string): string {
  const folder = localModelFolder(nameOrPath);
  if (folder) return folder;
  const shipped = join(packageRoot(), "models");
  const names = existsSync(shipped)
    ? readdirSync(shipped).filter((n) => existsSync(join(shipped, n, "config.json")))
    : [];
  throw new Error(
    `no model ${JSON.stringify(nameOrPath)}: expected a folder with config.json, tokenizer.json and model.safetensors, ` +
      `or one of the models that come with loralab: ${names.join(", ") || "none is installed"}`,
  );
}

/** The same, without an error where there is none. */
const localModelFolder = (nameOrPath: string): string | undefined =>
  [resolve(nameOrPath), join(packageRoot(), "models", nameOrPath)].find((folder) =>
    existsSync(join(folder, "config.json")),
  );

/** Whether a model's folder comes with the package. */
const isShipped = (folder: string): boolean => dirname(folder) === join(packageRoot(), "models");

/** loralab's own version. */
export const packageVersion = (): string =>
  JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")).version;

/** The folder of loralab's package.json, from src as well as from dist. */
export function packageRoot(): string {
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name === "loralab") return folder;
  }
  throw new Error(`no package.json of loralab above ${__dirname}; is the installation complete?`);
}
