/**
 * danfo data frames and series as tables that can be read down a column: numbers at the right with grouped thousands, each
 * column with as many decimals as it needs and no more; text at the left; wide tables scroll.
 */
import { inspect } from "node:util";
import type { MimeBundle } from "../protocol/messages";
import { escapeHtml } from "./html";

/** More rows than this are shown in part: the first ones and the last few. */
const ROWS = 30;
const LAST = 5;
/** Significant digits of a column's largest number. */
const DIGITS = 5;
/** Characters of a text; more of them stand in the tip that a pointer brings up. */
const TEXT = 100;

interface Frame {
  columns: string[];
  index: (string | number)[];
  values: unknown[];
  shape: number[];
  print: unknown;
}

/** Told by its shape, not by its class: a notebook may load another copy of danfo than the kernel could. */
export function isFrame(value: any): value is Frame {
  return (
    typeof value === "object" &&
    value !== null &&
    Array.isArray(value.columns) &&
    Array.isArray(value.index) &&
    Array.isArray(value.values) &&
    typeof value.print === "function"
  );
}

interface ShownColumn {
  name: string;
  isNumeric: boolean;
  cells: string[];
}

export function frameBundle({ columns, index, values }: Frame): MimeBundle {
  const rows = values.map((row) => (Array.isArray(row) ? row : [row]));
  const places = [...rows.keys()];
  const [first, last] =
    rows.length > ROWS ? [places.slice(0, ROWS - LAST), places.slice(-LAST)] : [places, []];
  const shown = [...first, ...last];
  const all: ShownColumn[] = [
    shownColumn(
      "",
      shown.map((i) => index[i]),
    ),
    ...columns.map((name, c) =>
      shownColumn(
        name,
        shown.map((i) => rows[i]![c]),
      ),
    ),
  ];
  const gap = last.length > 0 ? first.length : undefined;
  const part = gap === undefined ? "" : `, the first ${first.length} and the last ${last.length} shown`;
  const size = `${grouped(rows.length, 0)} rows × ${columns.length} columns${part}`;
  return { "text/plain": `${textTable(all, gap)}\n${size}`, "text/html": htmlTable(all, size, gap) };
}

function shownColumn(name: string, values: unknown[]): ShownColumn {
  const present = values.filter((value) => value !== undefined && value !== null);
  const isNumeric = present.length > 0 && present.every((value) => typeof value === "number");
  const decimals = isNumeric ? decimalsOf(present as number[]) : 0;
  const cells = values.map((value) =>
    typeof value === "number" ? numberText(value, decimals) : cellText(value),
  );
  return { name: cellText(name), isNumeric, cells };
}

/** As many as the column's largest number has within its significant digits, less those that are zero in all of them. */
function decimalsOf(values: number[]): number {
  const sizes = values.map(Math.abs).filter((size) => Number.isFinite(size) && size > 0);
  const largest = Math.max(...sizes, 0);
  if (largest === 0) return 0;
  const most = Math.min(9, Math.max(0, DIGITS - 1 - Math.floor(Math.log10(largest))));
  for (let decimals = 0; decimals < most; decimals++)
    if (sizes.every((size) => size.toFixed(most) === Number(size.toFixed(decimals)).toFixed(most)))
      return decimals;
  return most;
}

function numberText(value: number, decimals: number): string {
  if (!Number.isFinite(value) || value === 0) return String(value);
  const size = Math.abs(value);
  // A number that the column's decimals would round by more than a hundredth of itself.
  const isLost = Math.abs(Number(value.toFixed(decimals)) / value - 1) > 0.01;
  if (size >= 1e15 || (isLost && size < 1e-3)) return Number(value.toPrecision(3)).toExponential();
  return isLost ? String(Number(value.toPrecision(3))) : grouped(value, decimals);
}

const grouped = (value: number, decimals: number): string =>
  value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

function cellText(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? inspect(value, { breakLength: Infinity }) : String(value);
}

const cut = (text: string): string => (text.length > TEXT ? `${text.slice(0, TEXT - 1)}…` : text);

function textTable(columns: ShownColumn[], gap: number | undefined): string {
  const padded = columns.map(({ name, isNumeric, cells }) => {
    const lines = [name, ...cells.map(cut)].map((line) => line.replaceAll("\n", " "));
    const width = Math.max(...lines.map((line) => line.length));
    return lines.map((line) => (isNumeric ? line.padStart(width) : line.padEnd(width)));
  });
  const lines = padded[0]!.map((_, i) =>
    padded
      .map((column) => column[i])
      .join("  ")
      .trimEnd(),
  );
  if (gap !== undefined) lines.splice(gap + 1, 0, "…");
  return lines.join("\n");
}

function htmlTable(columns: ShownColumn[], size: string, gap: number | undefined): string {
  // Said twice: pages have rules of their own for tables, and where styles are taken out the attribute is left.
  const side = ({ isNumeric }: ShownColumn) => {
    const where = isNumeric ? "right" : "left";
    return ` align="${where}" style="text-align:${where}${isNumeric ? ";font-variant-numeric:tabular-nums" : ""}"`;
  };
  const sides = columns.map(side);
  const cell = (tag: string, c: number, text: string) => {
    const tip = text.length > TEXT ? ` title="${escapeHtml(text)}"` : "";
    return `<${tag}${sides[c]}${tip}>${escapeHtml(cut(text))}</${tag}>`;
  };
  const head = columns.map(({ name }, c) => cell("th", c, name)).join("");
  const rows = columns[0]!.cells.map(
    (_, i) => `<tr>${columns.map(({ cells }, c) => cell(c === 0 ? "th" : "td", c, cells[i]!)).join("")}</tr>`,
  );
  if (gap !== undefined)
    rows.splice(gap, 0, `<tr>${columns.map((_, c) => cell("td", c, "⋮")).join("")}</tr>`);
  return (
    `<div style="overflow-x:auto;max-width:100%"><table><thead><tr>${head}</tr></thead>` +
    `<tbody>${rows.join("")}</tbody></table></div><p>${size}</p>`
  );
}
