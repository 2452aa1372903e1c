/**
 * Runs notebooks headless: every cell through a real kernel over the real protocol, outputs into an executed copy.
 *
 * A notebook fails with its first cell that throws, or whose text outputs do not match the expectation that its
 * metadata states: `"loralab": { "expect": "regular expression" }`.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { KernelClient } from "./client";
import { type Cell, type Notebook, OutputArea, readNotebook, sourceText, writeNotebook } from "./nbformat";

export interface RunOptions {
  /** Where the executed copy is written. */
  out: string;
  /** Tells cells, by `LORALAB_FAST=1`, to take fewer steps. */
  fast?: boolean;
  /** Command of the kernel; by default this package's own. */
  argv?: string[];
  /** Called for each cell in order, a code cell after it ran with the text that it put out. */
  onCell?: (cell: Cell, output: string) => void;
}

export interface NotebookResult {
  file: string;
  seconds: number;
  /** What went wrong, as text for people; undefined when all cells did what they say. */
  failure?: string;
}

/**
 * Runs a notebook in its own folder and writes the executed copy, also when a cell fails.
 *
 * @throws Error when the notebook cannot be read or the kernel does not start
 */
export async function runNotebook(file: string, options: RunOptions): Promise<NotebookResult> {
  const started = performance.now();
  const notebook = readNotebook(file);
  const expectations = notebook.cells.map((cell, i) => expectation(cell, `${file}: cell ${i + 1}`));
  // What earlier runs recorded must not show in this one's outputs: a sweep would only look its trials up.
  const records = fs.mkdtempSync(path.join(os.tmpdir(), "loralab-runs-"));
  const client = await KernelClient.start({
    cwd: path.dirname(path.resolve(file)),
    env: { LORALAB_RUNS: records, ...(options.fast && { LORALAB_FAST: "1" }) },
    argv: options.argv,
  });
  let failure: string | undefined;
  try {
    // As nbclient does; a front end that finds the same takes the notebook as unchanged when it has opened it.
    const { reply } = await client.request("kernel_info_request");
    notebook.metadata.language_info = reply.content.language_info;
    failure = await runCells(client, notebook, expectations, options.onCell);
  } catch (error) {
    failure = (error as Error).message; // the kernel ended
  } finally {
    await client.shutdown();
    fs.rmSync(records, { recursive: true, force: true });
  }
  writeNotebook(options.out, notebook);
  return { file, seconds: (performance.now() - started) / 1000, failure };
}

async function runCells(
  client: KernelClient,
  notebook: Notebook,
  expectations: (RegExp | undefined)[],
  onCell: RunOptions["onCell"],
): Promise<string | undefined> {
  const displays = new Map();
  const code = notebook.cells.filter((cell) => cell.cell_type === "code");
  for (const cell of code) Object.assign(cell, { outputs: [], execution_count: null });
  for (const cell of notebook.cells) {
    const source = sourceText(cell);
    if (cell.cell_type !== "code" || source.trim() === "") {
      onCell?.(cell, "");
      continue;
    }
    const area = new OutputArea(displays);
    cell.outputs = area.outputs;
    const { reply } = await client.execute(source, { onOutput: (message) => area.add(message) });
    cell.execution_count = reply.content.execution_count as number;
    onCell?.(cell, area.text());
    const where = `cell ${notebook.cells.indexOf(cell) + 1} (id ${cell.id})`;
    if (reply.content.status !== "ok") {
      const traceback = (reply.content.traceback as string[] | undefined)?.join("\n") ?? "it was aborted";
      return `${where} failed:\n${traceback}`;
    }
    const expected = expectations[notebook.cells.indexOf(cell)];
    if (expected && !expected.test(area.text()))
      return `${where}: its outputs should match ${expected}, got:\n${area.text() || "(no text)"}`;
  }
  return undefined;
}

/** The expectation in a cell's metadata. */
function expectation(cell: Cell, where: string): RegExp | undefined {
  const expected = (cell.metadata.loralab as { expect?: unknown } | undefined)?.expect;
  if (expected === undefined) return undefined;
  if (typeof expected !== "string")
    throw new Error(`${where}: metadata loralab.expect should be a regular expression as text`);
  try {
    return new RegExp(expected, "m");
  } catch (error) {
    throw new Error(
      `${where}: metadata loralab.expect is not a regular expression: ${(error as Error).message}`,
    );
  }
}
