/** `loralab export notebook.ipynb`: a page to read or a script to run. */
import fs from "node:fs/promises";
import path from "node:path";
import { type Command, Option } from "commander";
import { exportNotebook } from "../../lab/export";
import { writeAtomic } from "../../lab/server/contents/atomic";
import { parseNotebook } from "../../lab/server/contents/notebook-file";

export function exportCommand(program: Command): void {
  program
    .command("export")
    .summary("a notebook as a page to read, or a script to run")
    .description(
      "Writes a notebook, with the outputs it was saved with, as one HTML file that needs nothing else (figures stay " +
        "alive, offline too), or its code as a script.",
    )
    .argument("<notebook>", "the .ipynb file")
    .addOption(new Option("--to <format>", "what to write").choices(["html", "ts"]).default("html"))
    .option("-o, --out <file>", "where to write it (default: beside the notebook)")
    .action(async (notebook: string, { to, out }: { to: "html" | "ts"; out?: string }) => {
      const name = path.basename(notebook, ".ipynb");
      const folder = path.dirname(notebook);
      const { text, extension } = await exportNotebook(
        parseNotebook(await read(notebook), notebook),
        to === "ts" ? "script" : "html",
        { name, readImage: (image) => fs.readFile(path.resolve(folder, image)).catch(() => undefined) },
      );
      const file = out ?? path.join(folder, name + extension);
      await writeAtomic(file, text).catch((error: Error) => {
        throw new Error(`cannot write ${file}: ${error.message}`);
      });
      console.log(file);
    });
}

async function read(notebook: string): Promise<string> {
  return fs.readFile(notebook, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      error.code === "ENOENT"
        ? `there is no notebook ${notebook}`
        : `cannot read ${notebook}: ${error.message}`,
    );
  });
}
