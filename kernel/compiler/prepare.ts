/**
 * Small edits of a cell's text before it is checked, and the way back to the user's own positions.
 *
 * - `export` means nothing in a cell, where everything is seen by later cells: it is blanked.
 * - `const m = await import("fs")` gets the type `typeof import("fs")` written out. Left to inference, the compiler
 *   expands the module's type, and fails on every type in it that the module does not export (TS4023).
 */
import { type TypeScript, ts } from "./typescript";

export interface Prepared {
  text: string;
  /** The offset in the user's cell of an offset in `text`. */
  toSource(offset: number): number;
  /** The offset in `text` of an offset in the user's cell. */
  fromSource(offset: number): number;
}

interface Edit {
  start: number;
  end: number;
  text: string;
}

export function prepareCell(source: string): Prepared {
  const file = ts.createSourceFile("cell.ts", source, ts.ScriptTarget.ES2022, true);
  return apply(
    source,
    file.statements.flatMap((statement) => [...blankExport(statement, file), ...typeImports(statement)]),
  );
}

function blankExport(statement: TypeScript.Statement, file: TypeScript.SourceFile): Edit[] {
  const blank = (start: number, end: number) => ({ start, end, text: " ".repeat(end - start) });
  if (ts.isExportAssignment(statement) && !statement.isExportEquals)
    return [blank(statement.getStart(file), statement.expression.getStart(file))];
  if (!ts.canHaveModifiers(statement)) return [];
  return (statement.modifiers ?? [])
    .filter((m) => m.kind === ts.SyntaxKind.ExportKeyword || m.kind === ts.SyntaxKind.DefaultKeyword)
    .map((m) => blank(m.getStart(file), m.end));
}

function typeImports(statement: TypeScript.Statement): Edit[] {
  if (!ts.isVariableStatement(statement)) return [];
  return statement.declarationList.declarations.flatMap(({ name, type, initializer }) => {
    if (type || !ts.isIdentifier(name) || !initializer || !ts.isAwaitExpression(initializer)) return [];
    const call = initializer.expression;
    if (!ts.isCallExpression(call) || call.expression.kind !== ts.SyntaxKind.ImportKeyword) return [];
    const module = call.arguments[0];
    if (!module || !ts.isStringLiteral(module)) return [];
    return [{ start: name.end, end: name.end, text: `: typeof import(${JSON.stringify(module.text)})` }];
  });
}

function apply(source: string, edits: Edit[]): Prepared {
  let text = "";
  let from = 0;
  for (const edit of edits) {
    text += source.slice(from, edit.start) + edit.text;
    from = edit.end;
  }
  text += source.slice(from);
  const growth = edits.map((edit) => ({ at: edit.end, by: edit.text.length - (edit.end - edit.start) }));
  return {
    text,
    fromSource: (offset) => growth.reduce((sum, { at, by }) => (at < offset ? sum + by : sum), offset),
    toSource(offset) {
      let shift = 0;
      for (const { at, by } of growth) {
        if (offset < at + shift + by) return Math.min(offset - shift, at);
        shift += by;
      }
      return offset - shift;
    },
  };
}
