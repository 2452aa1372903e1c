/** Outputs of cells as HTML. */
import anser from "anser";
import type { Markdown } from "./markdown";

/** What a value is shown as, the richest that a page can show first. */
const SHOWN = [
  "application/vnd.plotly.v1+json",
  "text/html",
  "text/markdown",
  "image/svg+xml",
  "image/png",
  "image/jpeg",
  "image/gif",
  "text/latex",
  "text/plain",
];

/** @param figures gathers the Plotly figures, which the page draws when it is opened */
export async function outputHtml(
  output: Record<string, any>,
  markdown: Markdown,
  figures: unknown[],
): Promise<string> {
  switch (output.output_type) {
    case "stream":
      return `<pre class="${output.name === "stderr" ? "stderr" : "stdout"}">${terminalText(String(output.text))}</pre>`;
    case "error": {
      const lines = output.traceback?.length ? output.traceback : [`${output.ename}: ${output.evalue}`];
      return `<pre class="error">${terminalText(lines.join("\n"))}</pre>`;
    }
    default: {
      const data: Record<string, unknown> = output.data ?? {};
      const type = SHOWN.find((one) => data[one] !== undefined);
      return type === undefined ? "" : valueHtml(type, data[type], markdown, figures);
    }
  }
}

async function valueHtml(type: string, value: any, markdown: Markdown, figures: unknown[]): Promise<string> {
  switch (type) {
    case "application/vnd.plotly.v1+json":
      return `<div class="figure" id="figure-${figures.push(value) - 1}"></div>`;
    case "text/html":
      return `<div class="html">${value}</div>`;
    case "text/markdown":
      return `<div class="prose">${await markdown.render(String(value))}</div>`;
    case "text/latex":
      return markdown.formula(String(value).replace(/^\s*\$+|\$+\s*$/g, ""), true);
    case "image/svg+xml":
      // As an image, it cannot run anything.
      return `<img alt="" src="data:image/svg+xml;base64,${Buffer.from(String(value)).toString("base64")}">`;
    case "text/plain":
      return `<pre>${terminalText(String(value))}</pre>`;
    default:
      return `<img alt="" src="data:${type};base64,${String(value).replace(/\s/g, "")}">`;
  }
}

/** Text as a terminal shows it: colours, and lines that were overwritten (`\r`) as they ended. */
function terminalText(text: string): string {
  const lines = text.split("\n").map((line) => line.replace(/\r+$/, "").split("\r").at(-1)!);
  return anser.ansiToHtml(escapeHtml(lines.join("\n")));
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);
}
