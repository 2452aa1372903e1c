import assert from "node:assert/strict";
import { interruptOnceOn, printed, result, until, useKernel } from "./support";

describe("kernel: interrupt", () => {
  const kernel = useKernel();
  before(() =>
    kernel.client.execute(
      "const kept = 1; const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms))",
    ),
  );

  const stateKept = async () => assert.equal(result(await kernel.client.execute("kept")), "1");
  const stops = async (code: string) => {
    const { reply } = await interruptOnceOn(kernel.client, `console.log('on');\n${code}`);
    assert.deepEqual(
      [reply.content.ename, reply.content.evalue],
      ["Interrupted", "the cell was stopped; variables are kept"],
    );
    await stateKept();
  };

  it("stops a synchronous endless loop", () => stops("while (true) {}"));
  it("stops synchronous code that has no loop of its own", () =>
    stops("JSON.stringify({ toJSON() { return [...(function* () { for (;;) yield 1 })()].length } })"));
  it("stops a pending await", () => stops("await new Promise(() => {})"));
  it("stops a loop after an await", () => stops("await sleep(1); while (true) {}"));
  it("stops a loop of awaits", () => stops("while (true) await sleep(1)"));
  it("stops a loop that prints without end, whose first lines were heard at once", () =>
    stops("while (true) console.log('a line of text')"));
  it("stops an endless loop in a timer of the cell", () =>
    stops("setTimeout(() => { while (true); }, 1); await new Promise(() => {})"));
  it("stops a function of an earlier cell", async () => {
    await kernel.client.execute(
      "async function poll() { for (;;) { await sleep(1); ticks++ } }\nlet ticks = 0",
    );
    await stops("await poll()");
    const before = Number(result(await kernel.client.execute("ticks")));
    await kernel.client.execute("await sleep(30)");
    assert.equal(Number(result(await kernel.client.execute("ticks"))), before, "the body has stopped too");
  });

  it("does not run the statements after the await that was interrupted, and keeps what it returned", async () => {
    await kernel.client.execute(
      "let release!: () => void; const gate = new Promise<string>((r) => { release = () => r('value') })",
    );
    await stops("const got = await gate; console.log('continued')");
    const later = await kernel.client.execute("release(); await sleep(10); got");
    assert.equal(result(later), "'value'");
    assert.ok(!kernel.client.published.some((m) => m.content.text === "continued\n"));
  });

  it("aborts the cell's signal", async () => {
    const code = `console.log('on');
      const signal: AbortSignal = (globalThis as any)[Symbol.for('Jupyter.signal')];
      await new Promise(() => signal.addEventListener('abort', () => { aborted = true }))`;
    await kernel.client.execute("let aborted = false");
    await interruptOnceOn(kernel.client, code);
    assert.equal(result(await kernel.client.execute("aborted")), "true");
  });

  it("stops a loop in a timer of an interrupted cell, and later cells run", async () => {
    const stopped = await interruptOnceOn(
      kernel.client,
      "setInterval(() => { for (const x of [1]) count++ }, 1); let count = 0; console.log('on'); await new Promise(() => {})",
    );
    assert.equal(stopped.reply.content.ename, "Interrupted");
    const exchange = await kernel.client.execute("const first = count; await sleep(30); count === first");
    assert.equal(result(exchange), "true");
  });

  it("does not touch the cells that wait", async () => {
    const code = "console.log('on'); await new Promise(() => {})";
    const stopped = interruptOnceOn(kernel.client, code, { stop_on_error: false });
    const next = kernel.client.execute("for (let i = 0; i < 3; i++) console.log(i)");
    assert.equal((await stopped).reply.content.ename, "Interrupted");
    assert.equal(printed(await next), "0\n1\n2\n");
  });

  it("never reaches a later cell", async () => {
    const endless = ["while (true) {}", "await sleep(1); while (true) {}", "while (true) console.log(1)"];
    for (let i = 0; i < 60; i++) {
      const code = `console.log('on'); ${endless[i % endless.length]}`;
      const { reply } = await interruptOnceOn(kernel.client, code);
      assert.match(String(reply.content.evalue), /variables are kept/);
      const later = await kernel.client.execute(
        "for (const end = Date.now() + 10; Date.now() < end; ); await sleep(1); 'whole'",
      );
      assert.equal(later.reply.content.evalue, undefined, code);
      assert.equal(result(later), "'whole'");
    }
  });

  it("is answered when nothing runs, and does nothing", async () => {
    const { reply } = await kernel.client.interrupt();
    assert.deepEqual(reply.content, { status: "ok" });
    await stateKept();
  });

  it("ends the process of a cell that does not stop, and says what is lost", async () => {
    const stopped = await interruptOnceOn(
      kernel.client,
      "console.log('on'); await sleep(1); for (let i = 0; i < 1e15; i++);",
    );
    assert.match(
      stopped.reply.content.evalue as string,
      /did not stop, so its process was ended. All variables are lost/,
    );
    const gone = await kernel.client.execute("kept");
    assert.match(gone.reply.content.evalue as string, /Cannot find name 'kept'/);
    assert.equal(result(await kernel.client.execute("const kept = 2; kept")), "2");
  });

  it("reaches a cell whose process is still starting", async () => {
    await kernel.client.execute("process.exit(0)");
    const cell = kernel.client.execute("await new Promise(() => {})");
    await kernel.client.interrupt();
    await until(() => kernel.client.published.some((m) => m.header.msg_type === "execute_input"));
    assert.equal((await cell).reply.content.ename, "Interrupted");
  });
});
