/** Questions that transform.ts asks of a cell's syntax. */
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
