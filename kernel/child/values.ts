/**
 * Any value as a MIME bundle.
 *
 * A value that offers `Symbol.for("Jupyter.display")` decides for itself; tensors and data frames are recognised by
 * their shape of object, not by class, as a notebook may load another copy of their package than the kernel could.
 */
import { inspect } from "node:util";
import type { MimeBundle } from "../protocol/messages";
import { withoutAsyncIds } from "./async-ids";
import { isTensor, tensorBundle } from "./tensors";

export const DISPLAY = Symbol.for("Jupyter.display");
const ROWS = 30;

/** A promise only when the value's own method returns one. */
export function mimeBundle(value: unknown): MimeBundle | Promise<MimeBundle> {
  const method = isObject(value) ? value[DISPLAY] : undefined;
  if (typeof method === "function") {
    const offered = method.call(value);
    return offered instanceof Promise ? offered.then(checkBundle) : checkBundle(offered);
  }
  if (isTensor(value)) return tensorBundle(value);
  if (isFrame(value)) return frameBundle(value);
  return { "text/plain": plain(value) };
}

/** A bundle as a value offered it, always with a text. */
function checkBundle(bundle: unknown): MimeBundle {
  if (!isObject(bundle))
    throw new TypeError(`Symbol.for("Jupyter.display") should return a MIME bundle, got ${plain(bundle)}`);
  return "text/plain" in bundle ? bundle : { ...bundle, "text/plain": Object.keys(bundle).join(", ") };
}

function plain(value: unknown): string {
  const options = { depth: 4, maxArrayLength: 100, maxStringLength: 10_000, breakLength: 100 };
  return withoutAsyncIds(inspect(value, options));
}

function isObject(value: unknown): value is Record<PropertyKey, any> {
  return (typeof value === "object" || typeof value === "function") && value !== null;
}

// --- danfo data frames and series ---

interface Frame {
  columns: string[];
  index: (string | number)[];
  values: unknown[];
  shape: number[];
  print: unknown;
}

function isFrame(value: unknown): value is Frame {
  return (
    isObject(value) &&
    Array.isArray(value.columns) &&
    Array.isArray(value.index) &&
    Array.isArray(value.values) &&
    typeof value.print === "function"
  );
}

function frameBundle(frame: Frame): MimeBundle {
  const rows = frame.values.map((row) => (Array.isArray(row) ? row : [row]));
  const shown = rows.slice(0, ROWS);
  const size = `${rows.length} rows × ${frame.columns.length} columns`;
  return { "text/plain": `${textTable(frame, shown)}\n${size}`, "text/html": htmlTable(frame, shown, size) };
}

function textTable(frame: Frame, rows: unknown[][]): string {
  const table = [["", ...frame.columns], ...rows.map((row, i) => [frame.index[i], ...row])].map((row) =>
    row.map(cellText),
  );
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table.map((row) => row.map((text, column) => text.padStart(widths[column]!)).join("  ")).join("\n");
}

function htmlTable(frame: Frame, rows: unknown[][], size: string): string {
  const head = ["", ...frame.columns].map((name) => `<th>${escapeHtml(cellText(name))}</th>`).join("");
  const body = rows.map((row, i) => {
    const cells = row.map((value) => `<td>${escapeHtml(cellText(value))}</td>`).join("");
    return `<tr><th>${escapeHtml(cellText(frame.index[i]))}</th>${cells}</tr>`;
  });
  const more = rows.length < frame.values.length ? `, the first ${rows.length} shown` : "";
  return `<table><thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody></table><p>${size}${more}</p>`;
}

function cellText(value: unknown): string {
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(6)));
  return typeof value === "string" ? value : value === undefined ? "" : String(value);
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&${{ "&": "amp", "<": "lt", ">": "gt", '"': "quot" }[c]};`);
}
