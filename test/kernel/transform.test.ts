import assert from "node:assert/strict";
import { CELL_PARAMETERS } from "../../kernel/compiler/parameters";
import { prepareCell } from "../../kernel/compiler/prepare";
import { emitCell } from "../../kernel/compiler/transform";

/** Runs cells one after the other in one scope; returns the value of the last one. */
async function run(...cells: string[]): Promise<any> {
  const scope: Record<string, unknown> = {};
  const known = new Set<string>();
  const modules: Record<string, any> = { m: { default: "d", a: "a", b: "b" } };
  let value: unknown;
  for (const cell of cells) {
    const { code, names } = emitCell(prepareCell(cell).text, known, () => false);
    const body = new Function(...CELL_PARAMETERS, `"use strict"; return (async () => {${code}\n})();`);
    const load = (name: string) => modules[name];
    value = (
      await body(
        scope,
        [0],
        () => {},
        load,
        async (name: string) => modules[name],
        {},
        load,
      )
    )?.value;
    for (const name of names) known.add(name);
  }
  return value;
}

describe("kernel: cells as JavaScript", () => {
  const cases: [what: string, cells: string[], expected: unknown][] = [
    ["the last expression is the value", ["1; 2 + 3"], 5],
    ["declarations after it do not hide it", ["f();\nfunction f() { return 7 }\ntype T = number;"], 7],
    ["a declaration has no value", ["1; const x = 2"], undefined],
    ["later cells see variables", ["const a = 1, b = a + 1", "a + b"], 3],
    ["a variable can be declared again", ["const a = 1", "const a = 'x'", "a"], "x"],
    ["closures see later values", ["let base = 1; function get() { return base }", "base = 5; get()"], 5],
    ["closures see later declarations", ["let base = 1; const get = () => base", "let base = 6", "get()"], 6],
    [
      "functions call later versions",
      ["function f() { return 1 }\nfunction g() { return f() }", "function f() { return 2 }", "g()"],
      2,
    ],
    ["functions are hoisted", ["const x = f(); function f() { return 3 }", "x"], 3],
    [
      "objects are taken apart",
      ["const { a, b: [c, , d = 9], ...rest } = { a: 1, b: [2, 3] as number[], e: 4 }", "[a, c, d, rest]"],
      [1, 2, 9, { e: 4 }],
    ],
    ["computed keys", ["const k = 'x'", "const { [k]: v } = { x: 8 }", "v"], 8],
    [
      "swapping by destructuring",
      ["let x = 1, y = 2", "[x, y] = [y, x]; ({ x } = { x: x + 10 }); [x, y]"],
      [12, 1],
    ],
    ["shorthand properties", ["const a = 1", "({ a, b: { a } })"], { a: 1, b: { a: 1 } }],
    [
      "inner names shadow outer ones",
      ["const a = 1", "((a: number) => { { let a = 3; } return a; })(2) + a"],
      3,
    ],
    ["property names are left alone", ["const a = 1", "({ a: 2 }).a"], 2],
    [
      "methods and new.target are left alone",
      [
        "const m = 1, target = 2",
        "class K { m() { return m } t = new.target === undefined }\n({ m() { return m } }).m() + new K().m()",
      ],
      2,
    ],
    [
      "names of function expressions are their own",
      ["const f = 1", "(function f(n: number): number { return n ? f(n - 1) : 9 })(2) + f"],
      10,
    ],
    [
      "labels are left alone",
      ["const a = 1; let n = 0", "a: for (const i of [1, 2]) { for (;;) { n += i; continue a } }\nn"],
      3,
    ],
    [
      "a var in a block belongs to the session",
      ["if (true) { var v = 4 } for (var i = 0; i < 3; i++);", "[v, i]"],
      [4, 3],
    ],
    ["var without a value keeps it", ["var v = 4", "var v: number; v"], 4],
    ["for of with a var", ["for (var x of [1, 2]) ;", "x"], 2],
    [
      "classes refer to themselves",
      ["class A { static one = new A(); n = 5; static make() { return new A() } }", "[A.one.n, A.make().n]"],
      [5, 5],
    ],
    [
      "classes can be extended in later cells",
      ["class A { n = 1 }", "class B extends A { m = this.n + 1 }", "new B().m"],
      2,
    ],
    [
      "enums and namespaces",
      ["enum E { X = 2, Y = X * 2 }\nnamespace N { export const q = E.Y }", "[E.Y, N.q, E[2]]"],
      [4, 4, "X"],
    ],
    [
      "types leave nothing behind",
      [
        "interface I { a: number } type T = I; declare const z: number; const i: T = { a: 1 }",
        "i satisfies { a: number }; i.a",
      ],
      1,
    ],
    ["functions keep their names", ["const f = () => 0; const C = class {}", "[f.name, C.name]"], ["f", "C"]],
    ["calls have no this", ["function f(this: unknown) { return this }", "f()"], undefined],
    [
      "tagged templates",
      ["const tag = (s: TemplateStringsArray, n: number) => s[0] + n", "tag`a$" + "{1}`"],
      "a1",
    ],
    [
      "export means nothing",
      ["export const a = 1; export function f() { return a }\nexport default f() + 1"],
      2,
    ],
    ["exported names are seen", ["export const a = 1; export class K {}", "[a, typeof K]"], [1, "function"]],
    [
      "imports",
      ["import d, { a, b as c, type T } from 'm'; import * as n from 'm'", "[d, a, c, n.b]"],
      ["d", "a", "b", "b"],
    ],
    ["dynamic imports", ["const m = await import('m')", "m.a"], "a"],
    ["top-level await", ["const x = await Promise.resolve(2)", "x + (await 1)"], 3],
    [
      "top-level for await",
      ["let n = 0; for await (const i of (async function* () { yield 1; yield 2 })()) n += i", "n"],
      3,
    ],
    ["assignments as values", ["let a = 1", "a += 2"], 3],
    ["typeof an unknown name", ["typeof nowhere"], "undefined"],
  ];
  for (const [what, cells, expected] of cases)
    it(what, async () => assert.deepEqual(await run(...cells), expected));

  it("check the flag in loops, except in those that only count", () => {
    const guards = (code: string) =>
      emitCell(code, new Set(), () => false).code.split("__flag[0]").length - 1;
    assert.equal(guards("while (true) {}"), 1);
    assert.equal(guards("do f(); while (true)"), 1);
    assert.equal(guards("for (const x of y) z += x"), 1);
    assert.equal(guards("for (let i = 0; i < 9; i++) s += i"), 0);
    assert.equal(guards("for (let i = 0; i < 9; i++) f(i)"), 1);
    assert.equal(guards("for (let i = 0; i < 9; i++) for (let j = 0; j < 9; j++) s += j"), 1);
    assert.equal(guards("for (;;) {}"), 1);
  });

  it("check the flag after statements that await", () => {
    const { code } = emitCell(
      "const x = await f(); g(async () => { await h(); k() });",
      new Set(),
      () => false,
    );
    assert.equal(code.split("__flag[0]").length - 1, 2);
  });
});
