/**
 * Turns the TypeScript of a cell into the body of an async function.
 *
 * Top-level declarations become properties of one session object, and so do all uses of them: `let base = 1` is
 * emitted as `__scope.base = 1` and a function that reads `base` reads `__scope.base`. So later cells see earlier
 * declarations, a cell can be run again, and closures see later values, all by the same rule. Types were checked
 * before; here they are only removed.
 *
 * Two more rewrites make cells interruptible: `if (__flag[0]) __stop()` at loop heads and after statements that
 * await. A plain read is used because an atomic one would be ten times slower; innermost counted loops that
 * call nothing stay as they are, since they end by themselves and are the ones whose speed matters.
 */
import { Names } from "./names";
import {
  containsAwait,
  declaresObject,
  isLoop,
  isPlainCounting,
  isReference,
  lastExpression,
} from "./syntax";
import { type TypeScript, ts } from "./typescript";

/** A cell as JavaScript. */
export interface Emitted {
  code: string;
  map: string;
  /** Names of the values that the cell declares in the session. */
  names: string[];
}

const FILE = "cell.ts";
const OPTIONS: TypeScript.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  isolatedModules: true,
  preserveConstEnums: true,
  experimentalDecorators: true,
  noLib: true,
  noResolve: true,
  sourceMap: true,
  newLine: ts.NewLineKind.LineFeed,
};

/**
 * @param source a cell without errors, prepared (see prepare.ts)
 * @param known names that earlier cells declared
 * @param isTypeOnly whether a module is imported for its types alone, and needs no loading
 */
export function emitCell(
  source: string,
  known: ReadonlySet<string>,
  isTypeOnly: (module: string) => boolean,
): Emitted {
  // An export makes the file a module: top-level await is allowed and its names are its own.
  const file = ts.createSourceFile(FILE, `${source}\nexport {};`, ts.ScriptTarget.ES2022, true);
  const outputs = new Map<string, string>();
  const program = ts.createProgram([FILE], OPTIONS, {
    getSourceFile: (name) => (name === FILE ? file : undefined),
    getDefaultLibFileName: () => "lib.d.ts",
    writeFile: (name, text) => void outputs.set(name, text),
    getCurrentDirectory: () => "",
    getCanonicalFileName: (name) => name,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => "\n",
    fileExists: (name) => name === FILE,
    readFile: () => undefined,
  });
  const names = new Names(program.getTypeChecker(), file, known);
  program.emit(undefined, undefined, undefined, false, {
    before: [(context) => (node) => new CellTransformer(context, names, isTypeOnly).cell(node)],
  });
  const code = outputs
    .get("cell.js")!
    .replace(/\/\/# sourceMappingURL=.*\s*$/, "")
    .replace(/export \{\};\s*$/, "");
  return { code, map: outputs.get("cell.js.map")!, names: names.declared() };
}

class CellTransformer {
  private readonly f: TypeScript.NodeFactory;
  private imports = 0;

  constructor(
    private readonly context: TypeScript.TransformationContext,
    private readonly names: Names,
    private readonly isTypeOnly: (module: string) => boolean,
  ) {
    this.f = context.factory;
  }

  cell(file: TypeScript.SourceFile): TypeScript.SourceFile {
    const statements = file.statements.filter((statement) => !ts.isExportDeclaration(statement));
    const last = lastExpression(statements);
    const imports: TypeScript.Statement[] = [];
    const functions: TypeScript.Statement[] = [];
    const body: TypeScript.Statement[] = [];
    for (const statement of statements) {
      if (ts.isImportDeclaration(statement)) {
        imports.push(...this.importDeclaration(statement));
      } else if (statement === last) {
        const value = this.visit(last.expression);
        const result = this.f.createObjectLiteralExpression([
          this.f.createPropertyAssignment("value", value),
        ]);
        body.push(ts.setTextRange(this.f.createReturnStatement(result), last));
      } else {
        if (ts.isFunctionDeclaration(statement) && statement.name && statement.body)
          functions.push(this.keep(statement.name));
        body.push(...this.statement(statement));
        if (declaresObject(statement)) body.push(this.keep(statement.name as TypeScript.Identifier));
      }
    }
    return this.f.updateSourceFile(file, [...imports, ...functions, ...body]);
  }

  /** `__scope.name = name` for declarations that keep their own binding. */
  private keep(name: TypeScript.Identifier): TypeScript.Statement {
    return this.f.createExpressionStatement(
      this.f.createAssignment(this.scope(name.text), this.f.createIdentifier(name.text)),
    );
  }

  private scope(name: string): TypeScript.Expression {
    return this.f.createPropertyAccessExpression(this.f.createIdentifier("__scope"), name);
  }

  /** A statement of a list, followed by a check of the interrupt flag when it awaits. */
  private statement(node: TypeScript.Statement): TypeScript.Statement[] {
    const visited = ts.visitNode(node, this.visit) as TypeScript.Statement | undefined;
    if (!visited) return [];
    const awaits = (ts.isExpressionStatement(node) || ts.isVariableStatement(node)) && containsAwait(node);
    return awaits ? [visited, this.guard()] : [visited];
  }

  private statements(list: readonly TypeScript.Statement[]): TypeScript.Statement[] {
    return list.flatMap((statement) => this.statement(statement));
  }

  private guard(): TypeScript.Statement {
    const { f } = this;
    return f.createIfStatement(
      f.createElementAccessExpression(f.createIdentifier("__flag"), 0),
      f.createExpressionStatement(f.createCallExpression(f.createIdentifier("__stop"), undefined, [])),
    );
  }

  private readonly visit = <T extends TypeScript.Node>(node: T): T => this.rewrite(node) as unknown as T;

  private rewrite(node: TypeScript.Node): TypeScript.Node | undefined {
    const { f } = this;
    if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) return node;
    if (ts.isIdentifier(node)) {
      const isValue = isReference(node) && this.names.isSession(node);
      return isValue ? ts.setTextRange(this.scope(node.text), node) : node;
    }
    if (ts.isShorthandPropertyAssignment(node)) return this.shorthand(node);
    if (ts.isCallExpression(node)) {
      if (node.expression.kind === ts.SyntaxKind.ImportKeyword)
        return f.createCallExpression(
          f.createIdentifier("__load"),
          undefined,
          node.arguments.map(this.visit),
        );
      if (ts.isIdentifier(node.expression) && this.names.isSession(node.expression))
        return f.updateCallExpression(
          node,
          this.detached(node.expression),
          undefined,
          ts.visitNodes(node.arguments, this.visit) as any,
        );
    }
    if (ts.isTaggedTemplateExpression(node) && ts.isIdentifier(node.tag) && this.names.isSession(node.tag))
      return f.updateTaggedTemplateExpression(
        node,
        this.detached(node.tag),
        undefined,
        this.visit(node.template),
      );
    if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
      return f.createIdentifier("__meta");
    if (ts.isVariableStatement(node) && this.isSessionList(node.declarationList)) {
      const assignments = this.assignments(node.declarationList);
      return assignments ? ts.setTextRange(f.createExpressionStatement(assignments), node) : undefined;
    }
    if (ts.isVariableDeclarationList(node) && this.isSessionList(node)) return this.loopVariables(node);
    if (isLoop(node)) return this.loop(node);
    if (ts.isBlock(node)) return f.updateBlock(node, this.statements(node.statements));
    if (ts.isCaseClause(node))
      return f.updateCaseClause(node, this.visit(node.expression), this.statements(node.statements));
    if (ts.isDefaultClause(node)) return f.updateDefaultClause(node, this.statements(node.statements));
    return ts.visitEachChild(node, this.visit, this.context);
  }

  /** `(0, __scope.f)`: a call of it has no `this`, as a call of a plain name. */
  private detached(name: TypeScript.Identifier): TypeScript.Expression {
    const { f } = this;
    const comma = f.createComma(f.createNumericLiteral(0), ts.setTextRange(this.scope(name.text), name));
    return ts.setTextRange(f.createParenthesizedExpression(ts.setTextRange(comma, name)), name);
  }

  private shorthand(node: TypeScript.ShorthandPropertyAssignment): TypeScript.Node {
    if (!this.names.isSession(node.name)) return ts.visitEachChild(node, this.visit, this.context);
    const target = this.scope(node.name.text);
    const initial = node.objectAssignmentInitializer;
    return this.f.createPropertyAssignment(
      node.name.text,
      initial ? this.f.createAssignment(target, this.visit(initial)) : target,
    );
  }

  // --- declarations ---

  private isSessionList(list: TypeScript.VariableDeclarationList): boolean {
    return list.declarations.some((declaration) => this.names.declares(declaration.name));
  }

  /** `let a = 1, { b } = o` → `__scope.a = 1, { b: __scope.b } = o`; nothing when only ambient. */
  private assignments(list: TypeScript.VariableDeclarationList): TypeScript.Expression | undefined {
    const statement = list.parent;
    const ambient =
      ts.isVariableStatement(statement) &&
      statement.modifiers?.some((m) => m.kind === ts.SyntaxKind.DeclareKeyword);
    if (ambient) return undefined;
    const isVar = !(list.flags & ts.NodeFlags.BlockScoped);
    return list.declarations
      .map((declaration) => {
        const target = this.target(declaration.name);
        const initial = declaration.initializer
          ? this.named(declaration.name, declaration.initializer)
          : isVar // `var x;` keeps the value that x has
            ? this.target(declaration.name)
            : this.f.createVoidZero();
        return ts.setTextRange(
          this.f.createAssignment(target, initial),
          declaration,
        ) as TypeScript.Expression;
      })
      .reduce((left, right) => this.f.createComma(left, right));
  }

  /** The variables in a loop's head: assigned by the loop itself, or at its start. */
  private loopVariables(list: TypeScript.VariableDeclarationList): TypeScript.Expression | undefined {
    const isOf = ts.isForOfStatement(list.parent) || ts.isForInStatement(list.parent);
    return isOf ? this.target(list.declarations[0]!.name) : this.assignments(list);
  }

  /** A declared name or pattern as the target of an assignment to the session. */
  private target(name: TypeScript.BindingName): TypeScript.Expression {
    const { f } = this;
    if (ts.isIdentifier(name)) return ts.setTextRange(this.scope(name.text), name);
    const withDefault = (element: TypeScript.BindingElement) =>
      element.initializer
        ? f.createAssignment(this.target(element.name), this.named(element.name, element.initializer))
        : this.target(element.name);
    if (ts.isArrayBindingPattern(name))
      return f.createArrayLiteralExpression(
        name.elements.map((element) => {
          if (ts.isOmittedExpression(element)) return f.createOmittedExpression();
          return element.dotDotDotToken
            ? f.createSpreadElement(this.target(element.name))
            : withDefault(element);
        }),
      );
    return f.createObjectLiteralExpression(
      name.elements.map((element) => {
        if (element.dotDotDotToken) return f.createSpreadAssignment(this.target(element.name));
        const key = element.propertyName ?? (element.name as TypeScript.Identifier);
        const property = ts.isComputedPropertyName(key)
          ? ts.visitEachChild(key, this.visit, this.context)
          : ts.isIdentifier(key)
            ? f.createIdentifier(key.text)
            : key;
        return f.createPropertyAssignment(property, withDefault(element));
      }),
    );
  }

  /** An anonymous function takes its name from the variable, which a property assignment would not give it. */
  private named(name: TypeScript.BindingName, value: TypeScript.Expression): TypeScript.Expression {
    const visited = this.visit(value);
    const isAnonymous =
      ts.isArrowFunction(value) ||
      ((ts.isFunctionExpression(value) || ts.isClassExpression(value)) && !value.name);
    if (!isAnonymous || !ts.isIdentifier(name)) return visited;
    const { f } = this;
    const holder = f.createObjectLiteralExpression([f.createPropertyAssignment(name.text, visited)]);
    return f.createPropertyAccessExpression(f.createParenthesizedExpression(holder), name.text);
  }

  // --- imports ---

  private importDeclaration(node: TypeScript.ImportDeclaration): TypeScript.Statement[] {
    const { f } = this;
    const clause = node.importClause;
    const module = (node.moduleSpecifier as TypeScript.StringLiteral).text;
    if (clause?.isTypeOnly || (clause && this.isTypeOnly(module))) return [];
    const name = f.createIdentifier(`__module${++this.imports}`);
    const load = f.createCallExpression(f.createIdentifier("__import"), undefined, [
      f.createStringLiteral(module),
    ]);
    const declare = f.createVariableStatement(
      undefined,
      f.createVariableDeclarationList(
        [f.createVariableDeclaration(name, undefined, undefined, load)],
        ts.NodeFlags.Let,
      ),
    );
    // Only modules that must be loaded asynchronously are awaited: a cell stays synchronous as long as it can.
    const wait = f.createIfStatement(
      f.createBinaryExpression(name, ts.SyntaxKind.InstanceOfKeyword, f.createIdentifier("Promise")),
      f.createExpressionStatement(f.createAssignment(name, f.createAwaitExpression(name))),
    );
    const bind = (local: TypeScript.Identifier, value: TypeScript.Expression) =>
      f.createExpressionStatement(f.createAssignment(this.scope(local.text), value));
    const binds: TypeScript.Statement[] = [];
    if (clause?.name) binds.push(bind(clause.name, f.createPropertyAccessExpression(name, "default")));
    const bindings = clause?.namedBindings;
    if (bindings && ts.isNamespaceImport(bindings)) binds.push(bind(bindings.name, name));
    if (bindings && ts.isNamedImports(bindings))
      for (const element of bindings.elements)
        if (!element.isTypeOnly)
          binds.push(
            bind(
              element.name,
              f.createPropertyAccessExpression(name, (element.propertyName ?? element.name).text),
            ),
          );
    return [ts.setTextRange(declare, node), wait, ...binds];
  }

  // --- loops ---

  private loop(node: TypeScript.IterationStatement): TypeScript.Node {
    const visited = ts.visitEachChild(node, this.visit, this.context);
    if (isPlainCounting(node)) return visited;
    const { f } = this;
    const inner = ts.isBlock(visited.statement) ? visited.statement.statements : [visited.statement];
    const body = f.createBlock([this.guard(), ...inner], true);
    if (ts.isForStatement(visited))
      return f.updateForStatement(visited, visited.initializer, visited.condition, visited.incrementor, body);
    if (ts.isForOfStatement(visited))
      return f.updateForOfStatement(
        visited,
        visited.awaitModifier,
        visited.initializer,
        visited.expression,
        body,
      );
    if (ts.isForInStatement(visited))
      return f.updateForInStatement(visited, visited.initializer, visited.expression, body);
    if (ts.isWhileStatement(visited)) return f.updateWhileStatement(visited, visited.expression, body);
    return f.updateDoStatement(
      visited as TypeScript.DoStatement,
      body,
      (visited as TypeScript.DoStatement).expression,
    );
  }
}
