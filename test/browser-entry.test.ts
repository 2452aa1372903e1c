/** The library as bundlers for pages take it, and the modules that stand in for those of Node. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { build, type Metafile } from "esbuild";
import fc from "fast-check";
import * as disk from "../src/model/disk.browser";
import { sha256 } from "../src/train/computer.browser";

const ROOT = path.join(__dirname, "..");
const { browser } = JSON.parse(fs.readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
  browser: Record<string, string>;
};

const sources = fs
  .readdirSync(path.join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => `./src/${file.split(path.sep).join("/")}`);

describe("the library for pages", () => {
  let inputs: Metafile["inputs"];
  before(async () => {
    const { metafile } = await build({
      absWorkingDir: ROOT,
      entryPoints: ["src/browser.ts"],
      bundle: true,
      format: "esm",
      write: false,
      metafile: true,
      logLevel: "silent", // what is not found, as "node:fs" in a page, is in the error
    });
    inputs = metafile.inputs;
  });

  it("asks for nothing of Node's, nor for what runs on Node alone", () => {
    // Packages name in their own manifests what they do without in a page; the bundler marks it.
    const ours = Object.entries(inputs).filter(([file]) => file.startsWith("src/"));
    assert.ok(ours.length > 100);
    const asked = ours.flatMap(([file, { imports }]) =>
      imports
        .filter((one) => one.external || one.path.startsWith("(disabled)"))
        .map((one) => `${file}: ${one.path}`),
    );
    assert.deepEqual(asked, []);
    const packages = Object.keys(inputs).map((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]);
    for (const name of ["onnxruntime-node", "danfojs-node", "@huggingface/hub", "bullmq", "plotly.js-dist"])
      assert.ok(!packages.includes(name), name);
    assert.ok(packages.includes("onnxruntime-web"));
  });

  it("does not name what only Node has", () => {
    const named = Object.keys(inputs)
      .filter((file) => file.startsWith("src/"))
      .flatMap((file) => {
        const lines = fs.readFileSync(path.join(ROOT, file), "utf8").split("\n");
        const code = lines.filter((line) => !/^\s*(\*|\/\*|\/\/)/.test(line)).join("\n");
        return (
          code.match(/(?<!globalThis\.)\b(process\.|Buffer\.|__dirname|(?<!=> )__filename)/g) ?? []
        ).map((word) => `${file}: ${word}`);
      });
    assert.deepEqual(named, []);
  });

  it("has each stand-in for sources and for what is built from them", () => {
    const standIns = sources.filter((file) => file.endsWith(".browser.ts"));
    const built = (file: string) => file.replace("./src/", "./dist/src/").replace(/ts$/, "js");
    const pairs = [
      ["./src/index.ts", "./src/browser.ts"],
      ...standIns.map((file) => [file.replace(".browser.ts", ".ts"), file]),
    ] as [string, string][];
    assert.deepEqual(
      browser,
      Object.fromEntries([...pairs, ...pairs.map(([from, to]) => [built(from), built(to)])]),
    );
    for (const [from] of pairs) assert.ok(sources.includes(from), from);
  });
});

describe("files in a page", () => {
  it("are read and written as on a disk", async () => {
    await disk.mkdir("folder", { recursive: true });
    const file = await disk.open(disk.join("folder", "a.tmp"), "wx");
    await file.write(Uint8Array.of(9, 1, 2, 9), 1, 2);
    await file.writeFile("é");
    await file.close();
    await disk.rename("folder/a.tmp", "folder/a");
    assert.ok(disk.existsSync("folder") && disk.isFile("folder/a"));
    assert.ok(!disk.isFile("folder") && !disk.existsSync("folder/a.tmp") && !disk.existsSync("fold"));
    const again = await disk.open("folder/a", "r");
    assert.deepEqual(await again.stat(), { size: 4 });
    const bytes = new Uint8Array(3);
    assert.deepEqual(await again.read(bytes, 1, 2, 1), { bytesRead: 2 });
    assert.deepEqual([...bytes], [0, 2, 0xc3]);
    assert.deepEqual(Object.keys(disk.filesIn("folder")), ["a"]);
    await disk.rm("folder/a");
    await assert.rejects(disk.readFile("folder/a", "utf8"), { code: "ENOENT" });
  });

  it("come from a user as they are, and go to one", async () => {
    disk.putFiles("given", [new File(["{}"], "config.json")]);
    disk.putFiles("given", { "model.safetensors": new Blob([Uint8Array.of(1, 2)]) });
    assert.equal(await disk.readFile("given/config.json", "utf8"), "{}");
    assert.equal(disk.filesIn("given")["model.safetensors"]!.size, 2);
    assert.throws(() => disk.readFileSync("given/config.json", "utf8"), /cannot read it at once/);
  });
});

describe("SHA-256 in a page", () => {
  it("is Node's", () => {
    const pieces = fc.array(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.string({ unit: "grapheme" })));
    fc.assert(
      fc.property(pieces, (pieces) => {
        const [ours, nodes] = [sha256(), createHash("sha256")];
        for (const piece of pieces) {
          ours.update(piece);
          nodes.update(piece);
        }
        assert.equal(ours.digest("hex"), nodes.digest("hex"));
      }),
    );
  });
});
