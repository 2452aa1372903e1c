/**
 * `loralab setup tensorflow` on machines that lack something, and the layout it makes. Python, npm and the compiler are
 * shell scripts in a folder that is the whole PATH. The run with a real TensorFlow is in test/interop.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { linkTensorFlow } from "../../bin/tensorflow/build";
import { readTensorFlow, requireKnownPlatform, type TensorFlow } from "../../bin/tensorflow/find";
import { loralab } from "./command";

let folder: string;

function useFolder(): void {
  beforeEach(() => {
    folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "loralab-setup-")));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));
}

function write(file: string, text = "", mode = 0o644): string {
  const full = path.join(folder, file);
  fs.mkdirSync(path.dirname(full), { recursive: true });
  fs.writeFileSync(full, text, { mode });
  return full;
}

/** Puts a command on the PATH that `setup` gets. */
function command(name: string, script: string): void {
  write(`path/${name}`, `#!/bin/sh\nPATH=/usr/bin:/bin\n${script}\n`, 0o755);
}

function setup(args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const cleared = { TENSORFLOW_DIR: "", PYTHON: "", CXX: "", DEBUG: "" };
  const paths = { PATH: path.join(folder, "path"), LORALAB_HOME: path.join(folder, "home") };
  return loralab(["setup", "tensorflow", ...args], { ...cleared, ...paths, ...env });
}

const HEADERS = ["c/c_api.h", "c/eager/c_api.h", "core/platform/ctstring_internal.h"];

function fakeTensorFlow(name: string, libraries: string[], headers = HEADERS): string {
  for (const header of headers) write(`${name}/include/tensorflow/${header}`);
  for (const library of libraries) write(`${name}/${library}`);
  return path.join(folder, name);
}

const fakeWheel = () => fakeTensorFlow("wheel", ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]);

/** An npm that "installs" a package with one source file. */
const npmThatInstalls = `
  mkdir -p node_modules/@tensorflow/tfjs-node/binding node_modules/node-api-headers/include
  echo '{ "name": "@tensorflow/tfjs-node", "version": "4.22.0" }' > node_modules/@tensorflow/tfjs-node/package.json
  touch node_modules/@tensorflow/tfjs-node/binding/tfjs_backend.cc`;

const compilerVersion = 'if [ "$1" = --version ]; then echo "fake++ 1.0"; exit 0; fi';

describe("setup tensorflow", () => {
  useFolder();
  before(function () {
    if (process.platform === "win32") this.skip();
  });

  describe("looks for TensorFlow", () => {
    before(function () {
      const installed = ["/usr/local", "/usr"].some((dir) =>
        fs.existsSync(`${dir}/include/tensorflow/c/c_api.h`),
      );
      if (installed) this.skip();
    });

    it("and lists every place when there is none, and what to install", () => {
      command("python", "echo");
      const { status, stderr } = setup();
      assert.equal(status, 1);
      assert.match(stderr, /^error: No TensorFlow found on this machine\. Looked for it in:\n/);
      assert.match(stderr, /\n {2}python3: no such command\n {2}python: has no package tensorflow\n/);
      assert.match(stderr, /\n {2}\/usr\/local: no include\/tensorflow\/c\/c_api\.h\n/);
      assert.match(stderr, /pip install tensorflow-cpu/);
      assert.match(setup(["--gpu"]).stderr, /pip install 'tensorflow\[and-cuda\]'/);
      assert.equal(fs.existsSync(path.join(folder, "home")), false);
    });

    it("and says so of a Python that does not run, and of one whose TensorFlow lacks the headers", () => {
      command("python3", "exit 3");
      command("python", `echo ${fakeTensorFlow("bare", ["libtensorflow_cc.so.2"], [])}`);
      const { stderr } = setup();
      assert.match(stderr, /\n {2}python3: does not run \(exit status 3\)/);
      assert.match(stderr, /\n {2}python's \S+\/bare: no include\/tensorflow\/c\/c_api\.h/);
    });

    it("in the interpreter that PYTHON names, and in no other", () => {
      command("python3", `echo ${fakeWheel()}`);
      assert.match(
        setup([], { PYTHON: "python-mine" }).stderr,
        /in:\n {2}python-mine: no such command\n {2}\//,
      );
    });
  });

  it("uses what Python has", () => {
    const wheel = fakeWheel();
    command("python3", `echo ${wheel}`);
    const { stdout } = setup();
    assert.equal(stdout, `TensorFlow  ${wheel}\n`);
  });

  it("rejects a folder given by the option or the environment, naming what it lacks", () => {
    command("python3", `echo ${fakeWheel()}`);
    const lacking = fakeTensorFlow("lacking", ["libtensorflow_cc.so.2"]);
    const byOption = setup(["--tensorflow", lacking]);
    assert.equal(byOption.status, 1);
    assert.match(
      byOption.stderr,
      /--tensorflow names \S+\/lacking, .*: no libtensorflow_framework\.so\.2 or /,
    );
    assert.match(
      byOption.stderr,
      /Expected the folder "tensorflow" in a Python's site-packages, or an unpacked/,
    );
    const byVariable = setup([], { TENSORFLOW_DIR: path.join(folder, "nowhere") });
    assert.match(byVariable.stderr, /TENSORFLOW_DIR names \S+\/nowhere, .*: no such folder/);
  });

  it("names the compilers it tried", () => {
    const wheel = fakeWheel();
    command("g++", "exit 1");
    const { status, stderr } = setup(["--tensorflow", wheel]);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /No C\+\+ compiler found: tried g\+\+, clang\+\+, c\+\+\. Install one \(.*apt install g\+\+/,
    );
    assert.match(setup(["--tensorflow", wheel], { CXX: "icpx" }).stderr, /tried icpx\. /);
  });

  it("says that npm is missing, or what npm said, and leaves nothing behind", () => {
    const wheel = fakeWheel();
    command("clang++", compilerVersion);
    const without = setup(["--tensorflow", wheel]);
    assert.equal(without.status, 1);
    assert.match(without.stdout, /compiler {4}fake\+\+ 1\.0/);
    assert.match(
      without.stderr,
      /npm, which fetches @tensorflow\/tfjs-node 4\.22\.0 .*: no command npm on PATH/,
    );
    command("npm", "echo registry unreachable >&2; exit 7");
    const failing = setup(["--tensorflow", wheel]);
    assert.match(failing.stderr, /failed \(exit status 7\):\nregistry unreachable/);
    assert.deepEqual(fs.readdirSync(path.join(folder, "home/tensorflow")), []);
  });

  it("shows the compiler's errors, and keeps an earlier build when the new one fails", () => {
    const wheel = fakeWheel();
    const earlier = write("home/tensorflow/tfjs-node/marker", "earlier");
    command("npm", npmThatInstalls);
    command("g++", `${compilerVersion}\necho "tfjs_backend.cc:1: error: no" >&2; exit 1`);
    const { status, stderr } = setup(["--tensorflow", wheel]);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /g\+\+, which compiles the addon against \S+\/wheel, failed \(exit status 1\):\ntfjs_backend/,
    );
    assert.deepEqual(fs.readdirSync(path.join(folder, "home/tensorflow")), ["tfjs-node"]);
    assert.equal(fs.readFileSync(earlier, "utf8"), "earlier");
  });

  it("rejects an addon that does not load", () => {
    const wheel = fakeWheel();
    command("npm", npmThatInstalls);
    const log = path.join(folder, "arguments");
    command("g++", `${compilerVersion}\necho "$@" > ${log}; echo text > lib/napi-v8/tfjs_binding.node`);
    const { status, stderr } = setup(["--tensorflow", wheel]);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /The check of the compiled addon failed \(exit status 1\):\n[\s\S]*tfjs_binding\.node/,
    );
    assert.deepEqual(fs.readdirSync(path.join(folder, "home/tensorflow")), []);
    const args = fs.readFileSync(log, "utf8");
    assert.match(args, /-DNAPI_VERSION=8 /);
    assert.match(
      args,
      /node-api-headers\/include binding\/tfjs_backend\.cc -o lib\/napi-v8\/tfjs_binding\.node/,
    );
    assert.ok(args.includes(`-Wl,-rpath,${wheel}`));
  });
});

describe("TensorFlow's layout", () => {
  useFolder();
  it("is read from a Python wheel and from the C library, on Linux and macOS", () => {
    const wheel = fakeWheel();
    assert.deepEqual(readTensorFlow(wheel, "linux"), {
      folder: wheel,
      include: path.join(wheel, "include"),
      library: path.join(wheel, "libtensorflow_cc.so.2"),
      framework: path.join(wheel, "libtensorflow_framework.so.2"),
    });
    const library = fakeTensorFlow("c", ["lib/libtensorflow.so.2", "lib/libtensorflow_framework.so.2"]);
    assert.equal(
      (readTensorFlow(library, "linux") as TensorFlow).library,
      path.join(library, "lib/libtensorflow.so.2"),
    );
    const mac = fakeTensorFlow("mac", ["libtensorflow_cc.2.dylib", "libtensorflow_framework.2.dylib"]);
    assert.equal(
      (readTensorFlow(mac, "darwin") as TensorFlow).library,
      path.join(mac, "libtensorflow_cc.2.dylib"),
    );
  });

  it("is refused with the first thing that is missing", () => {
    const missing = (name: string, libraries: string[], headers?: string[]) =>
      (readTensorFlow(fakeTensorFlow(name, libraries, headers), "linux") as { missing: string }).missing;
    assert.equal(missing("no-eager", [], HEADERS.slice(0, 1)), "no include/tensorflow/c/eager/c_api.h");
    assert.match(missing("no-library", ["libtensorflow_framework.so.2"]), /^no libtensorflow_cc\.so\.2 or /);
    assert.match(missing("no-framework", ["libtensorflow.so"]), /^no libtensorflow_framework\.so\.2 or /);
  });

  it("is linked to where the package's sources and the linker look", function () {
    if (process.platform === "win32") this.skip();
    const tensorflow = {
      folder,
      include: "/tf/include",
      library: "/tf/cc.so.2",
      framework: "/tf/framework.so.2",
    };
    linkTensorFlow(folder, tensorflow);
    const extension = process.platform === "darwin" ? "dylib" : "so";
    assert.deepEqual(
      ["include", `lib/libtensorflow.${extension}`, `lib/libtensorflow_framework.${extension}`].map((link) =>
        fs.readlinkSync(path.join(folder, "deps", link)),
      ),
      ["/tf/include", "/tf/cc.so.2", "/tf/framework.so.2"],
    );
  });

  it("is not looked for on Windows, with a word on what to do", () => {
    assert.throws(() => requireKnownPlatform("win32"), /builds on Linux and macOS, not on win32\. .* WSL/);
  });
});
