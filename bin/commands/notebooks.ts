/** `loralab notebooks [files…]`: runs notebooks headless and says which of them did not do what they state. */
import fs from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { type Notebook, readNotebook, sourceText, toLines, writeNotebook } from "../../kernel/nbformat";
import { runNotebook } from "../../kernel/notebooks";

interface Options {
  out?: string;
  fast?: boolean;
  full?: boolean;
}

export function notebooksCommand(program: Command): void {
  program
    .command("notebooks")
    .description("run notebooks headless; fails when a cell fails or does not show what it states")
    .argument("[files...]", "notebooks (default: notebooks/*.ipynb)")
    .option("--out <folder>", "folder for the executed copies (default: executed/ beside each notebook)")
    .option("--fast", "fewer training steps: sets LORALAB_FAST=1 for the cells")
    .option(
      "--full",
      "write outputs and measured minutes into the notebooks themselves, where all cells did well",
    )
    .action(async (files: string[], options: Options) => {
      if (options.fast && options.full) program.error("error: --fast and --full exclude each other");
      process.exitCode = await runNotebooks(files, options);
    });
}

/** @returns the exit code */
async function runNotebooks(named: string[], options: Options): Promise<number> {
  const files = named.length ? named : notebooksIn("notebooks");
  if (files.length === 0) {
    console.error("no notebooks: name some, or run this in a folder that has notebooks/*.ipynb");
    return 1;
  }
  let failures = 0;
  let total = 0;
  for (const file of files) {
    try {
      const out = outputFile(file, options);
      const { seconds, failure } = await runNotebook(file, { out, fast: options.fast });
      total += seconds;
      if (options.full && !failure)
        writeNotebook(file, withMinutes(withoutControls(readNotebook(out)), seconds));
      console.log(`${failure ? "failed" : "ok    "} ${time(seconds)}  ${file}`);
      if (failure) console.error(failure);
      if (failure) failures++;
    } catch (error) {
      console.error(`failed           ${(error as Error).message}`);
      failures++;
    }
  }
  if (files.length > 1) console.log(`in all ${time(total)}`);
  return failures ? 1 : 0;
}

function time(seconds: number): string {
  return seconds < 60
    ? `${seconds.toFixed(1)} s`.padStart(9)
    : `${(seconds / 60).toFixed(1)} min`.padStart(9);
}

/** The notebook with the time that it took, in its metadata, which the shelf shows, and after "**Minutes.**" in its first cell. */
function withMinutes(notebook: Notebook, seconds: number): Notebook {
  const minutes = Math.max(1, Math.round(seconds / 60));
  notebook.metadata.loralab = { ...(notebook.metadata.loralab as object | undefined), minutes };
  const first = notebook.cells[0];
  if (first) first.source = toLines(sourceText(first).replace(/(\*\*Minutes\.\*\* )\d+/, `$1${minutes}`));
  return notebook;
}

/** The notebook without the controls that it showed: they belong to the kernel that is gone, and a page would miss their models. */
function withoutControls(notebook: Notebook): Notebook {
  const isControl = (output: any) => "application/vnd.jupyter.widget-view+json" in (output.data ?? {});
  for (const cell of notebook.cells) cell.outputs &&= cell.outputs.filter((output) => !isControl(output));
  return notebook;
}

function notebooksIn(folder: string): string[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith(".ipynb"))
    .sort()
    .map((name) => path.join(folder, name));
}

function outputFile(file: string, { out }: Options): string {
  const folder = out ?? path.join(path.dirname(file), "executed");
  fs.mkdirSync(folder, { recursive: true });
  return path.join(folder, path.basename(file));
}
