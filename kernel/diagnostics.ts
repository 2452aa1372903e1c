/** Type errors of a cell as its Jupyter error: each with its place and its line underlined. */
import type { CellError } from "./child/ipc";
import type { Diagnostic } from "./compiler";

export function diagnosticsError(diagnostics: Diagnostic[], source: string, filename: string): CellError {
  const lines = source.split("\n");
  const first = diagnostics[0]!;
  return {
    ename: "TypeScriptError",
    evalue: `${first.line}:${first.column} - ${first.message}`,
    traceback: diagnostics.map((d) => describe(d, d.file ? undefined : lines[d.line - 1], filename)),
  };
}

function describe(d: Diagnostic, line: string | undefined, filename: string): string {
  const head = `${d.file ?? filename}:${d.line}:${d.column} - \u001b[31merror\u001b[39m TS${d.code}: ${d.message}`;
  if (line === undefined) return head;
  const indent = line.slice(0, d.column - 1).replace(/[^\t]/g, " ");
  return `${head}\n  ${line}\n  ${indent}\u001b[31m${"~".repeat(d.length)}\u001b[39m`;
}
