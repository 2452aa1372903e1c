/**
 * HTML that is safe by construction, and the look of our cards.
 *
 * The markup is plain tables and paragraphs, readable where styles are stripped (GitHub, untrusted notebooks). Colours
 * come from the theme: JupyterLab's variables where they exist, else whatever colour the text around has.
 */

import { percent } from "../measure/format";

/** Markup, as opposed to text: `html` inserts it as it is. */
export class Html {
  constructor(readonly source: string) {}
}

export type Content = string | number | Html | undefined | readonly Content[];

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c]);

/** html`<b>${text}</b>`: text is escaped, Html inserted, lists joined, undefined left out. */
export function html(strings: TemplateStringsArray, ...values: Content[]): Html {
  return new Html(strings.reduce((all, part, i) => all + render(values[i - 1]) + part));
}

function render(value: Content): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.source;
  if (Array.isArray(value)) return value.map(render).join("");
  return escapeHtml(String(value));
}

export interface Column {
  head: Content;
  /** Numbers stand at the right. */
  number?: boolean;
}

export interface TableRow {
  cells: readonly Content[];
  /** Less important than its neighbours. */
  faint?: boolean;
}

/** @param foot rows of totals */
export function table(
  heads: readonly Column[],
  body: readonly TableRow[],
  foot: readonly TableRow[] = [],
): Html {
  const kind = (i: number) => new Html(heads[i].number ? ' class="n" align="right"' : ' align="left"');
  const row = ({ cells, faint }: TableRow) =>
    html`<tr${new Html(faint ? ' class="faint"' : "")}>${cells.map((cell, i) => html`<td${kind(i)}>${cell}</td>`)}</tr>`;
  // A wide one scrolls by itself: the page around it stays where it is.
  return html`<div style="overflow-x:auto"><table><thead><tr>${heads.map(({ head }, i) => html`<th${kind(i)}>${head}</th>`)}</tr></thead><tbody>${body.map(row)}</tbody>${
    foot.length > 0 ? html`<tfoot>${foot.map(row)}</tfoot>` : ""
  }</table></div>`;
}

/** A percentage with a bar behind it; the text alone where styles are stripped. */
export function bar(fraction: number): Html {
  const width = `${(100 * fraction).toFixed(1)}%`;
  const fill = "var(--jp-brand-color2, #7baaf7)";
  return html`<span style="display:inline-block;min-width:6em;background:linear-gradient(to left,${fill} ${width},transparent ${width}) no-repeat bottom/100% 3px;padding-bottom:3px">${percent(fraction)}</span>`;
}

const TEXT = "var(--jp-ui-font-color1, currentColor)";
const FAINT = "var(--jp-ui-font-color2, var(--vscode-descriptionForeground, #808080))";
const LINE = "var(--jp-border-color2, rgba(128, 128, 128, 0.35))";

// Two classes per selector: JupyterLab's own rules for tables in outputs have one.
const STYLE = new Html(
  `
.loralab.card { color: ${TEXT}; font-family: var(--jp-ui-font-family, system-ui, sans-serif); font-size: 13px; line-height: 1.45; }
.loralab.card p { margin: 0.3em 0 0.6em; max-width: 60em; }
.loralab.card .title { font-size: 15px; font-weight: 600; margin: 0.2em 0; }
.loralab.card table { border-collapse: collapse; border: none; margin: 0.5em 0 0.9em; font-size: 12px; table-layout: auto; width: auto; }
.loralab.card tr { background: none; border: none; }
.loralab.card th, .loralab.card td { border: none; border-top: 1px solid ${LINE}; padding: 0.25em 1.2em 0.25em 0; text-align: left; vertical-align: top; white-space: normal; }
.loralab.card thead th { border-top: none; color: ${FAINT}; font-weight: 500; }
.loralab.card .claim { color: ${TEXT}; font-size: 13px; font-weight: 600; }
.loralab.card .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.loralab.card tfoot td { font-weight: 600; }
.loralab.card .faint, .loralab.card .faint td { color: ${FAINT}; }
.loralab.card .text { white-space: pre-wrap; }
.loralab.card summary { cursor: pointer; color: ${FAINT}; }
`.replace(/\n/g, ""),
);

/** Wraps the content of one output. */
export function card(...content: Content[]): Html {
  return html`<div class="loralab card"><style>${STYLE}</style>${content}</div>`;
}
