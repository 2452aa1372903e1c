/** Notebooks as other files: one page of HTML to read, or a script to run. */
import type { NotebookContent } from "../server/contents/notebook-file";
import { toHtml } from "./html";
import { scriptExtension, toScript } from "./script";

export interface ExportOptions {
  /** What the page is called when the notebook has no heading. */
  name: string;
  /** Reads an image that a text cell names by a relative path; undefined when there is none. */
  readImage(path: string): Promise<Buffer | undefined>;
}

export const EXPORT_FORMATS = ["html", "script"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** The notebook in a format, and the extension of its file. */
export async function exportNotebook(
  notebook: NotebookContent,
  format: ExportFormat,
  options: ExportOptions,
): Promise<{ text: string; extension: string }> {
  if (format === "script") return { text: toScript(notebook), extension: scriptExtension(notebook) };
  return { text: await toHtml(notebook, options), extension: ".html" };
}
