/**
 * Finds what the native addon of tfjs-node is built from on this machine: a TensorFlow with its headers, and a C++
 * compiler. Nothing is installed or changed here.
 *
 * Two forms of TensorFlow will do: the package folder of a Python wheel, and an unpacked libtensorflow (the C library).
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

export interface TensorFlow {
  folder: string;
  /** Folder that holds `tensorflow/c/c_api.h`. */
  include: string;
  /** The library with the C API, and the one it rests on, as absolute paths. */
  library: string;
  framework: string;
}

/** What the addon's sources include. */
const HEADERS = ["c/c_api.h", "c/eager/c_api.h", "core/platform/ctstring_internal.h"];

/** Names of the two libraries: in a wheel, in a C library with versioned names, in one without. */
const LIBRARIES: Partial<Record<NodeJS.Platform, { library: string[]; framework: string[] }>> = {
  linux: {
    library: ["libtensorflow_cc.so.2", "libtensorflow.so.2", "libtensorflow.so"],
    framework: ["libtensorflow_framework.so.2", "libtensorflow_framework.so"],
  },
  darwin: {
    library: ["libtensorflow_cc.2.dylib", "libtensorflow.2.dylib", "libtensorflow.dylib"],
    framework: ["libtensorflow_framework.2.dylib", "libtensorflow_framework.dylib"],
  },
};

/** Throws on a platform for which we do not know how to build the addon. */
export function requireKnownPlatform(platform: NodeJS.Platform = process.platform): void {
  if (LIBRARIES[platform] === undefined) {
    throw new Error(
      `setup tensorflow builds on Linux and macOS, not on ${platform}. On Windows, run it inside WSL; without it, ` +
        "eager tensors use WebAssembly, and training is not affected",
    );
  }
}

/** Reads the layout of a folder; returns what it lacks when it is not a TensorFlow that one can compile against. */
export function readTensorFlow(
  folder: string,
  platform = process.platform,
): TensorFlow | { missing: string } {
  if (!fs.existsSync(folder)) return { missing: "no such folder" };
  const include = path.join(folder, "include");
  const header = HEADERS.find((name) => !fs.existsSync(path.join(include, "tensorflow", name)));
  if (header !== undefined) return { missing: `no include/tensorflow/${header}` };
  const names = LIBRARIES[platform]!;
  const find = (candidates: string[]) =>
    candidates
      .flatMap((name) => [path.join(folder, name), path.join(folder, "lib", name)])
      .find((file) => fs.existsSync(file));
  const library = find(names.library);
  if (library === undefined) return { missing: `no ${names.library.join(" or ")}, there or in lib` };
  const framework = find(names.framework);
  if (framework === undefined) return { missing: `no ${names.framework.join(" or ")}, there or in lib` };
  return { folder, include, library, framework };
}

/**
 * Finds a TensorFlow: in `chosen` or `$TENSORFLOW_DIR` when given (and then nowhere else), or where a Python has it
 * (`$PYTHON`, `python3`, `python`), or where C libraries are put.
 *
 * @throws Error listing every place looked at and what it lacks.
 */
export function findTensorFlowLibrary(chosen: string | undefined, gpu: boolean): TensorFlow {
  const given = chosen ?? (process.env.TENSORFLOW_DIR || undefined);
  if (given !== undefined) {
    const folder = path.resolve(given);
    const found = readTensorFlow(folder);
    if (!("missing" in found)) return found;
    throw new Error(
      `${chosen === undefined ? "TENSORFLOW_DIR" : "--tensorflow"} names ${folder}, where there is no TensorFlow to ` +
        `compile against: ${found.missing}. Expected the folder "tensorflow" in a Python's site-packages, or an ` +
        "unpacked libtensorflow with include/ and lib/",
    );
  }
  const looked: string[] = [];
  for (const { name, folder, missing } of [...pythonFolders(), ...libraryFolders()]) {
    const found = folder === undefined ? { missing } : readTensorFlow(folder);
    if (!("missing" in found)) return found;
    looked.push(`\n  ${name}: ${found.missing}`);
  }
  throw new Error(
    `No TensorFlow found on this machine. Looked for it in:${looked.join("")}\n` +
      `Install one, for example with "pip install ${gpu ? "'tensorflow[and-cuda]'" : "tensorflow-cpu"}", or unpack ` +
      "the C library (https://www.tensorflow.org/install/lang_c) and name its folder with --tensorflow DIR",
  );
}

interface Place {
  name: string;
  folder?: string;
  missing?: string;
}

function* pythonFolders(): Generator<Place> {
  // find_spec tells where a package lies without importing it, which would take seconds.
  const program =
    "import importlib.util as u; s = u.find_spec('tensorflow'); print(s.submodule_search_locations[0] if s else '')";
  for (const name of process.env.PYTHON ? [process.env.PYTHON] : ["python3", "python"]) {
    // Python looks for packages in the working directory first; a folder "tensorflow" there is not what we want.
    const { status, stdout, error } = spawnSync(name, ["-c", program], {
      encoding: "utf8",
      cwd: os.tmpdir(),
    });
    if (error !== undefined) yield { name, missing: "no such command" };
    else if (status !== 0) yield { name, missing: `does not run (exit status ${status})` };
    else if (stdout.trim() === "") yield { name, missing: "has no package tensorflow" };
    else yield { name: `${name}'s ${stdout.trim()}`, folder: stdout.trim() };
  }
}

function* libraryFolders(): Generator<Place> {
  for (const folder of ["/usr/local", "/usr", ...(process.platform === "darwin" ? ["/opt/homebrew"] : [])]) {
    yield { name: folder, folder };
  }
}

/**
 * Finds a C++ compiler that starts: `$CXX`, `g++`, `clang++` or `c++`.
 *
 * @throws Error naming the commands that were tried.
 */
export function findCompiler(): { command: string; version: string } {
  const candidates = process.env.CXX ? [process.env.CXX] : ["g++", "clang++", "c++"];
  for (const command of candidates) {
    const { status, stdout } = spawnSync(command, ["--version"], { encoding: "utf8" });
    if (status === 0) return { command, version: stdout.split("\n")[0] };
  }
  throw new Error(
    `No C++ compiler found: tried ${candidates.join(", ")}. Install one (Debian, Ubuntu: apt install g++; ` +
      "Fedora: dnf install gcc-c++; macOS: xcode-select --install), or name one in the environment variable CXX",
  );
}
