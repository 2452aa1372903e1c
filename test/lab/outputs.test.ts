/** Outputs that survive a reload: what the server keeps of running cells. */
import assert from "node:assert/strict";
import { newHeader } from "../../kernel/protocol/wire";
import type { RunningOutputs } from "../../lab/server/api-types";
import { OutputLog } from "../../lab/server/kernels/outputs";
import { Channel } from "./channel";
import { codeCell, notebook, saveNotebook, until, useLab } from "./support";

describe("lab: outputs of a kernel without a browser", () => {
  const lab = useLab();

  it("keeps what a cell puts out while no browser is connected, until it is saved", async () => {
    await saveNotebook(
      lab,
      "a.ipynb",
      notebook(codeCell("one", ""), codeCell("two", ""), codeCell("three", "")),
    );
    const session = await lab.ask("POST", "/api/sessions", { path: "a.ipynb", type: "notebook", name: "a" });
    const page = await Channel.open(lab, session.body.kernel.id);
    const outputs = async (): Promise<RunningOutputs> =>
      (await lab.ask("GET", "/lab/api/outputs?path=a.ipynb")).body;
    const long = `console.log("begin"); await new Promise((resolve) => setTimeout(resolve, 500)); console.log("end"); 6 * 7`;
    page.execute(long, "one");
    page.execute("throw new Error('no')", "two");
    page.execute("1", "three");
    await until(async () => (await outputs()).cells[0]?.state === "running");
    page.close(1001); // the page is reloaded
    const { outputs: log } = lab.server.lab.kernels.get(session.body.kernel.id);
    await until(() => log.unfinished.length === 0);
    // Another program saves the notebook as it was before the run: nothing is forgotten that it does not hold.
    const before = notebook(codeCell("one", ""), codeCell("two", ""), codeCell("three", ""));
    await saveNotebook(lab, "a.ipynb", before);
    const { kernelId, cells } = await outputs();
    assert.equal(kernelId, session.body.kernel.id);
    assert.deepEqual(
      cells.map(({ cellId, state, executionCount }) => [cellId, state, executionCount]),
      [
        ["one", "ok", 1],
        ["two", "error", 2],
      ],
    );
    assert.deepEqual(cells[0]!.outputs, [
      { output_type: "stream", name: "stdout", text: "begin\nend\n" },
      { output_type: "execute_result", data: { "text/plain": "42" }, metadata: {}, execution_count: 1 },
    ]);
    assert.equal((cells[1]!.outputs[0] as { ename: string }).ename, "Error");

    // The page that fetched them saves: with the outputs, or cleared by the user.
    await saveNotebook(
      lab,
      "a.ipynb",
      notebook(codeCell("one", "", { execution_count: 1 }), codeCell("two", "")),
    );
    assert.deepEqual((await outputs()).cells, []);
    await lab.ask("PATCH", `/api/sessions/${session.body.id}`, { path: "b.ipynb" });
    assert.equal((await outputs()).kernelId, null);
    await lab.ask("DELETE", `/api/sessions/${session.body.id}`);
  });

  it("tells the running cell when the kernel's process dies, and starts another", async () => {
    const session = await lab.ask("POST", "/api/sessions", { path: "c.ipynb", type: "notebook", name: "c" });
    const page = await Channel.open(lab, session.body.kernel.id);
    const id = page.execute(`console.log("on"); await new Promise(() => {})`, "x");
    await until(() => page.text(id).includes("on"));
    process.kill(lab.server.lab.kernels.get(session.body.kernel.id).pid!, "SIGKILL");
    const error = await page.find(({ header }) => header.msg_type === "error");
    assert.equal(error.parent_header.msg_id, id);
    assert.match(
      error.content.evalue,
      /the kernel's process ended \(SIGKILL\).*run out of memory.*variables are gone/,
    );
    const states = () =>
      page.messages
        .filter(({ header, parent_header }) => header.msg_type === "status" && !parent_header.msg_id)
        .map(({ content }) => content.execution_state);
    await until(() => states().includes("restarting"));
    const again = page.execute("1 + 1");
    assert.equal(
      (await page.reply(again)).content.status,
      "ok",
      "what is sent during the restart is not lost",
    );
    const { cells } = (await lab.ask("GET", "/lab/api/outputs?path=c.ipynb")).body as RunningOutputs;
    assert.deepEqual([cells[0]!.state, cells[0]!.outputs.at(-1)!.output_type], ["error", "error"]);
    page.close();
  });
});

describe("lab: the log of outputs", () => {
  const gone = { isConnected: false, hasMissed: false };
  const message = (type: string, content: object, parent = "request") => ({
    identities: [],
    header: newHeader(type, "kernel"),
    parent: { msg_id: parent },
    metadata: {},
    content: content as Record<string, unknown>,
    buffers: [],
  });
  const logged = (...messages: [string, object, string?][]) => {
    const log = new OutputLog();
    log.requested("request", "cell", gone);
    log.requested("other", "another", gone);
    for (const [type, content, parent] of messages) log.add(message(type, content, parent));
    return log.list();
  };
  const stream = (text: string, name = "stdout"): [string, object] => ["stream", { name, text }];

  it("forgets at a save what the file holds, and what a page saw and cleared, but nothing unseen", () => {
    const kept = (isConnected: boolean, fetched: boolean, count: number | null, hasMissed = false) => {
      const log = new OutputLog();
      log.requested("request", "cell", { isConnected, hasMissed });
      log.add(message("execute_input", { execution_count: 3 }));
      log.saved(notebook(codeCell("cell", "", { execution_count: 3 })) as any);
      assert.equal(log.list().length, 1, "it still runs");
      log.add(message("status", { execution_state: "idle" }));
      if (fetched) log.list();
      log.saved(notebook(codeCell("cell", "", { execution_count: count })) as any);
      return log.list().length === 1;
    };
    assert.equal(kept(false, false, 3), false);
    assert.equal(kept(false, false, null), true);
    assert.equal(kept(true, false, null), false);
    assert.equal(kept(false, true, null), false);
    assert.equal(kept(true, false, 3, true), true, "a page that was too slow holds a part only");
  });

  it("keeps a saved cell whose displays may still be updated, and says whether the file has its latest", () => {
    const log = new OutputLog();
    log.requested("request", "cell", gone);
    log.add(message("execute_input", { execution_count: 3 }));
    const transient = { display_id: "d" };
    const data = (text: string) => ({ data: { "text/plain": text }, metadata: {}, transient });
    log.add(message("display_data", data("before")));
    log.add(message("status", { execution_state: "idle" }));
    const save = (execution_count: number | null) =>
      log.saved(notebook(codeCell("cell", "", { execution_count })) as any);
    save(3);
    assert.deepEqual(
      log.list().map(({ isSaved, displayIds }) => [isSaved, displayIds]),
      [[true, { 0: "d" }]],
    );
    log.add(message("update_display_data", data("after"), "of a slider"));
    const [updated] = log.list();
    assert.equal(updated!.isSaved, false);
    assert.deepEqual((updated!.outputs[0] as any).data, { "text/plain": "after" });
    save(null);
    assert.deepEqual(log.list(), [], "the user cleared it");
  });

  it("forgets what is saved when the kernel ends, and first when there is too much", () => {
    const run = (log: OutputLog, id: string, size: number) => {
      log.requested(id, id, gone);
      log.add(message("execute_input", { execution_count: 1 }, id));
      const transient = { display_id: id };
      const data = { "text/plain": "x".repeat(size) };
      log.add(message("display_data", { data, metadata: {}, transient }, id));
      log.add(message("status", { execution_state: "idle" }, id));
    };
    const kept = (log: OutputLog) => log.list().map(({ cellId, outputs }) => [cellId, outputs.length]);
    const log = new OutputLog();
    run(log, "saved", 10);
    log.saved(notebook(codeCell("saved", "", { execution_count: 1 })) as any);
    run(log, "unsaved", 7e6);
    for (let i = 0; i < 9; i++) run(log, `cell-${i}`, 7e6);
    assert.deepEqual(kept(log)[0], ["unsaved", 0], "the oldest that nobody saved is emptied next");
    const other = new OutputLog();
    run(other, "saved", 10);
    other.saved(notebook(codeCell("saved", "", { execution_count: 1 })) as any);
    other.aborted();
    assert.deepEqual(kept(other), []);
  });

  it("knows a cell that never ran from one that failed and one that the kernel's end cut off", () => {
    const idle: [string, object] = ["status", { execution_state: "idle" }];
    const input: [string, object] = ["execute_input", { execution_count: 1 }];
    const error: [string, object] = ["error", { ename: "E", evalue: "v", traceback: [] }];
    const state = (...messages: [string, object][]) => logged(...messages)[0]!.state;
    assert.deepEqual(
      [state(), state(input), state(input, idle), state(input, error, idle), state(idle)],
      ["queued", "running", "ok", "error", "aborted"],
    );
    const log = new OutputLog();
    log.requested("request", "cell", gone);
    log.requested("other", "another", gone);
    log.add(message(...input));
    log.aborted();
    assert.deepEqual(
      log.list().map((cell) => cell.state),
      ["error", "aborted"],
    );
  });

  it("joins text of one stream and keeps the order of the others", () => {
    const [cell] = logged(stream("a"), stream("b"), stream("c", "stderr"), stream("d"));
    assert.deepEqual(
      cell!.outputs.map((output: any) => [output.name, output.text]),
      [
        ["stdout", "ab"],
        ["stderr", "c"],
        ["stdout", "d"],
      ],
    );
  });

  it("honours clear_output, at once or with the next output", () => {
    assert.deepEqual(logged(stream("a"), ["clear_output", { wait: false }])[0]!.outputs, []);
    const waiting = logged(stream("a"), ["clear_output", { wait: true }])[0]!;
    assert.deepEqual([waiting.outputs.length, waiting.clearNext], [1, true]);
    const replaced = logged(stream("a"), ["clear_output", { wait: true }], stream("b"))[0]!;
    assert.deepEqual([(replaced.outputs[0] as any).text, replaced.clearNext], ["b", false]);
  });

  it("applies updates to all outputs of a display id, whichever cell shows them", () => {
    const transient = { display_id: "d" };
    const [one, two] = logged(
      ["display_data", { data: { "text/plain": "0 %" }, metadata: {}, transient }],
      ["display_data", { data: { "text/plain": "0 %" }, metadata: {}, transient }, "other"],
      ["update_display_data", { data: { "text/plain": "50 %" }, metadata: {}, transient }, "unknown"],
    );
    for (const cell of [one, two]) {
      assert.deepEqual((cell!.outputs[0] as any).data, { "text/plain": "50 %" });
      assert.deepEqual(cell!.displayIds, { 0: "d" });
    }
  });

  it("keeps the beginning and the end of text without end, in bounded memory", () => {
    const log = new OutputLog();
    log.requested("request", "cell", gone);
    log.add(message("stream", { name: "stdout", text: "first line\n" }));
    for (let i = 0; i < 400; i++)
      log.add(message("stream", { name: "stdout", text: `${"x".repeat(100_000)}\n` }));
    log.add(message("stream", { name: "stdout", text: "last line\n" }));
    const [cell] = log.list();
    const { text } = cell!.outputs[0] as { text: string };
    assert.ok(cell!.truncated);
    assert.ok(text.length < 9 * 2 ** 20, `${text.length}`);
    assert.match(text, /^first line\n/);
    assert.match(text, /last line\n$/);
    assert.equal(text.split("output left out").length, 2);
  });
});
