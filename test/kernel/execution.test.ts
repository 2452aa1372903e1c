import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { KernelClient } from "../../kernel/client";
import { outputs, printed, result, until, useKernel } from "./support";

describe("kernel: execution", () => {
  const kernel = useKernel();
  const value = async (code: string) => {
    const exchange = await kernel.client.execute(code);
    assert.equal(
      exchange.reply.content.status,
      "ok",
      (exchange.reply.content.traceback as string[])?.join("\n"),
    );
    return result(exchange);
  };
  const failure = async (code: string) => {
    const exchange = await kernel.client.execute(code);
    const [last] = outputs(exchange).slice(-1);
    assert.equal(last?.[0], "error");
    const { ename, evalue, traceback } = exchange.reply.content as any;
    assert.deepEqual(last?.[1], { ename, evalue, traceback });
    return { ename, evalue, text: stripVTControlCharacters(traceback.join("\n")) };
  };

  it("shows a type error at its place, before anything runs", async () => {
    const exchange = await kernel.client.execute("console.log('ran');\nconst x: number = 'text';");
    const count = exchange.reply.content.execution_count;
    assert.equal(printed(exchange), "");
    assert.equal(exchange.reply.content.ename, "TypeScriptError");
    assert.equal(
      stripVTControlCharacters((exchange.reply.content.traceback as string[])[0]!),
      `cell ${count}:2:7 - error TS2322: Type 'string' is not assignable to type 'number'.\n  const x: number = 'text';\n        ~`,
    );
  });

  it("prints type errors as warnings and runs the cell, after typeErrors('warn')", async () => {
    await value("typeErrors('warn')");
    const exchange = await kernel.client.execute("const wrong: number = 'text';\nwrong + 1");
    const count = exchange.reply.content.execution_count;
    assert.equal(
      stripVTControlCharacters(printed(exchange, "stderr")),
      `cell ${count}:1:7 - warning TS2322: Type 'string' is not assignable to type 'number'.\n  const wrong: number = 'text';\n        ~~~~~\n`,
    );
    assert.deepEqual(
      outputs(exchange).map(([type]) => type),
      ["stream", "execute_result"],
    );
    assert.equal(result(exchange), "'text1'");
    assert.equal(await value("[wrong, typeof nowhere]"), "[ 'text', 'undefined' ]");
    assert.match((await failure("let a = ;")).text, /error TS1109/); // what cannot run is an error still
    assert.equal(await value("typeErrors('error'); typeof wrong.toFixed"), "'undefined'"); // from the next cell on
    assert.match((await failure("const other: number = 'text'")).text, /error TS2322/);
    assert.match((await failure("typeErrors('off')")).text, /'"off"' is not assignable to parameter/);
    assert.match(
      (await failure("typeErrors('off' as any)")).evalue,
      /typeErrors: expected "error" or "warn", got 'off'/,
    );
  });

  it("shows a syntax error at its place", async () => {
    assert.match((await failure("let a = 1;\nlet b = ;")).text, /2:9 - error TS1109: Expression expected/);
  });

  it("is strict", async () => {
    assert.match((await failure("function f(x) { return x }")).text, /implicitly has an 'any' type/);
    assert.match(
      (await failure("const m = new Map<string, number>(); m.get('a') + 1")).text,
      /possibly 'undefined'/,
    );
  });

  it("shows lines of the cell in a stack trace, also of functions of earlier cells", async () => {
    const first = await kernel.client.execute(
      "interface Long {\n  a: number;\n}\nfunction fail(x: any) {\n  return x.y.z;\n}",
    );
    const count = first.reply.content.execution_count as number;
    const { text } = await failure("\n\nfail({});");
    assert.equal(
      text,
      `TypeError: Cannot read properties of undefined (reading 'z')\n    at fail (cell ${count}:5:14)\n    at cell ${count + 1}:3:5`,
    );
  });

  it("shows causes, and thrown values that are no errors", async () => {
    const { text } = await failure("throw new Error('outer', { cause: new RangeError('inner') })");
    assert.match(text, /^Error: outer[\s\S]*caused by:\nRangeError: inner/);
    assert.deepEqual((await failure("throw { code: 3 }")).evalue, "{ code: 3 }");
  });

  it("keeps what a cell declared before it failed", async () => {
    await failure("const kept = 11; throw new Error('stop')");
    assert.equal(await value("kept"), "11");
  });

  it("runs a cell that was sent at once after an error", async () => {
    await failure("throw new Error('first')");
    assert.equal(await value("'ran'"), "'ran'");
  });

  it("lets closures see later values", async () => {
    await value("let base = 1; function get() { return base }");
    assert.equal(await value("base = 5; get()"), "5");
  });

  it("refuses a wrong assignment to a variable of an earlier cell", async () => {
    await value("let typed = 1; const fixed = 2");
    assert.match((await failure("typed = 'x'")).text, /not assignable to type 'number'/);
    assert.match((await failure("fixed = 3")).text, /Cannot assign to 'fixed' because it is a constant/);
  });

  it("types Node.js and the kernel's globals", async () => {
    assert.equal(await value("process.version.startsWith('v') && typeof Buffer"), "'function'");
    assert.match((await failure("display(1, { id: 2 })")).text, /'number' is not assignable to type 'string/);
  });

  it("types Node.js also where the notebook's own @types/node is another, hoisted one", async () => {
    const types = path.join(kernel.folder, "hoisted", "node_modules", "@types", "node");
    const notebooks = path.join(kernel.folder, "hoisted", "notebooks");
    for (const folder of [types, notebooks]) fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(types, "package.json"), '{ "name": "@types/node", "version": "0.0.1" }');
    fs.writeFileSync(path.join(types, "index.d.ts"), "declare const process: { old: true };");
    const client = await KernelClient.start({ cwd: notebooks });
    const exchange = await client.execute("console.log(process.version.length > 1, typeof Buffer)");
    assert.equal(printed(exchange), "true function\n");
    await client.shutdown();
  });

  it("imports a built-in module dynamically, with its types", async () => {
    assert.equal(await value("const files = await import('fs'); typeof files.readFileSync"), "'function'");
    assert.match((await failure("files.readFileSyncs")).text, /Did you mean 'readFileSync'/);
  });

  it("awaits at the top level, also in for await", async () => {
    const code = "let sum = 0;\nfor await (const n of [1, Promise.resolve(2)]) sum += n;\nsum + (await 3)";
    assert.equal(await value(code), "6");
    await value("async function* numbers() { yield 1; yield 2 }");
    assert.equal(
      await value("const all: number[] = []; for await (const n of numbers()) all.push(n); all"),
      "[ 1, 2 ]",
    );
  });

  it("lets a cell declare a name again, with another type", async () => {
    await value("const again: number = 1; class Twice { n = 1 }; type Kind = 'a'");
    await value("const again: string = 'x'; class Twice { n = 'one' }; type Kind = 'b'");
    assert.equal(await value("const kind: Kind = 'b'; [again.length, new Twice().n.length]"), "[ 1, 3 ]");
  });

  it("imports TypeScript and JSON beside the notebook, and their changes", async () => {
    const file = path.join(kernel.folder, "helper.ts");
    fs.writeFileSync(file, "import { two } from './two';\nexport const four: number = two * 2;\n");
    fs.writeFileSync(path.join(kernel.folder, "two.ts"), "export const two = 2;\n");
    fs.writeFileSync(path.join(kernel.folder, "data.json"), '{ "n": 7 }');
    assert.equal(
      await value("import { four } from './helper'; import data from './data.json'; four + data.n"),
      "11",
    );
    assert.match((await failure("import { five } from './helper'")).text, /no exported member 'five'/);
  });

  it("imports ES modules and subpaths of exports from node_modules", async () => {
    const folder = path.join(kernel.folder, "node_modules", "modern");
    fs.mkdirSync(folder, { recursive: true });
    const manifest = {
      name: "modern",
      type: "module",
      exports: {
        ".": { import: "./main.js", types: "./main.d.ts" },
        "./sub": { types: "./sub.d.ts", default: "./sub.js" },
      },
    };
    fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify(manifest));
    fs.writeFileSync(
      path.join(folder, "main.js"),
      "export const late = await Promise.resolve(4); export default 'd';",
    );
    fs.writeFileSync(
      path.join(folder, "main.d.ts"),
      "export declare const late: number; declare const d: string; export default d;",
    );
    fs.writeFileSync(path.join(folder, "sub.js"), "export const s = 1;");
    fs.writeFileSync(path.join(folder, "sub.d.ts"), "export declare const s: number;");
    assert.equal(
      await value("import d, { late } from 'modern'; import { s } from 'modern/sub'; [d, late, s]"),
      "[ 'd', 4, 1 ]",
    );
    assert.equal(await value("const again = await import('modern'); again.late"), "4");
  });

  it("imports CommonJS packages: as default, by name, as a namespace, by require and dynamically", async () => {
    const folder = path.join(kernel.folder, "node_modules", "classic");
    fs.mkdirSync(path.join(folder, "lib"), { recursive: true });
    fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name: "classic", main: "main.js" }));
    fs.writeFileSync(path.join(folder, "main.js"), "module.exports = { two: 2, twice: (n) => 2 * n };");
    const types = "declare const c: { two: number; twice(n: number): number };\nexport = c;";
    fs.writeFileSync(path.join(folder, "main.d.ts"), types);
    fs.writeFileSync(path.join(folder, "lib", "deep.js"), "exports.deep = 'd';");
    fs.writeFileSync(path.join(folder, "lib", "deep.d.ts"), "export declare const deep: string;");
    assert.equal(
      await value(
        "import classic, { two } from 'classic'; import { deep } from 'classic/lib/deep'; [classic.twice(two), deep]",
      ),
      "[ 4, 'd' ]",
    );
    assert.equal(await value("import * as whole from 'classic'; whole.two + require('classic').two"), "4");
    assert.equal(await value("const { twice } = await import('classic'); twice(4)"), "8");
    assert.match((await failure("two.toFixedd()")).text, /Did you mean 'toFixed'/);
  });

  it("says that a module is missing, without the kernel's own files", async () => {
    const { text } = await failure("require('no-such-package')");
    assert.match(text, /Cannot find module 'no-such-package'/);
    assert.doesNotMatch(text, /Require stack/);
  });

  it("finds this package's own dependencies from any folder", async () => {
    assert.equal(
      await value("import * as tf from '@tensorflow/tfjs'; const t = tf.tensor([[1, 2], [3, 4]]); t"),
      "Tensor float32 [2, 2]\n    [[1, 2],\n     [3, 4]]",
    );
    assert.match((await failure("t.matMull(t)")).text, /Did you mean 'matMul'/);
    assert.equal(await value("t.dispose(); t"), "Tensor float32 [2, 2] (disposed)");
  });

  it("shows tensors with shape, type and a heat map", async () => {
    const code = "import * as tf from '@tensorflow/tfjs'; tf.tensor([[1, -2], [3, 4]])";
    const [, { data }] = outputs(await kernel.client.execute(code)).at(-1)!;
    assert.match(data["text/plain"], /^Tensor float32 \[2, 2\]\n/);
    assert.match(
      data["text/html"],
      /<img src="data:image\/svg[^>]*>.*Tensor float32 \[2, 2\] · min -2 · mean 1\.5 · max 4/,
    );
  });

  it("shows data frames as tables", async () => {
    const exchange = await kernel.client.execute(
      "import { DataFrame } from 'danfojs-node'; new DataFrame({ a: [1, 2.5], b: ['<x>', 'y'] })",
    );
    const [, content] = outputs(exchange).find(([type]) => type === "execute_result")!;
    assert.equal(content.data["text/plain"], "     a  b\n0  1.0  <x>\n1  2.5  y\n2 rows × 2 columns");
    assert.match(
      content.data["text/html"],
      /<td align="right"[^>]*>1\.0<\/td><td align="left"[^>]*>&lt;x&gt;<\/td>/,
    );
  });

  it("shows Maps, typed arrays, nested objects and promises readably", async () => {
    assert.equal(await value("new Map([[1, { a: [1, 2] }]])"), "Map(1) { 1 => { a: [ 1, 2 ] } }");
    assert.equal(await value("new Float32Array([1, 0.5])"), "Float32Array(2) [ 1, 0.5 ]");
    assert.equal(await value("Promise.resolve(1)"), "Promise { 1 }");
    const exchange = await kernel.client.execute(
      "console.log({ p: Promise.resolve(1), q: new Promise(() => {}) })",
    );
    assert.doesNotMatch(printed(exchange), /Symbol/);
  });

  it("shows nothing for undefined, and null for null", async () => {
    assert.equal(await value("undefined"), undefined);
    assert.equal(await value("null"), "null");
  });

  it("shows values that describe themselves, also asynchronously", async () => {
    const exchange = await kernel.client.execute(
      "({ async [Symbol.for('Jupyter.display')]() { return { 'text/html': '<b>x</b>', 'application/json': { n: 1 } } } })",
    );
    const [, content] = outputs(exchange)[0]!;
    assert.deepEqual(content.data, {
      "text/html": "<b>x</b>",
      "application/json": { n: 1 },
      "text/plain": "text/html, application/json",
    });
    assert.match(
      (await failure("({ [Symbol.for('Jupyter.display')]: () => 3 })")).evalue,
      /should return a MIME bundle, got 3/,
    );
    assert.equal(
      (await failure("display({ async [Symbol.for('Jupyter.display')]() { throw new Error('no') } })"))
        .evalue,
      "no",
    );
  });

  it("displays in order and updates in place", async () => {
    const exchange = await kernel.client.execute(`
      const slow = { async [Symbol.for('Jupyter.display')]() { await new Promise((r) => setTimeout(r, 20)); return { 'text/plain': 'slow' } } };
      display(slow, { id: 'a' }); display('two'); display(3, { id: 'a' });`);
    const shown = outputs(exchange).map(([type, { data, transient }]) => [
      type,
      data["text/plain"],
      transient,
    ]);
    assert.deepEqual(shown, [
      ["display_data", "slow", { display_id: "a" }],
      ["display_data", "'two'", {}],
      ["update_display_data", "3", { display_id: "a" }],
    ]);
    const again = await kernel.client.execute("display(4, { id: 'a' })");
    assert.equal(outputs(again)[0]![0], "display_data", "a cell that is run again shows its display again");
  });

  it("clears outputs", async () => {
    const exchange = await kernel.client.execute(
      "console.log(1); clearOutput({ wait: true }); clearOutput()",
    );
    assert.deepEqual(outputs(exchange).slice(1), [
      ["clear_output", { wait: true }],
      ["clear_output", { wait: false }],
    ]);
  });

  it("gives late output to the cell that made it, and survives late errors", async () => {
    const first = await kernel.client.execute(
      "let go!: () => void; const gate = new Promise<void>((r) => { go = r }); gate.then(() => { console.log('late'); throw new Error('late too') });",
    );
    await kernel.client.execute("go();");
    const id = first.reply.parent.msg_id;
    const late = () =>
      kernel.client.published.filter((m) => m.parent.msg_id === id && m.header.msg_type === "stream");
    const text = () =>
      late()
        .map((m) => m.content.text)
        .join("");
    await until(() => text().includes("late too"));
    assert.match(text(), /^late\nUncaught .*Error.*: late too/);
    assert.equal(await value("1"), "1");
  });

  it("catches what native code and child processes print", async () => {
    const exchange = await kernel.client.execute(
      "import { execSync } from 'node:child_process'; import fs from 'node:fs'; fs.writeSync(1, 'raw\\n'); await new Promise((r) => setTimeout(r, 200));",
    );
    assert.equal(printed(exchange), "raw\n");
  });
});
