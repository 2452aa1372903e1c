/**
 * A notebook as one HTML file that needs nothing else: figures alive, formulas set, images and scripts inside.
 *
 * Its outputs may come from anyone, so the page forbids by its content security policy every script but the two that
 * we put in, by their hashes, and any word to the network.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { gzipSync } from "node:zlib";
import { classHighlighter, highlightCode } from "@lezer/highlight";
import { parser } from "@lezer/javascript";
import type { NotebookCell, NotebookContent } from "../server/contents/notebook-file";
import type { ExportOptions } from "./index";
import { formulaStyle, Markdown } from "./markdown";
import { escapeHtml, outputHtml } from "./outputs";
import { STYLE } from "./style";

const typescript = parser.configure({ dialect: "ts" });

/** Unpacks Plotly and draws the figures. A script that is put in runs at once, as its hash is allowed. */
const DRAW = `(async () => {
  const text = (id) => document.getElementById(id).textContent;
  const packed = Uint8Array.from(atob(text("plotly")), (c) => c.charCodeAt(0));
  const script = document.createElement("script");
  const code = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  script.textContent = await new Response(code).text();
  document.head.append(script);
  JSON.parse(text("figures")).forEach(({ data, layout = {}, config = {} }, i) =>
    Plotly.newPlot("figure-" + i, data, layout, { responsive: true, displaylogo: false, ...config }));
})();`;

export async function toHtml(notebook: NotebookContent, { name, readImage }: ExportOptions): Promise<string> {
  const markdown = new Markdown(readImage);
  const figures: unknown[] = [];
  const language = String(notebook.metadata.language_info?.name ?? "typescript");
  const cells: string[] = [];
  for (const cell of notebook.cells) cells.push(await cellHtml(cell, language, markdown, figures));
  const prose = notebook.cells.filter(({ cell_type }) => cell_type === "markdown");
  const title = /^#+ +(.+)$/m.exec(prose.map(({ source }) => source).join("\n"))?.[1] ?? name;
  const code = figures.length ? plotly() : "";
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy(code ? [code, DRAW] : [])}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title>`,
    `<style>${STYLE}${markdown.hasFormulas ? formulaStyle() : ""}</style></head>`,
    "<body><main>",
    ...cells,
    "</main>",
    ...(code
      ? [
          data("plotly", "text/plain", gzipSync(code, { level: 9 }).toString("base64")),
          data("figures", "application/json", JSON.stringify(figures).replaceAll("<", "\\u003c")),
          `<script>${DRAW}</script>`,
        ]
      : []),
    "</body></html>",
    "",
  ].join("\n");
}

async function cellHtml(
  cell: NotebookCell,
  language: string,
  markdown: Markdown,
  figures: unknown[],
): Promise<string> {
  if (cell.cell_type === "markdown")
    return `<section class="prose">${await markdown.render(cell.source, cell.attachments)}</section>`;
  if (cell.cell_type !== "code") return `<section><pre>${escapeHtml(cell.source)}</pre></section>`;
  const outputs: string[] = [];
  for (const output of cell.outputs ?? []) outputs.push(await outputHtml(output, markdown, figures));
  const prompt = cell.execution_count ?? " ";
  const code =
    cell.source.trim() === "" ? "" : `<pre class="code">${highlighted(cell.source, language)}</pre>`;
  const shown = outputs.map((output) => `<div class="output">${output}</div>`).join("\n");
  return `<section class="cell"><span class="prompt">[${prompt}]</span>${code}${shown}</section>`;
}

function highlighted(code: string, language: string): string {
  if (!/^(typescript|javascript)$/i.test(language)) return escapeHtml(code);
  let html = "";
  highlightCode(
    code,
    typescript.parse(code),
    classHighlighter,
    (text, classes) => {
      html += classes ? `<span class="${classes}">${escapeHtml(text)}</span>` : escapeHtml(text);
    },
    () => {
      html += "\n";
    },
  );
  return html;
}

/** Once in a file, however many figures it has; packed, it takes a quarter of its 10 MB. */
function plotly(): string {
  return fs.readFileSync(require.resolve("plotly.js-dist"), "utf8");
}

/** Data in the page: a script element that is not run. */
function data(id: string, type: string, text: string): string {
  return `<script type="${type}" id="${id}">${text}</script>`;
}

/** Plotly compiles functions for its 3-D figures; no other script runs, so "unsafe-eval" lets no one else do so. */
function policy(scripts: string[]): string {
  const hashes = scripts.map((code) => `'sha256-${createHash("sha256").update(code).digest("base64")}'`);
  return [
    "default-src 'none'",
    `script-src ${hashes.length ? `${hashes.join(" ")} 'unsafe-eval'` : "'none'"}`,
    "style-src 'unsafe-inline'",
    "img-src data: blob: https:",
    "font-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}
