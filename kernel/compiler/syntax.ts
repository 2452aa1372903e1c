/** Questions about a cell's syntax. */
import { type TypeScript, ts } from "./typescript";

type ObjectDeclaration =
  | TypeScript.ClassDeclaration
  | TypeScript.EnumDeclaration
  | TypeScript.ModuleDeclaration;

/** A class, enum or namespace with a value. */
export function declaresObject(node: TypeScript.Statement): node is ObjectDeclaration {
  if (ts.canHaveModifiers(node) && node.modifiers?.some((m) => m.kind === ts.SyntaxKind.DeclareKeyword))
    return false;
  if (ts.isModuleDeclaration(node))
    return (ts as any).getModuleInstanceState(node) !== 0 /* not types alone */ && ts.isIdentifier(node.name);
  return (ts.isClassDeclaration(node) && node.name !== undefined) || ts.isEnumDeclaration(node);
}

/** The statement whose value is the cell's result: an expression, with only declarations without effect after it. */
export function lastExpression(
  statements: TypeScript.Statement[],
): TypeScript.ExpressionStatement | undefined {
  const effective = statements.filter(
    (node) =>
      !ts.isEmptyStatement(node) &&
      !ts.isFunctionDeclaration(node) &&
      !ts.isInterfaceDeclaration(node) &&
      !ts.isTypeAliasDeclaration(node) &&
      !ts.isImportDeclaration(node),
  );
  const last = effective.at(-1);
  return last && ts.isExpressionStatement(last) ? last : undefined;
}

export function isLoop(node: TypeScript.Node): node is TypeScript.IterationStatement {
  return ts.isIterationStatement(node, false);
}

function contains(node: TypeScript.Node, test: (node: TypeScript.Node) => boolean): boolean {
  return (
    ts.forEachChild(node, (child) => test(child) || (!ts.isFunctionLike(child) && contains(child, test))) ??
    false
  );
}

export function containsAwait(node: TypeScript.Node): boolean {
  return contains(node, (child) => ts.isAwaitExpression(child));
}

/** A `for` with a condition and a step whose body neither loops nor calls: it is short, or it is arithmetic. */
export function isPlainCounting(node: TypeScript.IterationStatement): boolean {
  if (!ts.isForStatement(node) || !node.condition || !node.incrementor) return false;
  return !contains(
    node,
    (child) =>
      isLoop(child) ||
      ts.isCallExpression(child) ||
      ts.isNewExpression(child) ||
      ts.isTaggedTemplateExpression(child) ||
      ts.isAwaitExpression(child) ||
      ts.isYieldExpression(child),
  );
}

/** Whether an identifier stands for a value, and is not the name of a property, a declaration or a label. */
export function isReference(node: TypeScript.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return false;
  if (ts.isMetaProperty(parent)) return false;
  return (ts as any).isExpressionNode(node);
}

export interface SyntaxError {
  text: string;
  start: number;
  length: number;
  code: number;
}

export function syntaxErrorsOf(source: string): SyntaxError[] {
  const file = parseCell(source);
  return (file as any).parseDiagnostics.map((d: TypeScript.Diagnostic) => ({
    text: ts.flattenDiagnosticMessageText(d.messageText, "\n"),
    start: d.start ?? 0,
    length: d.length ?? 0,
    code: d.code,
  }));
}

function parseCell(source: string): TypeScript.SourceFile {
  return ts.createSourceFile("cell.ts", source, ts.ScriptTarget.ES2022, true);
}

/** Where the content of the string begins that holds `offset`; undefined outside of strings. */
export function stringStart(source: string, offset: number): number | undefined {
  const file = parseCell(source);
  const token: TypeScript.Node | undefined = (ts as any).findPrecedingToken(offset, file);
  if (!token || !ts.isStringLiteralLike(token)) return undefined;
  const start = token.getStart(file) + 1;
  const isInside = offset >= start && (offset < token.end || token.isUnterminated === true);
  return isInside ? start : undefined;
}

/** Where the name is of what the innermost call around `offset` calls: `f` in `f(1, |)`. */
export function calleeAround(source: string, offset: number): number | undefined {
  const file = parseCell(source);
  let found: TypeScript.Node | undefined;
  const visit = (node: TypeScript.Node): void => {
    if (offset < node.pos || offset > node.end) return;
    const isCall = ts.isCallExpression(node) || ts.isNewExpression(node);
    if (isCall && node.arguments && offset > node.expression.end) {
      const isClosed = source[node.end - 1] === ")" && offset === node.end;
      if (!isClosed) found = node.expression;
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  if (!found) return undefined;
  return (ts.isPropertyAccessExpression(found) ? found.name : found).getStart(file);
}
