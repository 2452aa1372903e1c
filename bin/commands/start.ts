/** `loralab start`: runs the first tutorial on this computer, shows each cell as it finishes, and keeps the result. */
import fs from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { packageRoot } from "../../kernel/entry";
import { type Cell, sourceText } from "../../kernel/nbformat";
import { runNotebook } from "../../kernel/notebooks";

const TUTORIAL = "01-what-lora-is.ipynb";

export function startCommand(program: Command): void {
  program
    .command("start")
    .description("run the first tutorial on the real base model and show what comes out")
    .option("--fast", "fewer training steps")
    .option("--out <folder>", "where the executed notebook goes", path.join("notebooks", "executed"))
    .action(async ({ fast, out }: { fast?: boolean; out: string }) => {
      fs.mkdirSync(out, { recursive: true });
      const result = path.join(out, TUTORIAL);
      const { seconds, failure } = await runNotebook(path.join(packageRoot(), "notebooks", TUTORIAL), {
        out: result,
        fast,
        onCell: show,
      });
      if (failure) throw new Error(failure);
      console.log(
        `\nThe whole tutorial ran in ${seconds.toFixed(0)} s. With its figures and tables it is in`,
      );
      console.log(`  ${path.resolve(result)}`);
      console.log(
        "Open that file in JupyterLab or VS Code; `npx loralab kernel install` lets you run it there.",
      );
    });
}

/** Headings of prose, and of code the text that it put out. */
function show(cell: Cell, output: string): void {
  if (cell.cell_type === "markdown") {
    const heading = /^#+ (.+)$/m.exec(sourceText(cell));
    if (heading) console.log(`\n── ${heading[1]}`);
  } else if (output.trim()) {
    console.log(`\n${output.trimEnd()}`);
  }
}
