/**
 * Kernelspecs: the small folders by which Jupyter finds kernels.
 *
 * Ours names this Node.js and this installation by absolute paths, so it works from any notebook's folder, whether the
 * package is installed globally, in a project, or is a checkout.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { ownKernel } from "./client";
import { userDataFolder } from "./connection";
import { packageRoot } from "./entry";

/** Where to install: for this user, under a prefix, or in the Python environment that is active. */
export type Place = { kind: "user" } | { kind: "prefix"; prefix: string } | { kind: "sys-prefix" };

export interface InstalledSpec {
  name: string;
  folder: string;
  /** The file that the kernelspec starts; it may be gone since. */
  script: string;
  isThere: boolean;
}

const LOGOS = ["logo-32x32.png", "logo-64x64.png", "logo-svg.svg"];

/**
 * Installs the kernelspec, replacing one of the same name.
 *
 * @returns its folder
 * @throws Error when the name is not allowed, or the folder cannot be written (and what to do)
 */
export function installKernelspec(name: string, place: Place): string {
  if (!/^[a-z0-9._-]+$/i.test(name))
    throw new Error(
      `a kernel's name consists of letters, digits, ".", "-" and "_", got ${JSON.stringify(name)}`,
    );
  const folder = path.join(kernelsFolder(place), name.toLowerCase());
  const spec = {
    argv: ownKernel(),
    display_name: name === "loralab" ? "TypeScript (loralab)" : `TypeScript (${name})`,
    language: "typescript",
    interrupt_mode: "message",
    metadata: { loralab: true },
  };
  try {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, "kernel.json"), `${JSON.stringify(spec, null, 1)}\n`);
    const assets = path.join(packageRoot(), "kernel", "assets");
    for (const logo of LOGOS) fs.copyFileSync(path.join(assets, logo), path.join(folder, logo));
  } catch (error) {
    throw new Error(
      `cannot write the kernelspec to ${folder}: ${(error as Error).message}. Choose another place: --user, ` +
        "--prefix <folder>, or --sys-prefix in an active Python environment.",
    );
  }
  return folder;
}

/**
 * Removes a kernelspec that was installed by us.
 *
 * @throws Error when there is none of this name, or it is another kernel's
 */
export function uninstallKernelspec(name: string, place: Place): string {
  const folder = path.join(kernelsFolder(place), name.toLowerCase());
  const spec = readSpec(folder);
  if (!spec) throw new Error(`no kernelspec ${JSON.stringify(name)} in ${path.dirname(folder)}`);
  if (!spec.metadata?.loralab)
    throw new Error(`${folder} is the kernelspec of another kernel; it is left as it is`);
  fs.rmSync(folder, { recursive: true });
  return folder;
}

/** The folders in which Jupyter looks for kernelspecs, the most important first. */
export function kernelFolders(): string[] {
  const environment = process.env.VIRTUAL_ENV ?? process.env.CONDA_PREFIX;
  const data = [
    ...(process.env.JUPYTER_PATH ?? "").split(path.delimiter).filter(Boolean),
    userDataFolder(),
    ...(environment ? [path.join(environment, "share", "jupyter")] : []),
    ...(process.platform === "win32"
      ? [path.join(process.env.PROGRAMDATA ?? "C:\\ProgramData", "jupyter")]
      : ["/usr/local/share/jupyter", "/usr/share/jupyter"]),
  ];
  return [...new Set(data.map((folder) => path.join(folder, "kernels")))];
}

/** Our kernelspecs in all places that Jupyter looks at. */
export function installedKernelspecs(): InstalledSpec[] {
  const found: InstalledSpec[] = [];
  for (const kernels of kernelFolders()) {
    for (const name of fs.existsSync(kernels) ? fs.readdirSync(kernels).sort() : []) {
      const folder = path.join(kernels, name);
      const spec = readSpec(folder);
      if (!spec?.metadata?.loralab) continue;
      const script: string = spec.argv.at(-2);
      found.push({ name, folder, script, isThere: fs.existsSync(script) && fs.existsSync(spec.argv[0]) });
    }
  }
  return found;
}

function readSpec(folder: string): { argv: string[]; metadata?: { loralab?: boolean } } | any {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, "kernel.json"), "utf8"));
  } catch {
    return undefined; // no kernelspec, or one that Jupyter could not read either
  }
}

function kernelsFolder(place: Place): string {
  if (place.kind === "user") return path.join(userDataFolder(), "kernels");
  const prefix = place.kind === "prefix" ? path.resolve(place.prefix) : pythonPrefix();
  return path.join(prefix, "share", "jupyter", "kernels");
}

/** `sys.prefix` of the Python that is first on the path, or named by PYTHON: the active environment's. */
function pythonPrefix(): string {
  const python = process.env.PYTHON ?? (process.platform === "win32" ? "python" : "python3");
  const { status, stdout, error } = spawnSync(python, ["-c", "import sys; print(sys.prefix)"], {
    encoding: "utf8",
  });
  if (status !== 0)
    throw new Error(
      `--sys-prefix needs Python, and ${python} did not run${error ? `: ${error.message}` : ""}`,
    );
  return stdout.trim();
}
