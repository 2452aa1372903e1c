import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { readNotebook } from "../../kernel/nbformat";
import { runNotebook } from "../../kernel/notebooks";
import { temporaryFolder } from "./support";

const folder = temporaryFolder();
after(() => fs.rmSync(folder, { recursive: true }));

/** A notebook of code cells; a cell is its source, or its source and its expectation. */
function notebookFile(name: string, cells: (string | [string, string])[], changes: object = {}): string {
  const code = cells.map((cell, i) => {
    const [source, expect] = typeof cell === "string" ? [cell] : cell;
    const metadata = expect === undefined ? {} : { loralab: { expect } };
    return { cell_type: "code", id: `c${i}`, metadata, source, outputs: [], execution_count: null };
  });
  const file = path.join(folder, name);
  const markdown = { cell_type: "markdown", id: "text", metadata: {}, source: ["# Title\n", "text"] };
  fs.writeFileSync(
    file,
    JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [markdown, ...code], ...changes }),
  );
  return file;
}

describe("kernel: notebooks", () => {
  it("are run in their folder and written with their outputs", async () => {
    fs.writeFileSync(path.join(folder, "number.ts"), "export const n = 20;\n");
    const file = notebookFile("good.ipynb", [
      "import { n } from './number';\nconsole.log('n is', n);\nconsole.log('and', n + 1)",
      ["n + 1", "^21$"],
      "display('first', { id: 'd' }); display('second', { id: 'd' });\nconsole.log('x'); clearOutput({ wait: true }); console.log('y')",
      "display('kept', { id: 'e' }); display({ [Symbol.for('Jupyter.display')]: () => ({ 'text/plain': 'a\\nb', 'application/json': [1] }) }, { id: 'e' })",
      ["process.env.LORALAB_FAST", "1"],
      "",
    ]);
    const out = path.join(folder, "out.ipynb");
    const { failure, seconds } = await runNotebook(file, { out, fast: true });
    assert.equal(failure, undefined);
    assert.ok(seconds > 0);
    const { cells, metadata } = readNotebook(out);
    const { name, codemirror_mode } = metadata.language_info as Record<string, unknown>;
    assert.deepEqual(
      { name, codemirror_mode },
      { name: "typescript", codemirror_mode: { name: "typescript" } },
    );
    const code = cells.filter((cell) => cell.cell_type === "code");
    assert.deepEqual(
      code.map((cell) => cell.execution_count),
      [1, 2, 3, 4, 5, null],
    );
    assert.deepEqual(code[0]!.outputs, [
      { output_type: "stream", name: "stdout", text: ["n is 20\n", "and 21\n"] },
    ]);
    assert.deepEqual(code[1]!.outputs, [
      { output_type: "execute_result", data: { "text/plain": ["21"] }, metadata: {}, execution_count: 2 },
    ]);
    assert.deepEqual(code[2]!.outputs, [{ output_type: "stream", name: "stdout", text: ["y\n"] }]);
    assert.deepEqual(code[3]!.outputs, [
      {
        output_type: "display_data",
        data: { "text/plain": ["a\n", "b"], "application/json": [1] },
        metadata: {},
      },
    ]);
  });

  it("fail with the first cell that throws, which is in the executed copy", async () => {
    const file = notebookFile("throws.ipynb", ["1", "throw new Error('no luck')", "2"]);
    const out = path.join(folder, "threw.ipynb");
    const { failure } = await runNotebook(file, { out });
    assert.match(failure!, /^cell 3 \(id c1\) failed:\n.*no luck/);
    const code = readNotebook(out).cells.slice(1);
    assert.equal(code[1]!.outputs![0]!.ename, "Error");
    assert.deepEqual(code[2]!.outputs, []);
  });

  it("fail when a cell does not show what it states", async () => {
    const file = notebookFile("wrong.ipynb", [["console.log('loss: 3')", "loss: [01]"]]);
    const { failure } = await runNotebook(file, { out: file });
    assert.equal(failure, "cell 2 (id c0): its outputs should match /loss: [01]/m, got:\nloss: 3\n");
  });

  it("fail when their kernel ends", async () => {
    const file = notebookFile("killed.ipynb", [
      "process.kill(process.ppid, 'SIGKILL'); await new Promise(() => {})",
    ]);
    const { failure } = await runNotebook(file, { out: file });
    assert.match(failure!, /the kernel ended \(SIGKILL\)/);
  });

  it("are refused with the reason when they cannot be read", async () => {
    const refused = (file: string, reason: RegExp) => assert.throws(() => readNotebook(file), reason);
    refused(path.join(folder, "none.ipynb"), /none\.ipynb: ENOENT/);
    const broken = path.join(folder, "broken.ipynb");
    fs.writeFileSync(broken, "{ nope");
    refused(broken, /broken\.ipynb: not a notebook, invalid JSON/);
    fs.writeFileSync(broken, "[]");
    refused(broken, /not a notebook: it has no number "nbformat"/);
    refused(notebookFile("v3.ipynb", [], { nbformat: 3 }), /expected a notebook of format 4, got 3\.5/);
    refused(notebookFile("v6.ipynb", [], { nbformat_minor: 6 }), /format 4\.5 or older, got 4\.6/);
    refused(notebookFile("cells.ipynb", [], { cells: {} }), /expected a list "cells"/);
    const cell = { cell_type: "code", id: "a", metadata: {}, source: "" };
    refused(
      notebookFile("id.ipynb", [], { cells: [{ ...cell, id: undefined }] }),
      /cell 1 should have an id/,
    );
    refused(
      notebookFile("twice.ipynb", [], { cells: [cell, cell] }),
      /cell 2 has the id "a" of an earlier cell/,
    );
    refused(
      notebookFile("type.ipynb", [], { cells: [{ ...cell, cell_type: "magic" }] }),
      /cell 1 should be of type .*, got "magic"/,
    );
    refused(
      notebookFile("source.ipynb", [], { cells: [{ ...cell, source: 3 }] }),
      /cell 1 should have a text/,
    );
  });

  it("of format 4.4 get ids", () => {
    const cell = { cell_type: "code", metadata: {}, source: "1" };
    const { nbformat_minor, cells } = readNotebook(
      notebookFile("old.ipynb", [], { nbformat_minor: 4, cells: [cell, cell] }),
    );
    assert.equal(nbformat_minor, 5);
    assert.equal(new Set(cells.map(({ id }) => id)).size, 2);
  });

  it("with an expectation that is no regular expression are refused before anything runs", async () => {
    const file = notebookFile("regexp.ipynb", [["1", "("]]);
    await assert.rejects(
      runNotebook(file, { out: file }),
      /cell 2: metadata loralab\.expect is not a regular expression/,
    );
  });
});
