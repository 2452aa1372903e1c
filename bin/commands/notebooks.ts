/** `loralab notebooks [files…]`: runs notebooks headless and says which of them did not do what they state. */
import fs from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { runNotebook } from "../../kernel/notebooks";

interface Options {
  out?: string;
  inplace?: boolean;
  fast?: boolean;
}

export function notebooksCommand(program: Command): void {
  program
    .command("notebooks")
    .description("run notebooks headless; fails when a cell fails or does not show what it states")
    .argument("[files...]", "notebooks (default: notebooks/*.ipynb)")
    .option("--out <folder>", "folder for the executed copies (default: executed/ beside each notebook)")
    .option("--inplace", "write the outputs into the notebooks themselves")
    .option("--fast", "fewer training steps: sets LORALAB_FAST=1 for the cells")
    .action(async (files: string[], options: Options) => {
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
  for (const file of files) {
    try {
      const { seconds, failure } = await runNotebook(file, {
        out: outputFile(file, options),
        fast: options.fast,
      });
      console.log(`${failure ? "failed" : "ok    "} ${seconds.toFixed(1).padStart(6)} s  ${file}`);
      if (failure) console.error(failure);
      if (failure) failures++;
    } catch (error) {
      console.error(`failed           ${(error as Error).message}`);
      failures++;
    }
  }
  return failures ? 1 : 0;
}

function notebooksIn(folder: string): string[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith(".ipynb"))
    .sort()
    .map((name) => path.join(folder, name));
}

function outputFile(file: string, { out, inplace }: Options): string {
  if (inplace) return file;
  const folder = out ?? path.join(path.dirname(file), "executed");
  fs.mkdirSync(folder, { recursive: true });
  return path.join(folder, path.basename(file));
}
