/**
 * Builds the npm package tfjs-node(-gpu) against a TensorFlow of this machine.
 *
 * Its own installer downloads TensorFlow 2.9; this one takes only the package's JavaScript and C++ from the registry
 * and compiles the C++ (two files against TensorFlow's stable C API) itself. All is done in a new folder beside the
 * final one and renamed at the end, so a failure leaves what was there before.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import {
  packageFolder,
  setupFolder,
  type TensorFlowPackage,
  TFJS_RELEASE,
} from "../../src/engine/tensorflow";
import type { TensorFlow } from "./find";

export interface Check {
  /** TensorFlow's version. */
  version: string;
  gpu: boolean;
}

/** Tells what an earlier build was made from and whether it still works; undefined when there is none that does. */
export function checkEarlierBuild(name: TensorFlowPackage, tensorflow: TensorFlow): Check | undefined {
  const folder = packageFolder(setupFolder(name), name);
  const library = path.join(folder, "deps", "lib", linkName("tensorflow"));
  try {
    return fs.readlinkSync(library) === tensorflow.library ? checkAddon(folder) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Installs, compiles and checks the package, then puts it in the data folder.
 *
 * @throws Error with the output of the step that failed: npm, the compiler, or the check.
 */
export function build(name: TensorFlowPackage, tensorflow: TensorFlow, compiler: string): Check {
  const target = setupFolder(name);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  const project = `${target}-building-${process.pid}`;
  fs.mkdirSync(project);
  // Ctrl-C ends the running step, which then fails here like any other and leaves nothing behind.
  const interrupted = () => {};
  process.on("SIGINT", interrupted);
  try {
    installPackage(project, name);
    const folder = packageFolder(project, name);
    linkTensorFlow(folder, tensorflow);
    compile(folder, path.join(project, "node_modules", "node-api-headers", "include"), tensorflow, compiler);
    const check = checkAddon(folder);
    if (name.endsWith("-gpu") && !check.gpu) {
      throw new Error(
        `TensorFlow ${check.version} in ${tensorflow.folder} finds no GPU to use. --gpu needs an NVIDIA GPU with its ` +
          "driver and a TensorFlow built with CUDA (pip install 'tensorflow[and-cuda]')",
      );
    }
    replaceFolder(project, target);
    return check;
  } finally {
    fs.rmSync(project, { recursive: true, force: true });
    process.off("SIGINT", interrupted);
  }
}

/**
 * Fetches the package without running its installer. Two of its dependencies are not wanted: another tfjs (the loader
 * gives it ours) and node-pre-gyp, which is only asked where the addon lies. Stand-ins take their place.
 */
function installPackage(project: string, name: TensorFlowPackage): void {
  const standIn = (module: string, version: string, main: string) => {
    const folder = path.join(project, "stand-ins", path.basename(module));
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(
      path.join(folder, "package.json"),
      JSON.stringify({ name: module, version, main: "main.js" }),
    );
    fs.writeFileSync(path.join(folder, "main.js"), `${main}\n`);
    return `file:stand-ins/${path.basename(module)}`;
  };
  const ours = 'throw new Error("loralab gives this package its own tfjs; load it with loralab");';
  const manifest = {
    private: true,
    description: "tfjs-node for loralab, made by: loralab setup tensorflow",
    dependencies: {
      [name]: TFJS_RELEASE,
      "@tensorflow/tfjs-core": standIn("@tensorflow/tfjs-core", TFJS_RELEASE, ours),
      "node-api-headers": "^1.1.0",
    },
    overrides: {
      "@tensorflow/tfjs": standIn("@tensorflow/tfjs", TFJS_RELEASE, ours),
      "@mapbox/node-pre-gyp": standIn(
        "@mapbox/node-pre-gyp",
        "1.0.9",
        'exports.find = (manifest) => require("node:path").join(manifest, "../lib/napi-v8/tfjs_binding.node");',
      ),
    },
  };
  fs.writeFileSync(path.join(project, "package.json"), JSON.stringify(manifest, null, 2));
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
  step(
    `npm, which fetches ${name} ${TFJS_RELEASE} from the registry,`,
    "npm",
    ["install", ...options],
    project,
  );
}

/** The name under which a compiler finds a library that is asked for with -l. */
function linkName(library: string, platform = process.platform): string {
  return `lib${library}.${platform === "darwin" ? "dylib" : "so"}`;
}

/** Puts TensorFlow's headers and libraries where the package's build expects them, as links. */
export function linkTensorFlow(folder: string, tensorflow: TensorFlow): void {
  const lib = path.join(folder, "deps", "lib");
  fs.mkdirSync(lib, { recursive: true });
  fs.symlinkSync(tensorflow.include, path.join(folder, "deps", "include"));
  fs.symlinkSync(tensorflow.library, path.join(lib, linkName("tensorflow")));
  fs.symlinkSync(tensorflow.framework, path.join(lib, linkName("tensorflow_framework")));
}

function compile(folder: string, nodeHeaders: string, tensorflow: TensorFlow, compiler: string): void {
  const output = path.join(folder, "lib", "napi-v8");
  fs.mkdirSync(output, { recursive: true });
  const sources = fs.readdirSync(path.join(folder, "binding")).filter((file) => file.endsWith(".cc"));
  // The libraries are looked up at run time in TensorFlow's own folder, not through deps/lib: a library finds what it
  // needs itself (CUDA's, in a wheel) relative to where it was found.
  const rpaths = new Set([path.dirname(tensorflow.library), path.dirname(tensorflow.framework)]);
  const args = [
    ...["-std=c++17", "-O2", "-fPIC", "-shared", "-DNAPI_VERSION=8"],
    // On macOS the symbols of Node itself are found only when the addon is loaded.
    ...(process.platform === "darwin" ? ["-undefined", "dynamic_lookup"] : []),
    ...["-isystem", path.join("deps", "include"), "-isystem", nodeHeaders],
    ...sources.map((file) => path.join("binding", file)),
    ...["-o", path.join("lib", "napi-v8", "tfjs_binding.node")],
    ...["-L", path.join("deps", "lib"), "-ltensorflow", "-ltensorflow_framework"],
    ...[...rpaths].map((dir) => `-Wl,-rpath,${dir}`),
  ];
  step(`${compiler}, which compiles the addon against ${tensorflow.folder},`, compiler, args, folder);
}

/** Loads the package in a process of its own (a faulty native library could end it) and checks a gradient there. */
function checkAddon(folder: string): Check {
  const script = require.resolve("./check");
  // Run from TypeScript sources, the child needs the same loader as we have.
  const loader = script.endsWith(".ts") ? ["--require", require.resolve("tsx/cjs")] : [];
  const args = [...loader, script, folder];
  return JSON.parse(step("The check of the compiled addon", process.execPath, args, process.cwd()));
}

/** Runs one step and returns what it printed. */
function step(what: string, command: string, args: string[], cwd: string): string {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (error !== undefined) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new Error(`${what} did not start: ${missing ? `no command ${command} on PATH` : error.message}`);
  }
  if (status !== 0) {
    const end = signal === null ? `exit status ${status}` : `signal ${signal}`;
    const output = (stderr.trim() || stdout.trim()).slice(-4000);
    throw new Error(`${what} failed (${end})${output && `:\n${output}`}`);
  }
  return stdout;
}

/** Renames `project` to `target`; what was there before comes back when that fails. */
function replaceFolder(project: string, target: string): void {
  const old = `${project}-old`;
  if (fs.existsSync(target)) fs.renameSync(target, old);
  try {
    fs.renameSync(project, target);
  } catch (error) {
    if (fs.existsSync(old)) fs.renameSync(old, target);
    throw error;
  }
  fs.rmSync(old, { recursive: true, force: true });
}
