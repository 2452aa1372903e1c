/** Names of a cell: which identifiers mean the session's variables, by the compiler's own scoping. */
import { type TypeScript, ts } from "./typescript";

/** Which identifiers mean names of the session. */
export class Names {
  private readonly locals: Map<string, TypeScript.Symbol>;

  constructor(
    private readonly checker: TypeScript.TypeChecker,
    file: TypeScript.SourceFile,
    private readonly known: ReadonlySet<string>,
  ) {
    this.locals = (file as any).locals;
  }

  /** Values that the cell declares at its top level (a `var` inside a block counts). */
  declared(): string[] {
    const value = ts.SymbolFlags.Value | ts.SymbolFlags.Alias;
    return [...this.locals].filter(([, symbol]) => symbol.flags & value).map(([name]) => name);
  }

  declares(name: TypeScript.BindingName): boolean {
    if (ts.isIdentifier(name)) {
      const symbol = (name.parent as any).symbol;
      return symbol !== undefined && this.locals.get(name.text) === symbol;
    }
    return name.elements.some((element) => ts.isBindingElement(element) && this.declares(element.name));
  }

  /** Whether an identifier that stands for a value reads or writes the session. */
  isSession(identifier: TypeScript.Identifier): boolean {
    const name = identifier.text;
    const symbol: TypeScript.Symbol | undefined = (this.checker as any).resolveName(
      name,
      identifier,
      ts.SymbolFlags.Value,
      false,
    );
    if (symbol === undefined) return this.known.has(name);
    return this.locals.get(name) === symbol && !insideDeclaration(identifier, symbol);
  }
}

/** A class, enum or namespace refers to itself by its own binding: the session has it only when it is complete. */
function insideDeclaration(node: TypeScript.Node, symbol: TypeScript.Symbol): boolean {
  const own: readonly TypeScript.Node[] = (symbol.declarations ?? []).filter(
    (d) => ts.isClassDeclaration(d) || ts.isEnumDeclaration(d) || ts.isModuleDeclaration(d),
  );
  for (let up: TypeScript.Node | undefined = node; up; up = up.parent) if (own.includes(up)) return true;
  return false;
}
