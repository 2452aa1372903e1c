/**
 * TensorFlow's native library as a tfjs backend: where its npm package may be, and how it is loaded.
 *
 * The package (`@tensorflow/tfjs-node`, or `…-gpu`) is an optional peer. It may stand in two places: in our own data
 * folder, where `loralab setup tensorflow` builds it against a TensorFlow of this machine, or in an ordinary
 * `node_modules`. Wherever it stands, it is made to use the one copy of tfjs that this library uses, so that tensors,
 * gradients and kernels are shared.
 */
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import util from "node:util";

/** npm packages that bring TensorFlow, fastest first. */
export const TENSORFLOW_PACKAGES = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"] as const;
export type TensorFlowPackage = (typeof TENSORFLOW_PACKAGES)[number];

/** The release of our tfjs, and so of the packages that fit it. */
export const TFJS_RELEASE: string = require("@tensorflow/tfjs/package.json").version;

const SETUP_COMMAND = "npx loralab setup tensorflow";

/**
 * The folder for what loralab installs on this machine: `$LORALAB_HOME`, or `loralab` in the platform's folder for
 * user data (`$XDG_DATA_HOME`, `~/Library/Application Support`, `%LOCALAPPDATA%`).
 */
export function dataFolder(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
  home = os.homedir(),
): string {
  if (env.LORALAB_HOME) return path.resolve(env.LORALAB_HOME);
  if (platform === "win32")
    return path.join(env.LOCALAPPDATA || path.join(home, "AppData", "Local"), "loralab");
  if (platform === "darwin") return path.join(home, "Library", "Application Support", "loralab");
  return path.join(env.XDG_DATA_HOME || path.join(home, ".local", "share"), "loralab");
}

/** The folder of an npm project in the data folder whose only purpose is to hold `name`. */
export function setupFolder(name: TensorFlowPackage): string {
  return path.join(dataFolder(), "tensorflow", path.basename(name));
}

/** Where `name` lies inside an npm project. */
export function packageFolder(project: string, name: TensorFlowPackage): string {
  return path.join(project, "node_modules", ...name.split("/"));
}

/** Finds the folders in which `name` is installed, our own first; `why` says what is wrong when there is none. */
export function findTensorFlow(name: TensorFlowPackage): { folders: string[]; why: string } {
  const candidates = [
    packageFolder(setupFolder(name), name),
    resolveFolder(name, __filename),
    resolveFolder(name, path.join(process.cwd(), "package.json")),
  ];
  const folders: string[] = [];
  const reasons = new Set([
    `not installed (${SETUP_COMMAND}${name.endsWith("-gpu") ? " --gpu" : ""} installs it)`,
  ]);
  for (const folder of new Set(candidates)) {
    if (folder === undefined || !fs.existsSync(path.join(folder, "package.json"))) continue;
    const mismatch = describeMismatch(folder, name);
    if (mismatch === undefined) folders.push(folder);
    else reasons.add(mismatch);
  }
  return { folders, why: [...reasons].join("; ") };
}

/** Says why the package in `folder` is not the `name` that fits our tfjs, if it is not. */
function describeMismatch(folder: string, name: TensorFlowPackage): string | undefined {
  const found = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
  // An npm override may put another package under this name; danfojs-node is installed that way here.
  if (found.name !== name) return `the package in ${folder} is really ${found.name}`;
  const [major] = TFJS_RELEASE.split(".");
  if (!found.version.startsWith(`${major}.`)) {
    return `the package in ${folder} has version ${found.version}; expected ${major}.x, as of @tensorflow/tfjs`;
  }
  return undefined;
}

function resolveFolder(name: string, from: string): string | undefined {
  try {
    return path.dirname(createRequire(from).resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

/**
 * Loads the tfjs-node package in `folder`, which registers the tfjs backend "tensorflow" and makes it current.
 * Throws when its native addon is missing or does not load; nothing is registered then.
 */
export function loadTensorFlow(folder: string): void {
  const requireThere = createRequire(path.join(folder, "package.json"));
  // The package registers its kernels before it looks for the addon: only the addon can tell first that all is well.
  quietDefaults();
  requireThere(addonPath(folder));
  shareTfjs(requireThere);
  restoreUtilFunctions();
  requireThere(folder);
}

function addonPath(folder: string): string {
  const lib = path.join(folder, "lib");
  const builds = fs.existsSync(lib) ? fs.readdirSync(lib) : [];
  const addons = builds
    .map((build) => path.join(lib, build, "tfjs_binding.node"))
    .filter((f) => fs.existsSync(f));
  if (addons.length === 0) {
    throw new Error(`its native addon is missing: expected lib/napi-v*/tfjs_binding.node in ${folder}`);
  }
  return addons.at(-1)!;
}

/** TensorFlow logs its start on stderr, and takes all memory of a GPU, unless told otherwise before it is loaded. */
function quietDefaults(): void {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= "true";
}

/**
 * tfjs keeps its engine in a global, so a second copy of tfjs would still compute, but it registers every kernel of
 * every backend again (hundreds of warnings) and has classes of its own. So the package gets our copies instead.
 */
function shareTfjs(requireThere: NodeJS.Require): void {
  const ours = createRequire(require.resolve("@tensorflow/tfjs"));
  for (const name of ["@tensorflow/tfjs", "@tensorflow/tfjs-core"]) {
    const theirPath = requireThere.resolve(name);
    const ourPath = ours.resolve(name);
    ours(name);
    if (theirPath !== ourPath) require.cache[theirPath] = require.cache[ourPath];
  }
}

/** tfjs-node 4.22 calls two functions of `node:util` that Node 22 warns about and Node 23 removed. */
function restoreUtilFunctions(): void {
  Object.assign(util, { isArray: Array.isArray, isNullOrUndefined: (value: unknown) => value == null });
}
