/** A notebook as a script: its code in order, its prose as comments, `// %%` where a cell begins (editors know it). */
import type { NotebookContent } from "../server/contents/notebook-file";

export function toScript(notebook: NotebookContent): string {
  const comment = commentOf(notebook);
  const commented = (text: string) => text.replace(/^/gm, `${comment} `).replace(/ +$/gm, "");
  const cells = notebook.cells.map(({ cell_type, source }) =>
    cell_type === "code" ? `${comment} %%\n${source}` : `${comment} %% [${cell_type}]\n${commented(source)}`,
  );
  return `${cells.map((cell) => cell.trimEnd()).join("\n\n")}\n`;
}

export function scriptExtension({ metadata }: NotebookContent): string {
  const extension = metadata.language_info?.file_extension;
  return typeof extension === "string" && /^\.\w+$/.test(extension) ? extension : ".ts";
}

function commentOf({ metadata }: NotebookContent): string {
  const language = String(metadata.language_info?.name ?? metadata.kernelspec?.language ?? "typescript");
  return ["python", "r", "julia", "ruby", "bash"].includes(language.toLowerCase()) ? "#" : "//";
}
