/** Type errors of a cell as its Jupyter error: each with its place and its line underlined. */
import type { CellError } from "./child/ipc";
import type { Diagnostic } from "./compiler";

export function diagnosticsError(diagnostics: Diagnostic[], source: string, filename: string): CellError {
  const lines = source.split("\n");
  const first = diagnostics[0]!;
  return {
    ename: "TypeScriptError",
    evalue: `${first.line}:${first.column} - ${first.message}`,
    traceback: diagnostics.map((d) => describe(d, lines, filename, RED)),
  };
}

/** The same as text that is printed before the cell runs nonetheless. */
export function diagnosticsWarning(diagnostics: Diagnostic[], source: string, filename: string): string {
  const lines = source.split("\n");
  return diagnostics.map((d) => `${describe(d, lines, filename, YELLOW)}\n`).join("");
}

interface Level {
  word: string;
  color: string;
}
const RED: Level = { word: "error", color: "\u001b[31m" };
const YELLOW: Level = { word: "warning", color: "\u001b[33m" };
const PLAIN = "\u001b[39m";

function describe(d: Diagnostic, lines: string[], filename: string, { word, color }: Level): string {
  const head = `${d.file ?? filename}:${d.line}:${d.column} - ${color}${word}${PLAIN} TS${d.code}: ${d.message}`;
  const line = d.file ? undefined : lines[d.line - 1];
  if (line === undefined) return head;
  const indent = line.slice(0, d.column - 1).replace(/[^\t]/g, " ");
  return `${head}\n  ${line}\n  ${indent}${color}${"~".repeat(d.length)}${PLAIN}`;
}
