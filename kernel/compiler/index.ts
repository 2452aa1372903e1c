/**
 * The kernel's compiler: checks a cell against the cells before it and turns it into JavaScript.
 *
 * This interface is all that the rest of the kernel knows of it; tslab.ts implements it with tslab's converter,
 * and another TypeScript can take its place here.
 */
import type { CellProgram, TypeErrors } from "../child/ipc";

/** An error in a cell's text, found before it runs. Lines and columns count from 1. */
export interface Diagnostic {
  message: string;
  code: number;
  line: number;
  column: number;
  /** Characters to underline, from the column, on its line. */
  length: number;
  /** A local module that the cell imports, when the error is there. */
  file?: string;
}

export type Compiled =
  | { ok: true; program: Omit<CellProgram, "filename">; warnings: Diagnostic[] }
  | { ok: false; diagnostics: Diagnostic[] };

export interface Completions {
  /** Range of the cell's text that a match replaces, in UTF-16 units. */
  start: number;
  end: number;
  matches: { text: string; type: string }[];
}

/** Types and documentation of the name at a position. */
export interface Hover {
  signature: string;
  documentation: string;
}

export interface Completeness {
  status: "complete" | "incomplete" | "invalid";
  /** White space to begin the next line with, when incomplete. */
  indent: string;
}

export interface Compiler {
  /** Checks and emits a cell; the session does not know it before `commit`. */
  compile(source: string, typeErrors: TypeErrors): Compiled;
  /** The cell compiled last has run: later cells see its declarations, except values that stayed `unset`. */
  commit(unset: string[]): void;
  /** Forgets all cells. */
  reset(): void;
  complete(source: string, offset: number): Completions;
  inspect(source: string, offset: number): Hover | undefined;
  isComplete(source: string): Completeness;
}
