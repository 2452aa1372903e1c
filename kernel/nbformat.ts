/** Notebook files: nbformat 4.5, read strictly and written as Jupyter writes them. */
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import type { Message } from "./protocol/messages";

export interface Output {
  output_type: "stream" | "display_data" | "execute_result" | "error";
  [field: string]: unknown;
}

export interface Cell {
  id: string;
  cell_type: "code" | "markdown" | "raw";
  source: string | string[];
  metadata: Record<string, unknown>;
  outputs?: Output[];
  execution_count?: number | null;
}

export interface Notebook {
  nbformat: number;
  nbformat_minor: number;
  metadata: Record<string, unknown>;
  cells: Cell[];
}

const MINOR = 5;

/**
 * Reads a notebook. One of an older minor version (4.0 to 4.4) is brought to 4.5, which gives its cells ids.
 *
 * @throws Error naming the file, and what in it is wrong
 */
export function readNotebook(file: string): Notebook {
  const fail = (what: string) => new Error(`${file}: ${what}`);
  let notebook: any;
  try {
    notebook = JSON.parse(fs.readFileSync(file, "utf8"));
  } catch (error) {
    throw fail(
      error instanceof SyntaxError
        ? `not a notebook, invalid JSON: ${error.message}`
        : (error as Error).message,
    );
  }
  if (!Number.isInteger(notebook?.nbformat)) throw fail('not a notebook: it has no number "nbformat"');
  const version = `${notebook.nbformat}.${notebook.nbformat_minor ?? 0}`;
  if (notebook.nbformat !== 4)
    throw fail(`expected a notebook of format 4, got ${version}; convert it with Jupyter`);
  if (notebook.nbformat_minor > MINOR)
    throw fail(
      `expected a notebook of format 4.${MINOR} or older, got ${version}; a newer loralab may read it`,
    );
  if (!Array.isArray(notebook.cells)) throw fail('expected a list "cells"');
  const ids = new Set<string>();
  notebook.cells.forEach((cell: any, i: number) => {
    const where = `cell ${i + 1}`;
    if (!["code", "markdown", "raw"].includes(cell?.cell_type))
      throw fail(`${where} should be of type code, markdown or raw, got ${JSON.stringify(cell?.cell_type)}`);
    if (typeof cell.source !== "string" && !isStrings(cell.source))
      throw fail(`${where} should have a text or a list of lines as "source"`);
    if ((notebook.nbformat_minor ?? 0) < MINOR) cell.id ??= randomUUID().slice(0, 8);
    if (typeof cell.id !== "string" || !/^[a-zA-Z0-9_-]{1,64}$/.test(cell.id))
      throw fail(
        `${where} should have an id of letters, digits, "-" and "_", got ${JSON.stringify(cell.id)}`,
      );
    if (ids.has(cell.id)) throw fail(`${where} has the id ${JSON.stringify(cell.id)} of an earlier cell`);
    ids.add(cell.id);
    cell.metadata ??= {};
  });
  notebook.metadata ??= {};
  notebook.nbformat_minor = MINOR;
  return notebook;
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((line) => typeof line === "string");
}

export function writeNotebook(file: string, notebook: Notebook): void {
  fs.writeFileSync(file, `${JSON.stringify(notebook, null, 1)}\n`);
}

export function sourceText(cell: Cell): string {
  return typeof cell.source === "string" ? cell.source : cell.source.join("");
}

/** Text as notebooks store it: a list of lines, each with its line break. */
export function toLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/**
 * Collects the broadcasts of a cell into the outputs that a front end would keep: streams joined,
 * `update_display_data` applied to what it updates, `clear_output` honoured.
 */
export class OutputArea {
  readonly outputs: Output[] = [];
  private clearNext = false;

  /** @param displays shown values of the whole notebook, by display id */
  constructor(private readonly displays: Map<string, Output[]>) {}

  add({ header, content }: Message): void {
    const { name, text, data, metadata, execution_count, ename, evalue, traceback } = content as Record<
      string,
      any
    >;
    const id = (content.transient as { display_id?: string } | undefined)?.display_id;
    switch (header.msg_type) {
      case "stream": {
        this.clearIfWaiting();
        const last = this.outputs.at(-1);
        if (last?.output_type === "stream" && last.name === name)
          last.text = toLines((last.text as string[]).join("") + text);
        else this.outputs.push({ output_type: "stream", name, text: toLines(text) });
        return;
      }
      case "display_data":
        this.show({ output_type: "display_data", data: stored(data), metadata }, id);
        return;
      case "execute_result":
        this.show({ output_type: "execute_result", data: stored(data), metadata, execution_count }, id);
        return;
      case "update_display_data":
        for (const output of this.displays.get(id ?? "") ?? [])
          Object.assign(output, { data: stored(data), metadata });
        return;
      case "error":
        this.show({ output_type: "error", ename, evalue, traceback }, undefined);
        return;
      case "clear_output":
        if (content.wait) this.clearNext = true;
        else this.outputs.length = 0;
        return;
    }
  }

  /** Everything readable: streams, and the plain text of values. */
  text(): string {
    return this.outputs
      .map((output) => {
        if (output.output_type === "stream") return (output.text as string[]).join("");
        const plain = (output.data as Record<string, string | string[]> | undefined)?.["text/plain"] ?? "";
        return typeof plain === "string" ? plain : plain.join("");
      })
      .join("\n");
  }

  private show(output: Output, id: string | undefined): void {
    this.clearIfWaiting();
    this.outputs.push(output);
    if (id !== undefined) this.displays.set(id, [...(this.displays.get(id) ?? []), output]);
  }

  private clearIfWaiting(): void {
    if (this.clearNext) this.outputs.length = 0;
    this.clearNext = false;
  }
}

/** A MIME bundle as notebooks store it: texts as lines, JSON as it is. */
function stored(data: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(data).map(([type, value]) => [
      type,
      typeof value === "string" && type.startsWith("text/") ? toLines(value) : value,
    ]),
  );
}
