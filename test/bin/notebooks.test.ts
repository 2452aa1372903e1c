import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { readNotebook, sourceText } from "../../kernel/nbformat";
import { temporaryFolder } from "../kernel/support";
import { loralab } from "./command";

describe("loralab notebooks", () => {
  const folder = temporaryFolder();
  after(() => fs.rmSync(folder, { recursive: true }));

  /** A notebook that says how long it takes, with one cell of code. */
  function notebook(name: string, source: string): string {
    const cells = [
      { cell_type: "markdown", id: "a", metadata: {}, source: "# 1 · One\n\n- **Minutes.** 77 on two cores" },
      { cell_type: "code", id: "b", metadata: {}, source, outputs: [], execution_count: null },
    ];
    const file = path.join(folder, name);
    const metadata = { loralab: { title: "One", minutes: 77 } };
    fs.writeFileSync(file, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata, cells }));
    return file;
  }

  it("--full keeps outputs and measured minutes where all cells did well, and nothing elsewhere", () => {
    const good = notebook("good.ipynb", "[process.env.LORALAB_FAST, 41 + 1]");
    const bad = notebook("bad.ipynb", "throw new Error('no luck')");
    const before = fs.readFileSync(bad, "utf8");
    const { status, stdout, stderr } = loralab(["notebooks", "--full", good, bad]);
    assert.equal(status, 1);
    assert.match(stdout, /^ok +[\d.]+ s +.*good\.ipynb$/m);
    assert.match(stdout, /^failed +[\d.]+ s +.*bad\.ipynb$/m);
    assert.match(stdout, /^in all +[\d.]+ (s|min)$/m);
    assert.match(stderr, /no luck/);
    const { metadata, cells } = readNotebook(good);
    assert.deepEqual(metadata.loralab, { title: "One", minutes: 1 });
    assert.match(sourceText(cells[0]!), /^- \*\*Minutes\.\*\* 1 on two cores$/m);
    assert.deepEqual((cells[1]!.outputs![0]!.data as any)["text/plain"], ["[ undefined, 42 ]"]);
    assert.equal(fs.readFileSync(bad, "utf8"), before);
  });

  it("is either fast or full", () => {
    const { status, stderr } = loralab(["notebooks", "--fast", "--full"]);
    assert.equal(status, 2);
    assert.match(stderr, /--fast and --full exclude each other/);
  });
});
