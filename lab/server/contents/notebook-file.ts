/**
 * Notebook files, read and written as nbformat does: texts as one string in memory and as lists of lines on disk,
 * keys sorted, one space of indent, so that a save here and a save in Jupyter differ by what was edited alone.
 */
import { toLines } from "../../../kernel/nbformat";
import { HttpError } from "../errors";

export interface NotebookCell {
  id?: string;
  cell_type: string;
  source: string;
  metadata: Record<string, any>;
  attachments?: Record<string, Record<string, unknown>>;
  outputs?: Record<string, any>[];
  execution_count?: number | null;
}

export interface NotebookContent {
  nbformat: number;
  nbformat_minor: number;
  metadata: Record<string, any>;
  cells: NotebookCell[];
}

const FORMAT = 4;
const MINOR = 5;

/**
 * Parses the text of a notebook file.
 *
 * @throws HttpError 400 when it is no notebook, or one of a format that is not 4
 */
export function parseNotebook(text: string, name: string): NotebookContent {
  const unreadable = (what: string) => new HttpError(400, `Unreadable Notebook: ${name}: ${what}`);
  let value: any;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw unreadable(
      `it is not JSON (${(error as Error).message}); open it with the text editor to repair it`,
    );
  }
  if (!Number.isInteger(value?.nbformat)) throw unreadable('it has no number "nbformat"');
  if (value.nbformat !== FORMAT)
    throw unreadable(
      `expected format ${FORMAT}, got ${value.nbformat}.${value.nbformat_minor ?? 0}; ` +
        (value.nbformat > FORMAT ? "a newer version may read it" : "convert it with Jupyter first"),
    );
  if (!Array.isArray(value.cells) || !value.cells.every(isObject))
    throw unreadable('expected a list of cells as "cells"');
  value.nbformat_minor ??= 0;
  value.metadata ??= {};
  for (const cell of value.cells) {
    cell.source = joined(cell.source ?? "");
    cell.metadata ??= {};
    if (cell.cell_type === "code") {
      cell.outputs ??= [];
      cell.execution_count ??= null;
    }
    eachText(cell, (type) => !isJson(type), joined);
  }
  if (value.nbformat_minor < MINOR) {
    // The same ids at every reading, so that a page that is loaded again finds the outputs of its cells.
    value.cells.forEach((cell: NotebookCell, i: number) => {
      cell.id = `cell-${i + 1}`;
    });
    value.nbformat_minor = MINOR;
  }
  return value;
}

/** The text of a notebook's file. What is only of the moment (trust, conversion) is left out. */
export function formatNotebook(notebook: NotebookContent): string {
  const copy = sorted(notebook) as NotebookContent;
  for (const key of ["orig_nbformat", "orig_nbformat_minor", "signature"]) delete copy.metadata?.[key];
  for (const cell of copy.cells) {
    delete cell.metadata?.trusted;
    if (typeof cell.source === "string") (cell as any).source = toLines(cell.source);
    eachText(cell, isSplit, (text) => (typeof text === "string" ? toLines(text) : text));
  }
  return `${JSON.stringify(copy, null, 1)}\n`;
}

/**
 * What is wrong with a notebook, as text for people; undefined when nothing is.
 *
 * @throws HttpError 400 when it is so wrong that it could not be opened again
 */
export function checkNotebook(value: unknown): string | undefined {
  const notebook = value as NotebookContent;
  if (!isObject(value) || !Array.isArray(notebook.cells) || !notebook.cells.every(isObject))
    throw new HttpError(
      400,
      "the content of a notebook should be an object with a list of cells, got something else",
    );
  if (notebook.nbformat !== FORMAT)
    throw new HttpError(
      400,
      `expected a notebook of format ${FORMAT}, got ${JSON.stringify(notebook.nbformat)}`,
    );
  if (!isObject(notebook.metadata)) return 'the notebook has no object "metadata"';
  const ids = new Set<unknown>();
  for (const [i, cell] of notebook.cells.entries()) {
    const where = `cell ${i + 1}`;
    if (!["code", "markdown", "raw"].includes(cell.cell_type))
      return `${where} should be of type code, markdown or raw, got ${JSON.stringify(cell.cell_type)}`;
    if (typeof cell.source !== "string" && !isTexts(cell.source)) return `${where} has no text as "source"`;
    if (!isObject(cell.metadata)) return `${where} has no object "metadata"`;
    if (cell.cell_type === "code" && !Array.isArray(cell.outputs)) return `${where} has no list "outputs"`;
    if (notebook.nbformat_minor < MINOR) continue;
    if (typeof cell.id !== "string" || !/^[a-zA-Z0-9_-]{1,64}$/.test(cell.id))
      return `${where} should have an id of letters, digits, "-" and "_", got ${JSON.stringify(cell.id)}`;
    if (ids.has(cell.id)) return `${where} has the id ${JSON.stringify(cell.id)} of an earlier cell`;
    ids.add(cell.id);
  }
  return undefined;
}

/** A value with the keys of all its objects in order. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

/** Replaces every text of a cell that the format allows to be a list of lines, other than its source. */
function eachText(
  cell: NotebookCell,
  isText: (type: string) => boolean,
  change: (text: unknown) => unknown,
): void {
  const bundle = (data: unknown) => {
    if (!isObject(data)) return;
    for (const type of Object.keys(data)) if (isText(type)) data[type] = change(data[type]);
  };
  for (const attachment of Object.values(cell.attachments ?? {})) bundle(attachment);
  for (const output of Array.isArray(cell.outputs) ? cell.outputs : []) {
    if (!isObject(output)) continue;
    bundle(output.data);
    if (output.output_type === "stream") output.text = change(output.text);
  }
}

function isJson(type: string): boolean {
  return type === "application/json" || /^application\/.*\+json$/.test(type);
}

/** What nbformat writes as lines: not JSON, and not base64. */
function isSplit(type: string): boolean {
  return type.startsWith("text/") || type === "image/svg+xml" || type === "application/javascript";
}

function joined<T>(text: T): T | string {
  return isTexts(text) ? text.join("") : text;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((line) => typeof line === "string");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
