import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { KernelClient, ownKernel } from "../../kernel/client";
import { packageRoot } from "../../kernel/entry";
import { installedKernelspecs, installKernelspec, uninstallKernelspec } from "../../kernel/install";
import { versionProblem } from "../../kernel/node-version";
import { result, temporaryFolder } from "./support";

describe("kernel: installation", () => {
  const prefix = temporaryFolder();
  const place = { kind: "prefix", prefix } as const;
  const jupyterPath = process.env.JUPYTER_PATH;
  before(() => {
    process.env.JUPYTER_PATH = path.join(prefix, "share", "jupyter");
  });
  after(() => {
    if (jupyterPath === undefined) delete process.env.JUPYTER_PATH;
    else process.env.JUPYTER_PATH = jupyterPath;
    fs.rmSync(prefix, { recursive: true });
  });

  it("writes a kernelspec with logos whose command starts a kernel", async () => {
    const folder = installKernelspec("loralab", place);
    assert.equal(folder, path.join(prefix, "share", "jupyter", "kernels", "loralab"));
    assert.deepEqual(fs.readdirSync(folder).sort(), [
      "kernel.json",
      "logo-32x32.png",
      "logo-64x64.png",
      "logo-svg.svg",
    ]);
    const spec = JSON.parse(fs.readFileSync(path.join(folder, "kernel.json"), "utf8"));
    assert.deepEqual(
      [spec.language, spec.interrupt_mode, spec.argv.at(-1)],
      ["typescript", "message", "{connection_file}"],
    );
    const client = await KernelClient.start({ argv: spec.argv, cwd: prefix });
    assert.equal(result(await client.execute("1 + 1")), "2");
    await client.shutdown();
  });

  it("lists what is installed, and whether it still works", () => {
    const folder = installKernelspec("second", place);
    assert.deepEqual(
      installedKernelspecs()
        .filter((spec) => spec.folder.startsWith(prefix))
        .map(({ name, isThere }) => [name, isThere]),
      [
        ["loralab", true],
        ["second", true],
      ],
    );
    const file = path.join(folder, "kernel.json");
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace(/main\.\w+/, "gone.js"));
    assert.equal(installedKernelspecs().find(({ name }) => name === "second")!.isThere, false);
  });

  it("removes its own kernelspecs and no others", () => {
    uninstallKernelspec("second", place);
    assert.ok(!installedKernelspecs().some(({ name }) => name === "second"));
    assert.throws(() => uninstallKernelspec("second", place), /no kernelspec "second" in/);
    const other = path.join(prefix, "share", "jupyter", "kernels", "other");
    fs.mkdirSync(other);
    fs.writeFileSync(path.join(other, "kernel.json"), '{ "argv": [], "display_name": "Other" }');
    assert.throws(() => uninstallKernelspec("other", place), /is the kernelspec of another kernel/);
    assert.ok(fs.existsSync(other));
  });

  it("of a checkout that is not built: the kernel runs, and tells how to get the package", async () => {
    const checkout = path.join(prefix, "checkout");
    fs.mkdirSync(checkout);
    for (const name of ["kernel", "package.json"])
      fs.cpSync(path.join(packageRoot(), name), path.join(checkout, name), { recursive: true });
    fs.symlinkSync(path.join(packageRoot(), "node_modules"), path.join(checkout, "node_modules"));
    const argv = ownKernel().map((arg) => arg.replace(packageRoot() + path.sep, checkout + path.sep));
    const client = await KernelClient.start({ argv, cwd: prefix });
    for (const code of ["import { lora } from 'loralab'", "require('loralab')"]) {
      const { reply } = await client.execute(code);
      assert.match(String(reply.content.evalue), /is not built: run "npm run build" in .*checkout, then/);
    }
    assert.equal(result(await client.execute("1 + 1")), "2");
    await client.shutdown();
  });

  it("of a package in a node_modules that is not the notebook's: its types pass from cell to cell", async () => {
    const installed = path.join(prefix, "lib", "node_modules", "loralab");
    for (const name of ["kernel", "package.json", "dist/src", "models/nano"])
      fs.cpSync(path.join(packageRoot(), name), path.join(installed, name), { recursive: true });
    fs.symlinkSync(path.join(packageRoot(), "node_modules"), path.join(installed, "node_modules"));
    const argv = ownKernel().map((arg) => arg.replace(packageRoot() + path.sep, installed + path.sep));
    const client = await KernelClient.start({ argv, cwd: prefix });
    const cells = [
      "import { loadModel } from 'loralab'; const base = await loadModel('nano'); const text = await base.generate('A', { maxTokens: 1 });",
      "const logits = (await base.logits([1, 2])).data;", // of a type that the package does not export
      "[text.text.length > 0, logits.length / base.config.vocabSize]",
    ];
    const values: (string | undefined)[] = [];
    for (const cell of cells) values.push(result(await client.execute(cell)));
    assert.equal(values.at(-1), "[ true, 2 ]");
    await client.shutdown();
  }).timeout(60_000);

  it("refuses a Node.js that is too old", () => {
    for (const version of ["18.20.8", "20.18.3", "20.9.0"])
      assert.match(
        String(versionProblem(version, ">=20.19")),
        new RegExp(`needs Node.js 20.19 or newer, and this is ${version.replaceAll(".", "\\.")}`),
      );
    for (const version of ["20.19.0", "20.20.2", "22.0.0", "24.1.0"])
      assert.equal(versionProblem(version, ">=20.19"), undefined);
  });

  it("refuses a wrong name, and a place that cannot be written", () => {
    assert.throws(() => installKernelspec("a b", place), /consists of letters, digits/);
    const file = path.join(prefix, "file");
    fs.writeFileSync(file, "");
    assert.throws(
      () => installKernelspec("loralab", { kind: "prefix", prefix: file }),
      /cannot write the kernelspec to .*Choose another place/,
    );
  });
});
