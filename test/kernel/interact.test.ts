import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import type { Exchange } from "../../kernel/client";
import { readNotebook } from "../../kernel/nbformat";
import { runNotebook } from "../../kernel/notebooks";
import { area, change, models, shownChildren } from "./front-end";
import { outputs, result, until, useKernel } from "./support";

describe("kernel: interact", () => {
  const kernel = useKernel();
  const run = (code: string) => kernel.client.execute(code);
  const failure = async (code: string) => String((await run(code)).reply.content.evalue);
  /** What is below the controls now. */
  const below = (cell: Exchange) =>
    area(kernel.client, cell)
      .outputs.slice(1)
      .map(({ data }) => (data as any)["text/plain"].join(""))
      .filter((text) => text !== "");

  it("makes a control of each kind of description", async () => {
    const cell = await run(`
      const given = new widgets.Text({ value: "own" });
      interact((values) => values, { rank: [1, 64], rate: [0, 1], alpha: [0, 32, 8], on: true, name: "x", method: ["lora", "dora"], base: { A: 1, B: 2 }, given })`);
    const states = shownChildren(kernel.client, cell).map((id) => models(kernel.client).get(id));
    assert.deepEqual(
      states.map((s) => [s._model_name, s.description]),
      [
        ["IntSliderModel", "rank"],
        ["IntSliderModel", "rate"],
        ["IntSliderModel", "alpha"],
        ["CheckboxModel", "on"],
        ["TextModel", "name"],
        ["DropdownModel", "method"],
        ["DropdownModel", "base"],
        ["TextModel", ""],
      ],
    );
    assert.deepEqual([states[0].min, states[0].max, states[0].step], [1, 64, 1]);
    const text = below(cell).join("").replace(/\s+/g, " ");
    assert.equal(
      text,
      "{ rank: 33, rate: 1, alpha: 16, on: true, name: 'x', method: 'lora', base: 1, given: 'own' }",
    );
  });

  it("gives fractions a step of a hundredth, and as many decimals as the step needs", async () => {
    const cell = await run("interact((v) => v, { rate: [0, 0.3], fine: [0, 1, 0.001] })");
    const states = shownChildren(kernel.client, cell).map((id) => models(kernel.client).get(id));
    assert.deepEqual(
      states.map((s) => [s._model_name, s.step, s.readout_format, s.value]),
      [
        ["FloatSliderModel", 0.003, ".3f", 0.15],
        ["FloatSliderModel", 0.001, ".3f", 0.5],
      ],
    );
  });

  it("replaces what the function printed, displayed and returned before", async () => {
    const cell = await run(`
      interact(({ n }) => {
        for (let i = 0; i < n; i++) display(i);
        console.log("n is", n); console.error("careful");
        return n * n;
      }, { n: [0, 4] })`);
    const [slider] = shownChildren(kernel.client, cell);
    assert.deepEqual(below(cell), ["0", "1", "n is 2\n", "careful\n", "4"]);
    await change(kernel.client, slider!, { value: 4 });
    assert.deepEqual(below(cell), ["0", "1", "2", "3", "n is 4\n", "careful\n", "16"]);
    await change(kernel.client, slider!, { value: 0 });
    assert.deepEqual(below(cell), ["n is 0\n", "careful\n", "0"]);
    const shown = outputs({ ...cell, published: kernel.client.published }).filter(
      ([, { data }]) => data?.["application/vnd.jupyter.stderr"] !== undefined,
    );
    assert.ok(shown.every(([, { data }]) => data["application/vnd.jupyter.stderr"] === "careful\n"));
    assert.ok(shown.length > 0);
  });

  it("lets the function update its displays and clear them", async () => {
    const cell = await run(`
      interact(({ n }) => {
        display("first", { id: "d" }); display("second", { id: "d" }); console.log("old");
        if (n > 1) { clearOutput({ wait: true }); display("only") }
      }, { n: [0, 2] })`);
    const [slider] = shownChildren(kernel.client, cell);
    assert.deepEqual(below(cell), ["'second'", "old\n"]);
    await change(kernel.client, slider!, { value: 2 });
    assert.deepEqual(below(cell), ["'only'"]);
  });

  it("runs a slow function for the latest of many values", async () => {
    const cell = await run(`
      const ran: number[] = [];
      interact(({ n }) => {
        ran.push(n);
        for (const end = Date.now() + 60; Date.now() < end; );
        return n;
      }, { n: [0, 100] })`);
    const [slider] = shownChildren(kernel.client, cell);
    await Promise.all(Array.from({ length: 30 }, (_, i) => change(kernel.client, slider!, { value: i + 1 })));
    assert.deepEqual(below(cell), ["30"]);
    const ran = JSON.parse(String(result(await run("JSON.stringify(ran)"))).slice(1, -1)) as number[];
    const [first, ...others] = ran;
    assert.deepEqual([first, ran.at(-1)], [50, 30]);
    assert.ok(
      others.every((n, i) => i === 0 || n > others[i - 1]!),
      "never an older value after a newer one",
    );
    assert.ok(ran.length < 30, `ran ${ran.length} times`);
  });

  it("stops an async run whose values are out of date, and drops what it makes", async () => {
    const cell = await run(`
      const signals: AbortSignal[] = [], went: number[] = [];
      interact(async ({ n }) => {
        const signal = (globalThis as any)[Symbol.for("Jupyter.signal")] as AbortSignal;
        signals.push(signal);
        if (n === 5) return 5;
        console.log("run", n);
        await new Promise((resolve) => n === 6 ? setTimeout(resolve, 600) : signal.addEventListener("abort", resolve));
        went.push(n);
        return "dropped";
      }, { n: [0, 10] })`);
    const [slider] = shownChildren(kernel.client, cell);
    assert.deepEqual(below(cell), ["5"]);
    for (const [value, shown] of [
      [6, "run 6\n"], // does not listen to the signal
      [7, "run 7\n"],
      [5, "5"],
    ] as const) {
      await change(kernel.client, slider!, { value });
      await until(() => below(cell).join() === shown);
    }
    const state = await run("[signals.map((s) => s.aborted), went.length]");
    assert.equal(result(state), "[ [ false, true, true, false ], 0 ]");
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(below(cell), ["5"]);
  });

  it("shows what a generator yields part by part, and after the first part stops for newer values at once", async () => {
    const cell = await run(`
      const asked: number[] = [], finished: number[] = [];
      interact(async function* ({ n }) {
        asked.push(n);
        yield "quick " + n;
        if (n > 5) await new Promise((resolve) =>
          (globalThis as any)[Symbol.for("Jupyter.signal")].addEventListener("abort", resolve));
        finished.push(n);
        yield "slow " + n;
      }, { n: [0, 10] })`);
    const [slider] = shownChildren(kernel.client, cell);
    assert.deepEqual(below(cell), ["'quick 5'", "'slow 5'"]);
    for (const value of [7, 8, 9]) {
      await change(kernel.client, slider!, { value });
      // What was shown of earlier values stays until it is replaced.
      await until(() => below(cell).join() === `'quick ${value}','slow 5'`);
    }
    await change(kernel.client, slider!, { value: 4 });
    await until(() => below(cell).join() === "'quick 4','slow 4'");
    assert.equal(
      result(await run("[asked, finished.filter((n) => n < 6)]")),
      "[ [ 5, 7, 8, 9, 4 ], [ 5, 4 ] ]",
    );
  });

  it("stops an async run that computes without end", async () => {
    const cell = await run(`
      let turns = 0;
      interact(async ({ n }) => {
        for (; n > 5; turns++) await new Promise((r) => setTimeout(r, 1));
        return n;
      }, { n: [0, 10] })`);
    const [slider] = shownChildren(kernel.client, cell);
    await change(kernel.client, slider!, { value: 8 });
    await change(kernel.client, slider!, { value: 3 });
    await until(() => below(cell).join() === "3");
    const turns = result(await run("turns"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(result(await run("turns")), turns);
  });

  it("fails with its cell at first; later shows errors in place, and recovers", async () => {
    assert.equal(await failure("interact(() => { throw new Error('at first') }, { n: [0, 2] })"), "at first");
    assert.equal(
      await failure("interact(async () => { await null; throw new Error('a bit later') }, { n: [0, 2] })"),
      "a bit later",
    );
    const cell = await run(`
      interact(async ({ n }) => {
        console.log("n", n);
        if (n === 0) throw new RangeError("n is too small");
        return n;
      }, { n: [0, 2] })`);
    const [slider] = shownChildren(kernel.client, cell);
    await change(kernel.client, slider!, { value: 0 });
    await until(() => /^n 0\n,.*RangeError.*: n is too small\n\s+at .*cell \d+:4:/.test(below(cell).join()));
    await change(kernel.client, slider!, { value: 2 });
    await until(() => below(cell).join() === "n 2\n,2");
  });

  it("waits for an async first run: the cell ends after it, and can be interrupted", async () => {
    const waited = await run(
      "interact(async () => { await new Promise((r) => setTimeout(r, 50)); return 'done' }, {})",
    );
    assert.deepEqual(
      outputs(waited).map(([, { data }]) => data["text/plain"]),
      ["'done'"],
    );
    let asked = false;
    const stopped = await kernel.client.execute(
      "interact(async () => { console.log('on'); await new Promise(() => {}) }, {})",
      {
        onOutput(message) {
          if (asked || message.header.msg_type !== "display_data") return;
          asked = true;
          void kernel.client.interrupt();
        },
      },
    );
    assert.equal(stopped.reply.content.ename, "Interrupted");
  });

  it("draws progress bars and widgets of the function in place", async () => {
    const cell = await run(`
      interact(({ n }) => {
        for (const _ of progress(Array(n).fill(0), { label: "steps" }));
        const text = new widgets.Text({ value: "n" + n }); display(text);
      }, { n: [0, 4] })`);
    const [slider] = shownChildren(kernel.client, cell);
    assert.match(below(cell)[0]!, /^steps: █+ 2\/2 · \d:\d\d$/);
    await change(kernel.client, slider!, { value: 4 });
    assert.match(below(cell)[0]!, /^steps: █+ 4\/4 · \d:\d\d$/);
    assert.equal(below(cell)[1], "Text(value: 'n4')");
  });

  it("refuses descriptions that are no controls, by name", async () => {
    const cases: [string, RegExp][] = [
      ["{ n: 3 as any }", /control "n" should be \[min, max, step\], a boolean, .*, got 3/],
      [
        "{ n: [5, 1] }",
        /control "n" should be \[min, max, step\] with min < max and step > 0, got \[ 5, 1, 1 \]/,
      ],
      ["{ n: [0, 1, 0] }", /with min < max and step > 0/],
      ["{ n: [0, NaN] }", /control "n" should be/],
      ["{ n: [] as any }", /control "n" should be .* got \[\]/],
      ["{ n: {} }", /control "n" should be .* got \{\}/],
      ["{ n: new widgets.Button() as any }", /control "n" is a Button, without a value/],
    ];
    for (const [controls, message] of cases)
      assert.match(await failure(`interact(() => 1, ${controls})`), message);
    assert.match(await failure("interact(3 as any, {})"), /interact: expected a function first, got 3/);
    assert.match(
      await failure("interact(() => 1, undefined as any)"),
      /expected an object of controls, got undefined/,
    );
  });

  it("is readable in a notebook that was run headless", async () => {
    const file = path.join(kernel.folder, "interact.ipynb");
    const source = "interact(({ rank }) => ({ rank }), { rank: [1, 7] })";
    const cell = { cell_type: "code", id: "c", metadata: {}, source, outputs: [], execution_count: null };
    const notebook = { nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [cell] };
    fs.writeFileSync(file, JSON.stringify(notebook));
    assert.equal((await runNotebook(file, { out: file })).failure, undefined);
    const [controls, shown] = readNotebook(file).cells[0]!.outputs as any[];
    assert.deepEqual(controls.data["text/plain"], [
      "VBox(children: [ IntSlider(description: 'rank', min: 1, max: 7, value: 4) ])",
    ]);
    assert.deepEqual(shown.data, { "text/plain": ["{ rank: 4 }"] });
  });
});
