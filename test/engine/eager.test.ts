/**
 * The choice of the tfjs backend is made once per process and is global, so every case runs in a process of its own,
 * with an empty data folder. TensorFlow itself is played by small packages here; the real one is in test/interop.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { dataFolder, findTensorFlow } from "../../src/engine/tensorflow";

const root = path.join(__dirname, "../..");
let home: string;

/** Runs JavaScript, which sees `tf`, `eager` and `show`, and returns what it showed. */
function run(code: string, env: Record<string, string> = {}, cwd = root): { shown: any[]; stderr: string } {
  const program = `
    const tf = require(${JSON.stringify(require.resolve("@tensorflow/tfjs"))});
    const { eager } = require(${JSON.stringify(path.join(root, "src/engine/eager.ts"))});
    const show = (value) => console.log(JSON.stringify(value));
    (async () => { ${code} })();`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--require", require.resolve("tsx/cjs"), "-e", program],
    { cwd, encoding: "utf8", env: { ...process.env, LORALAB_EAGER: "", LORALAB_HOME: home, ...env } },
  );
  assert.equal(status, 0, stderr);
  return {
    shown: stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
    stderr,
  };
}

/**
 * Writes a package that does what tfjs-node does at its start: uses two functions of node:util, and registers a
 * backend "tensorflow" on the tfjs that it finds, here one of its own that must not be used.
 */
function fakeTensorFlow(project: string, name: string, manifest: object = {}): string {
  const folder = path.join(project, "node_modules", name);
  const files = {
    "package.json": JSON.stringify({ name, version: "4.22.0", main: "main.js", ...manifest }),
    "lib/napi-v8/tfjs_binding.node": "",
    "node_modules/@tensorflow/tfjs/index.js": "throw new Error('a second tfjs')",
    "node_modules/@tensorflow/tfjs-core/index.js": "throw new Error('a second tfjs-core')",
    "main.js": `
      const tf = require("@tensorflow/tfjs");
      require("@tensorflow/tfjs-core");
      const util = require("util");
      const binding = require("./lib/napi-v8/tfjs_binding.node");
      if (!util.isArray([]) || !util.isNullOrUndefined(null) || util.isNullOrUndefined(0)) throw new Error("util");
      class Backend extends tf.KernelBackend {
        binding = binding;
        isGPUPackage = ${name.endsWith("-gpu")};
        isUsingGpuDevice = ${name.endsWith("-gpu")};
      }
      tf.registerBackend("tensorflow", () => new Backend(), 3);
      tf.setBackend("tensorflow");`,
  };
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    fs.writeFileSync(path.join(folder, file), text);
  }
  return folder;
}

/** Makes Node "load" any native addon as TensorFlow 9.9. */
const fakeAddon = 'require.extensions[".node"] = (module) => { module.exports = { TF_Version: "9.9" }; };';

describe("eager backend", () => {
  beforeEach(() => {
    home = fs.mkdtempSync(path.join(os.tmpdir(), "loralab-eager-"));
  });
  afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

  it("is WebAssembly when TensorFlow is not installed, says why, and computes gradients", () => {
    const { shown } = run(`
      show(await eager());
      show(tf.getBackend());
      const x = tf.tensor2d([[1, 2], [3, 4]]);
      show(tf.grad((m) => tf.sum(tf.matMul(m, m)))(x).arraySync());`);
    const [report, current, gradient] = shown;
    assert.equal(report.backend, "wasm");
    assert.equal(current, "wasm");
    assert.deepEqual(
      report.reasons.map((reason: { name: string }) => reason.name),
      ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"],
    );
    assert.match(report.reasons[0].why, /not installed \(npx loralab setup tensorflow --gpu installs it\)/);
    // d/dX of the sum of X·X: entry (i, j) is the sum of row j plus the sum of column i.
    assert.deepEqual(gradient, [
      [7, 11],
      [9, 13],
    ]);
  });

  it("does not take the package that an npm override puts in place of tfjs-node for TensorFlow", () => {
    const { why } = findTensorFlow("@tensorflow/tfjs-node");
    assert.match(why, /node_modules\/@tensorflow\/tfjs-node is really @tensorflow\/tfjs$/);
  });

  it("is chosen once: later calls keep the report and what tf.setBackend was told since", () => {
    const { shown } = run(`
      const first = await eager();
      await tf.setBackend("cpu");
      show([first === (await eager()), tf.getBackend()]);`);
    assert.deepEqual(shown, [[true, "cpu"]]);
  });

  it("leaves unhandled rejections and uncaught errors to the process's owner", () => {
    const { shown } = run(`
      const owner = () => show("handled");
      process.on("unhandledRejection", owner);
      await eager();
      show(["uncaughtException", "unhandledRejection"].map((event) => process.listenerCount(event)));
      void Promise.reject(new Error("unhandled"));`);
    assert.deepEqual(shown, [[0, 1], "handled"]);
  });

  it("obeys LORALAB_EAGER=cpu, without the advice that tfjs gives there", () => {
    const { shown, stderr } = run("show(await eager()); tf.ones([2]).add(1).dataSync();", {
      LORALAB_EAGER: "cpu",
    });
    assert.equal(shown[0].backend, "cpu");
    assert.equal(shown[0].reasons.length, 3);
    assert.match(shown[0].reasons[2].why, /not tried, because LORALAB_EAGER=cpu/);
    assert.doesNotMatch(stderr, /install our node backend/);
  });

  it("fails when LORALAB_EAGER asks for TensorFlow and there is none, or for something unknown", () => {
    const code = "show(await eager().catch((error) => error.message));";
    const [missing] = run(code, { LORALAB_EAGER: "tensorflow" }).shown;
    assert.match(
      missing,
      /"tensorflow", which LORALAB_EAGER asks for, does not start:\n {2}@tensorflow\/tfjs-node-gpu: /,
    );
    assert.match(missing, /npx loralab setup tensorflow installs it/);
    const [unknown] = run(code, { LORALAB_EAGER: "cuda" }).shown;
    assert.equal(unknown, 'LORALAB_EAGER is "cuda"; expected tensorflow, wasm, cpu, or nothing');
  });

  it("is TensorFlow from the data folder, on our one tfjs, the GPU's package before the other", () => {
    fakeTensorFlow(path.join(home, "tensorflow/tfjs-node"), "@tensorflow/tfjs-node");
    const code = `${fakeAddon} show(await eager()); show(tf.getBackend());`;
    const [report, current] = run(code).shown;
    assert.equal(current, "tensorflow");
    assert.equal(report.description, "@tensorflow/tfjs-node, TensorFlow 9.9 on the CPU");
    fakeTensorFlow(path.join(home, "tensorflow/tfjs-node-gpu"), "@tensorflow/tfjs-node-gpu");
    assert.deepEqual(run(code).shown[0], {
      backend: "tensorflow",
      description: "@tensorflow/tfjs-node-gpu, TensorFlow 9.9 on the GPU",
      reasons: [],
    });
  });

  it("is TensorFlow from the node_modules of the working directory", () => {
    fakeTensorFlow(home, "@tensorflow/tfjs-node");
    const { shown } = run(`${fakeAddon} show((await eager()).backend);`, {}, home);
    assert.deepEqual(shown, ["tensorflow"]);
  });

  it("keeps a TensorFlow that the user's own code has loaded", () => {
    const folder = fakeTensorFlow(home, "@tensorflow/tfjs-node");
    const { shown } = run(
      `${fakeAddon}
      class Mine extends tf.KernelBackend { binding = { TF_Version: "8.8" }; }
      tf.registerBackend("tensorflow", () => new Mine());
      show((await eager()).description);
      show(Object.keys(require.cache).some((file) => file.startsWith(${JSON.stringify(folder)})));`,
      {},
      home,
    );
    assert.deepEqual(shown, ["@tensorflow/tfjs-node, TensorFlow 8.8 on the CPU", false]);
  });

  it("falls back and says why when the addon is missing, does not load, or is of another release", () => {
    const project = path.join(home, "tensorflow/tfjs-node");
    const code =
      "const { backend, reasons } = await eager(); show([backend, reasons[1].why, tf.findBackend('tensorflow')]);";
    const folder = fakeTensorFlow(project, "@tensorflow/tfjs-node");
    const addon = path.join(folder, "lib/napi-v8/tfjs_binding.node");
    fs.writeFileSync(addon, "not a library");
    const [broken] = run(code).shown;
    assert.equal(broken[0], "wasm");
    assert.match(broken[1], /tfjs-node does not load: .*tfjs_binding\.node/);
    assert.equal(broken[2], null);
    fs.rmSync(addon);
    assert.match(
      run(code).shown[0][1],
      /its native addon is missing: expected lib\/napi-v\*\/tfjs_binding\.node in /,
    );
    fakeTensorFlow(project, "@tensorflow/tfjs-node", { version: "3.21.1" });
    assert.match(run(code).shown[0][1], /has version 3\.21\.1; expected 4\.x, as of @tensorflow\/tfjs/);
  });
});

describe("data folder", () => {
  it("is LORALAB_HOME, or the platform's folder for user data", () => {
    const join = path.join;
    assert.equal(dataFolder({ LORALAB_HOME: "/there" }, "linux", "/home/me"), path.resolve("/there"));
    assert.equal(dataFolder({}, "linux", "/home/me"), join("/home/me", ".local", "share", "loralab"));
    assert.equal(dataFolder({ XDG_DATA_HOME: "/data" }, "linux", "/home/me"), join("/data", "loralab"));
    assert.equal(
      dataFolder({}, "darwin", "/Users/me"),
      join("/Users/me", "Library", "Application Support", "loralab"),
    );
    assert.equal(dataFolder({ LOCALAPPDATA: "C:/local" }, "win32", "C:/me"), join("C:/local", "loralab"));
    assert.equal(dataFolder({}, "win32", "C:/me"), join("C:/me", "AppData", "Local", "loralab"));
  });
});
