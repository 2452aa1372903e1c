import assert from "node:assert/strict";
import { area, change, models, sendComm, shownModel } from "./front-end";
import { outputs, result, until, useKernel } from "./support";

describe("kernel: widgets", () => {
  const kernel = useKernel();
  const run = (code: string) => kernel.client.execute(code);
  const state = (id: string) => models(kernel.client).get(id);
  const failure = async (code: string) => String((await run(code)).reply.content.evalue);
  /** Runs a cell whose value is a widget. @returns the widget's id */
  const widget = async (code: string) => shownModel(await run(code));

  it("are told to a page that asks before any cell has run", async () => {
    const control = { comm_id: "control-1", target_name: "jupyter.widget.control", data: {} };
    assert.deepEqual(await sendComm(kernel.client, "open", control), []);
    const request = { comm_id: "control-1", data: { method: "request_states" } };
    const [answer] = await sendComm(kernel.client, "msg", request);
    assert.deepEqual(answer!.content.data, { method: "update_states", states: {}, buffer_paths: [] });
  });

  it("open a comm each, after those of their layout and style", async () => {
    const exchange = await run("const rank = new widgets.IntSlider({ description: 'rank', max: 64 }); rank");
    const opens = exchange.published.filter((m) => m.header.msg_type === "comm_open") as any[];
    assert.deepEqual(
      opens.map(({ content }) => content.data.state._model_name),
      ["LayoutModel", "SliderStyleModel", "IntSliderModel"],
    );
    for (const { content, metadata, buffers } of opens) {
      assert.equal(content.target_name, "jupyter.widget");
      assert.deepEqual(content.data.buffer_paths, []);
      assert.deepEqual(metadata, { version: "2.1.0" });
      assert.deepEqual(buffers, []);
    }
    const [layout, style, slider] = opens.map(({ content }) => content.comm_id);
    const { description, max, layout: ownLayout, style: ownStyle } = state(slider);
    assert.deepEqual([description, max], ["rank", 64]);
    assert.deepEqual([ownLayout, ownStyle], [`IPY_MODEL_${layout}`, `IPY_MODEL_${style}`]);
    assert.equal(shownModel(exchange), slider);
  });

  it("echo a front end's change, apply it, and call observers in their cell", async () => {
    const cell = await run(`
      const s = new widgets.FloatSlider({ max: 1, step: 0.01 });
      s.onChange((value, previous) => console.log(previous, "→", value)); s`);
    assert.deepEqual(await change(kernel.client, shownModel(cell), { value: 0.25 }), [
      ["echo_update", { value: 0.25 }],
    ]);
    assert.equal(result(await run("s.value")), "0.25");
    await until(() => area(kernel.client, cell).text().endsWith("0 → 0.25\n"));
    assert.deepEqual(await change(kernel.client, shownModel(cell), { value: 0.25 }), [
      ["echo_update", { value: 0.25 }],
    ]);
    await run("s.value = 0.5");
    await until(() => area(kernel.client, cell).text().endsWith("0 → 0.25\n0.25 → 0.5\n"));
  });

  it("tell the front end what code changes, once", async () => {
    const id = await widget("const t = new widgets.Text({ value: 'a' }); t");
    const exchange = await run(
      "t.value = 'b'; t.value = 'b'; t.placeholder = 'none'; t.layout = { width: '50%' }; undefined",
    );
    const updates = outputs(exchange).map(([, { comm_id, data }]) => [comm_id === id, data]);
    const update = (state: object) => ({ method: "update", state, buffer_paths: [] });
    assert.deepEqual(updates, [
      [true, update({ value: "b" })],
      [true, update({ placeholder: "none" })],
      [false, update({ width: "50%" })],
    ]);
    assert.equal(result(await run("[t.value, t.layout.width, t.style.fontSize]")), "[ 'b', '50%', null ]");
  });

  it("correct values that they do not take", async () => {
    const id = await widget("const bound = new widgets.IntSlider({ min: 1, max: 8, value: 3 }); bound");
    assert.deepEqual(await change(kernel.client, id, { value: 100 }), [
      ["echo_update", { value: 100 }],
      ["update", { value: 8 }],
    ]);
    for (const value of ["7", 2.5, null, [1]])
      assert.deepEqual(await change(kernel.client, id, { value }), [
        ["echo_update", { value }],
        ["update", { value: 8 }],
      ]);
    assert.deepEqual(await change(kernel.client, id, { nothing: 1, max: 4 }), [
      ["echo_update", { nothing: 1, max: 4 }],
      ["update", { value: 4 }],
    ]);
    const range = await widget("new widgets.IntRangeSlider({ max: 8 })");
    assert.deepEqual(await change(kernel.client, range, { value: [5, 1] }), [
      ["echo_update", { value: [5, 1] }],
      ["update", { value: [2, 6] }],
    ]);
    assert.equal(result(await run("bound.value = -3; [bound.value, bound.max]")), "[ 1, 4 ]");
  });

  it("are told again to a page that asks, one or all", async () => {
    const id = await widget("const asked = new widgets.Checkbox({ value: true }); asked");
    const one = { comm_id: id, data: { method: "request_state" } };
    const [answer] = await sendComm(kernel.client, "msg", one);
    assert.deepEqual(answer!.content.data, { method: "update", state: state(id), buffer_paths: [] });

    const control = { comm_id: "control-2", target_name: "jupyter.widget.control", data: {} };
    await sendComm(kernel.client, "open", control);
    const all = { comm_id: "control-2", data: { method: "request_states" } };
    const [message] = await sendComm(kernel.client, "msg", all);
    const { method, states } = message!.content.data as any;
    assert.equal(method, "update_states");
    assert.deepEqual(Object.keys(states).sort(), [...models(kernel.client).keys()].sort());
    const names = { model_module: "@jupyter-widgets/controls", model_module_version: "2.0.0" };
    assert.deepEqual(states[id], { model_name: "CheckboxModel", ...names, state: state(id) });
  });

  it("have values of their kind", async () => {
    const values = await run(`[
      new widgets.IntSlider().value, new widgets.FloatLogSlider({ min: -5, max: -1, value: 1e-3 }).value,
      new widgets.IntRangeSlider({ min: 0, max: 8 }).value, new widgets.FloatRangeSlider({ value: [0.5, 200] }).value,
      new widgets.Dropdown({ options: ["lora", "dora"] }).value, new widgets.Dropdown({ options: { a: { n: 1 } } }).value,
      new widgets.Dropdown({ options: ["x", "y"], value: "y" }).value, new widgets.Checkbox().value, new widgets.Text().value,
      new widgets.HTML({ value: "<b>x</b>" }).value, new widgets.IntProgress({ value: 200 }).value,
    ]`);
    assert.deepEqual(
      result(values)?.replace(/\s+/g, " "),
      "[ 0, 0.001, [ 2, 6 ], [ 0.5, 100 ], 'lora', { n: 1 }, 'y', false, '', '<b>x</b>', 100 ]",
    );
  });

  it("dropdown: the front end knows labels, code knows values", async () => {
    const id = await widget(`
      const seen: unknown[] = [];
      const dropdown = new widgets.Dropdown({ options: { small: 4, large: 64 }, value: 64 });
      dropdown.onChange((value, previous) => seen.push([previous, value])); dropdown`);
    assert.deepEqual([state(id)._options_labels, state(id).index], [["small", "large"], 1]);
    await change(kernel.client, id, { index: 0 });
    assert.deepEqual(await change(kernel.client, id, { index: 2 }), [
      ["echo_update", { index: 2 }],
      ["update", { index: 0 }],
    ]);
    await run("dropdown.options = { tiny: 1, small: 4 }; dropdown.value = 1;");
    assert.deepEqual([state(id)._options_labels, state(id).index], [["tiny", "small"], 0]);
    assert.equal(result(await run("seen")), "[ [ 64, 4 ], [ 4, 1 ] ]");
    assert.match(await failure("dropdown.value = 5"), /expected one of tiny, small, got 5/);
  });

  it("buttons: clicks, until their callbacks are taken away", async () => {
    const id = await widget(`
      let clicks = 0; const button = new widgets.Button({ description: "go" });
      const end = button.onClick(() => clicks++); button`);
    const click = { comm_id: id, data: { method: "custom", content: { event: "click" } } };
    await sendComm(kernel.client, "msg", click);
    await sendComm(kernel.client, "msg", click);
    await run("end()");
    await sendComm(kernel.client, "msg", click);
    assert.equal(result(await run("clicks")), "2");
  });

  it("callbacks update what their cell has displayed", async () => {
    const cell = await run(`
      const more = new widgets.Button(); let count = 0;
      more.onClick(() => display(++count, { id: "count" })); display(count, { id: "count" }); more`);
    const click = { comm_id: shownModel(cell), data: { method: "custom", content: { event: "click" } } };
    for (let i = 0; i < 3; i++) await sendComm(kernel.client, "msg", click);
    assert.deepEqual(
      area(kernel.client, cell).outputs.map(({ data }) => (data as any)["text/plain"]),
      [["3"], ["Button()"]],
    );
  });

  it("boxes: children by reference, changed by both sides", async () => {
    const id = await widget(`
      const [a, b] = [new widgets.Text(), new widgets.Checkbox()];
      const box = new widgets.HBox({ children: [a, new widgets.VBox({ children: [b] })], layout: { gap: undefined, width: "9em" } as any }); box`);
    const [first, second] = state(id).children as string[];
    assert.equal(state(first!.replace("IPY_MODEL_", ""))._model_name, "TextModel");
    assert.equal(state(second!.replace("IPY_MODEL_", "")).children.length, 1);
    assert.equal(state(state(id).layout.replace("IPY_MODEL_", "")).width, "9em");
    await run("box.children = [b]");
    assert.equal(state(id).children.length, 1);
    await change(kernel.client, id, { children: [first] });
    assert.equal(result(await run("box.children.length === 1 && box.children[0] === a")), "true");
    assert.match(await failure("box.children = [1] as any"), /HBox.children should be widgets, got \[ 1 \]/);
  });

  it("output: prints, displays and errors of functions, also of async ones", async () => {
    const id = await widget("const out = new widgets.Output(); out");
    const exchange = await run(`
      console.log("outside");
      const returned = out.capture(() => { console.log("in"); console.log("side"); display([1]); return 7 });
      const pending = out.capture(async () => { await null; console.error("late"); display("x", { id: "d" }); display("y", { id: "d" }) });
      await pending; out.append({ b: 2 }); returned`);
    assert.equal(result(exchange), "7");
    const shown = outputs(exchange).filter(([type]) => type !== "comm_msg");
    assert.ok(outputs(exchange).length > shown.length, "the widget changes for the cell that put out");
    assert.deepEqual(shown[0], ["stream", { name: "stdout", text: "outside\n" }]);
    assert.equal(shown.length, 2);
    const display = (text: string) => ({
      output_type: "display_data",
      data: { "text/plain": text },
      metadata: {},
    });
    assert.deepEqual(state(id).outputs, [
      { output_type: "stream", name: "stdout", text: "in\nside\n" },
      display("[ 1 ]"),
      { output_type: "stream", name: "stderr", text: "late\n" },
      display("'y'"),
      display("{ b: 2 }"),
    ]);
    await run("out.clear({ wait: true })");
    assert.equal(state(id).outputs.length, 5);
    await run("out.append(1)");
    assert.deepEqual(state(id).outputs, [display("1")]);
    await run("out.clear()");
    assert.deepEqual(state(id).outputs, []);
    assert.equal(await failure("out.capture(() => { throw new Error('from inside') })"), "from inside");
  });

  it("that are closed disappear, hear nothing more, and are shown as text", async () => {
    const id = await widget(
      "const gone = new widgets.Text({ value: 'a' }); gone.onChange(() => console.log('heard')); gone",
    );
    assert.deepEqual(outputs(await run("gone.close(); gone.close()")), [
      ["comm_close", { comm_id: id, data: {} }],
    ]);
    assert.equal(state(id), undefined);
    assert.deepEqual(await change(kernel.client, id, { value: "b" }), []);
    const [[, shown]] = outputs(await run("gone.value = 'c'; gone")) as [[string, any]];
    assert.deepEqual(shown.data, { "text/plain": "Text(value: 'c')" });

    const other = await widget("const other = new widgets.Text(); other");
    await sendComm(kernel.client, "close", { comm_id: other, data: {} });
    assert.equal(result(await run("other.value = 'still'; other.value")), "'still'");
  });

  it("have a text for where there are no widgets", async () => {
    const texts = await run(`[
      new widgets.IntSlider({ description: "rank", value: 8 }), new widgets.Button({ description: "go" }),
      new widgets.Dropdown({ options: { small: 4, large: 64 } }), new widgets.Output(),
    ]`);
    assert.equal(
      result(texts)?.replace(/\s+/g, " "),
      "[ IntSlider(description: 'rank', value: 8), Button(description: 'go'), " +
        "Dropdown(options: [ 'small', 'large' ], value: 4), Output() ]",
    );
    const exchange = await run(
      "const area = new widgets.Output(); area.capture(() => { console.log('a'); display(2) }); area",
    );
    assert.equal(result(exchange), "a\n2");
  });

  it("refuse options that do not exist or have the wrong type, and open nothing then", async () => {
    const before = kernel.client.published.filter((m) => m.header.msg_type === "comm_open").length;
    const cases: [string, RegExp][] = [
      ["new widgets.IntSlider({ wrong: 1 } as any)", /IntSlider has no property "wrong"; it has .*value/],
      ["new widgets.IntSlider({ value: 1.5 })", /IntSlider.value should be an integer, got 1.5/],
      ["new widgets.FloatSlider({ value: NaN })", /FloatSlider.value should be a finite number, got NaN/],
      ["new widgets.IntSlider({ min: 5, max: 1 })", /min should be at most max, got min 5 and max 1/],
      [
        "new widgets.IntRangeSlider({ value: [5, 1] })",
        /IntRangeSlider.value should be \[lower, upper\], got \[ 5, 1 \]/,
      ],
      ["new widgets.Checkbox({ value: 'on' as any })", /Checkbox.value should be a boolean, got 'on'/],
      ["new widgets.Text({ value: 1 as any })", /Text.value should be a text, got 1/],
      ["new widgets.Dropdown({ options: ['a'], value: 'b' })", /expected one of a, got 'b'/],
      ["new widgets.VBox({ children: ['a'] as any })", /VBox.children should be widgets/],
      ["new widgets.Text({ layout: { colour: 'red' } as any })", /Layout has no property "colour"/],
    ];
    for (const [code, message] of cases) assert.match(await failure(code), message);
    const after = kernel.client.published.filter((m) => m.header.msg_type === "comm_open").length;
    assert.equal(after, before);
  });

  it("answer messages of no known method in words, and live on", async () => {
    const cell = await run("const odd = new widgets.Text(); odd");
    const comm_id = shownModel(cell);
    for (const data of [{}, { method: "dance" }, { method: "update", state: 3 }, null as any])
      await sendComm(kernel.client, "msg", { comm_id, data });
    await until(() => area(kernel.client, cell).text().split("without a known method").length === 5);
    await change(kernel.client, comm_id, { value: "fine" });
    assert.equal(result(await run("odd.value")), "'fine'");
  });

  it("callbacks are stopped by an interrupt, before and after they await", async () => {
    const cell = await run(`
      const loops = new widgets.Dropdown({ options: ["none", "sync", "async"] }); let after = 0;
      loops.onChange((value) => { if (value === "sync") { console.log("on 1"); for (;;) after = 1 } });
      loops.onChange(async (value) => { if (value === "async") { await null; console.log("on 2"); for (;;) after = 2 } }); loops`);
    for (const index of [1, 2]) {
      const handled = change(kernel.client, shownModel(cell), { index });
      await until(() => area(kernel.client, cell).text().includes(`on ${index}`));
      await kernel.client.interrupt();
      await handled;
      assert.equal(result(await run("after")), String(index));
    }
  });
});

describe("kernel: types of widgets", () => {
  const kernel = useKernel();
  const failure = async (code: string) => String((await kernel.client.execute(code)).reply.content.evalue);
  const complete = async (before: string, after = "") => {
    const query = { code: before + after, cursor_pos: before.length };
    return (await kernel.client.request("complete_request", query)).reply.content.matches as string[];
  };
  const hover = async (code: string) => {
    const { reply } = await kernel.client.request("inspect_request", {
      code,
      cursor_pos: code.length,
      detail_level: 0,
    });
    return String((reply.content.data as any)["text/plain"]);
  };

  it("complete names, options and members", async () => {
    assert.deepEqual((await complete("new widgets.Int")).slice(0, 3), [
      "IntProgress",
      "IntRangeSlider",
      "IntSlider",
    ]);
    assert.ok((await complete("new widgets.IntSlider({ readout")).includes("readoutFormat"));
    assert.ok((await complete("new widgets.Text().on")).includes("onChange"));
    assert.ok((await complete("new widgets.Button({ buttonStyle: '")).includes("warning"));
    assert.deepEqual(await complete("interact(({ r", " }) => 0, { rank: [1, 8], ratio: true })"), [
      "rank",
      "ratio",
    ]);
  });

  it("explain themselves", async () => {
    assert.match(await hover("interact"), /Shows controls and what a function makes of their values/);
    assert.match(await hover("progress"), /with a bar below the cell that fills/);
    assert.match(await hover("new widgets.FloatLogSlider"), /A slider over powers/);
    assert.match(await hover("comms.open"), /Opens a comm of a target that the front end knows/);
  });

  it("infer the values of controls", async () => {
    const { reply } = await kernel.client.execute(`
      interact((values) => {
        const rank: number = values.rank, method: "lora" | "dora" = values.method, on: boolean = values.on;
        const name: string = values.name, base: "/a" | "/b" = values.base, rate: number = values.rate;
      }, { rank: [1, 8], method: ["lora", "dora"], on: true, name: "x", base: { A: "/a", B: "/b" }, rate: new widgets.FloatSlider() })`);
    assert.equal(reply.content.status, "ok", String(reply.content.evalue));
    assert.match(
      await failure("interact(({ rank }) => rank.length, { rank: [1, 8] })"),
      /Property 'length' does not exist on type 'number'/,
    );
    assert.match(
      await failure("interact(({ rnak }) => rnak, { rank: [1, 8] })"),
      /Property 'rnak' does not exist/,
    );
  });

  it("know each widget's value and options", async () => {
    assert.match(
      await failure("new widgets.IntSlider({ vlaue: 1 })"),
      /'{ vlaue: number; }' is not assignable/,
    );
    assert.match(
      await failure("new widgets.Text().value = 1"),
      /'number' is not assignable to type 'string'/,
    );
    assert.match(
      await failure("const d = new widgets.Dropdown({ options: { a: 1 } }); const s: string = d.value"),
      /'number \| null' is not assignable|'null' is not assignable/,
    );
  });
});
