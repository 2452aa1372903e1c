import assert from "node:assert/strict";
import type { Publications, Reply } from "../../kernel/protocol/messages";
import { newHeader } from "../../kernel/protocol/wire";
import { Session, type SessionOutput } from "../../kernel/session";
import { outputs, printed, result, types, until, useKernel } from "./support";

describe("kernel: protocol", () => {
  const kernel = useKernel();

  it("says who it is", async () => {
    const { reply } = await kernel.client.request("kernel_info_request");
    const { status, protocol_version, language_info } = reply.content as any;
    assert.deepEqual(
      [status, protocol_version, language_info.name, language_info.file_extension],
      ["ok", "5.5", "typescript", ".ts"],
    );
    const control = await kernel.client.controlRequest("kernel_info_request");
    assert.deepEqual(control.reply.content, reply.content);
  });

  it("broadcasts busy, input, outputs, idle in this order, and replies", async () => {
    const exchange = await kernel.client.execute("console.log('a'); console.error('b'); display(1); 2");
    assert.deepEqual(types(exchange.published), [
      "status",
      "execute_input",
      "stream",
      "stream",
      "display_data",
      "execute_result",
      "status",
    ]);
    const states = exchange.published
      .filter((m) => m.header.msg_type === "status")
      .map((m) => m.content.execution_state);
    assert.deepEqual(states, ["busy", "idle"]);
    const input = exchange.published[1]!.content;
    assert.deepEqual(input, {
      code: "console.log('a'); console.error('b'); display(1); 2",
      execution_count: exchange.reply.content.execution_count,
    });
    assert.deepEqual(exchange.reply.content, {
      status: "ok",
      execution_count: input.execution_count,
      payload: [],
      user_expressions: {},
    });
    for (const message of exchange.published)
      assert.equal(message.parent.msg_id, exchange.reply.parent.msg_id);
  });

  it("loses none of 10,000 lines, and idle comes last", async () => {
    const exchange = await kernel.client.execute("for (let i = 0; i < 10_000; i++) console.log(i)");
    assert.equal(printed(exchange), Array.from({ length: 10_000 }, (_, i) => `${i}\n`).join(""));
    assert.equal(exchange.published.at(-1)!.content.execution_state, "idle");
  });

  it("loses none of 2,000 displays, in order", async () => {
    const exchange = await kernel.client.execute("for (let i = 0; i < 2000; i++) display(i)");
    assert.deepEqual(
      outputs(exchange).map(([, content]) => Number(content.data["text/plain"])),
      Array.from({ length: 2000 }, (_, i) => i),
    );
  });

  it("runs 200 cells that were sent at once in order", async () => {
    await kernel.client.execute("const order: number[] = []");
    const cells = Array.from({ length: 200 }, (_, i) => kernel.client.execute(`order.push(${i});`));
    const counts = (await Promise.all(cells)).map(({ reply }) => reply.content.execution_count as number);
    assert.deepEqual(
      counts,
      counts.map((_, i) => counts[0]! + i),
    );
    const { reply } = await kernel.client.execute("", { user_expressions: { o: "order.join()" } });
    assert.equal(
      (reply.content as any).user_expressions.o.data["text/plain"],
      `'${counts.map((_, i) => i).join()}'`,
    );
  });

  it("aborts cells sent together with a failed one, and runs those sent after its reply", async () => {
    const together = await Promise.all([
      kernel.client.execute("throw new Error('first')"),
      kernel.client.execute("1"),
      kernel.client.execute("2"),
    ]);
    assert.deepEqual(
      together.map(({ reply }) => reply.content.status),
      ["error", "aborted", "aborted"],
    );
    assert.equal(result(await kernel.client.execute("3")), "3");
  });

  it("runs them when stop_on_error is false", async () => {
    const together = await Promise.all([
      kernel.client.execute("throw new Error('first')", { stop_on_error: false }),
      kernel.client.execute("1 + 1"),
    ]);
    assert.deepEqual(
      together.map(({ reply }) => reply.content.status),
      ["error", "ok"],
    );
  });

  it("silent: shows no input and no result, and does not count", async () => {
    const before = (await kernel.client.execute("0")).reply.content.execution_count;
    const exchange = await kernel.client.execute("console.log('still heard'); 5", { silent: true });
    assert.deepEqual(types(exchange.published), ["status", "stream", "status"]);
    assert.equal(exchange.reply.content.execution_count, before);
  });

  it("store_history: false shows the result but does not count", async () => {
    const before = (await kernel.client.execute("0")).reply.content.execution_count;
    const exchange = await kernel.client.execute("5", { store_history: false });
    assert.equal(result(exchange), "5");
    assert.equal(exchange.reply.content.execution_count, before);
  });

  it("evaluates user expressions, each with its own error", async () => {
    const { reply } = await kernel.client.execute("const u = 3", {
      user_expressions: { good: "u * 2", bad: "u.x" },
    });
    const { good, bad } = (reply.content as any).user_expressions;
    assert.deepEqual(good, { status: "ok", data: { "text/plain": "6" }, metadata: {} });
    assert.deepEqual([bad.status, bad.ename], ["error", "TypeScriptError"]);
  });

  it("completes with types, counting the cursor in code points", async () => {
    const code = "const face = '🎈'; JSON.stri";
    const cursor_pos = [...code].length;
    const { reply } = await kernel.client.request("complete_request", { code, cursor_pos });
    const { matches, cursor_start, cursor_end, metadata } = reply.content as any;
    assert.deepEqual([matches, cursor_start, cursor_end], [["stringify"], cursor_pos - 4, cursor_pos]);
    assert.deepEqual(metadata._jupyter_types_experimental, [
      { start: cursor_start, end: cursor_end, text: "stringify", type: "method" },
    ]);
  });

  it("explains types and documentation", async () => {
    await kernel.client.execute("/** Doubles a number. */\nfunction twice(n: number) { return 2 * n }");
    const { reply } = await kernel.client.request("inspect_request", {
      code: "twice(2)",
      cursor_pos: 2,
      detail_level: 0,
    });
    const { found, data } = reply.content as any;
    assert.equal(found, true);
    assert.equal(data["text/plain"], "function twice(n: number): number\n\nDoubles a number.");
    const nothing = await kernel.client.request("inspect_request", {
      code: "  ",
      cursor_pos: 1,
      detail_level: 0,
    });
    assert.equal((nothing.reply.content as any).found, false);
  });

  it("tells complete from incomplete from invalid code", async () => {
    const status = async (code: string) =>
      (await kernel.client.request("is_complete_request", { code })).reply.content;
    assert.deepEqual(await status("1 + 1"), { status: "complete" });
    assert.deepEqual(await status("function f() {"), { status: "incomplete", indent: "  " });
    assert.deepEqual(await status("const 1 = )"), { status: "invalid" });
  });

  it("answers comm_info with no comms and closes what a front end opens", async () => {
    const { reply } = await kernel.client.request("comm_info_request", {});
    assert.deepEqual(reply.content, { status: "ok", comms: {} });
    await kernel.client.notify("comm_open", { comm_id: "c1", target_name: "nobody", data: {} });
    await until(() =>
      kernel.client.published.some(
        ({ header, content }) => header.msg_type === "comm_close" && content.comm_id === "c1",
      ),
    );
  });

  it("answers requests that it does not know, and requests with missing fields, with an error", async () => {
    const unknown = (await kernel.client.request("fly_request")).reply;
    assert.deepEqual([unknown.header.msg_type, unknown.content.ename], ["fly_reply", "UnknownRequest"]);
    const missing = (await kernel.client.request("complete_request", {})).reply;
    assert.deepEqual(
      [missing.content.status, missing.content.evalue],
      ["error", "complete_request needs a text field code"],
    );
    const codeless = (await kernel.client.request("execute_request", {})).reply;
    assert.equal(codeless.content.evalue, "execute_request needs a text field code");
  });

  it("drops messages that are wrongly signed or not messages, logs them, and lives on", async () => {
    const parts = [newHeader("kernel_info_request", "s"), {}, {}, {}].map((part) => JSON.stringify(part));
    await kernel.client.sendRaw(["<IDS|MSG>", "0".repeat(64), ...parts]);
    await kernel.client.sendRaw(["nonsense"]);
    await until(() => /wrong signature/.test(kernel.client.log) && /no <IDS\|MSG>/.test(kernel.client.log));
    assert.equal(result(await kernel.client.execute("1")), "1");
  });

  it("answers while a cell runs", async () => {
    await kernel.client.execute("let release!: () => void");
    const cell = kernel.client.execute(
      "await new Promise<void>((resolve) => { release = resolve; setTimeout(resolve, 600_000) })",
    );
    const { reply } = await kernel.client.request("complete_request", { code: "JSON.pars", cursor_pos: 9 });
    assert.deepEqual(reply.content.matches, ["parse"]);
    await kernel.client.interrupt();
    assert.equal((await cell).reply.content.status, "error");
  });

  it("asks the user, and says so when it cannot", async () => {
    const code = "const answer = await prompt('name?'); answer";
    assert.equal(
      result(await kernel.client.execute(code, { onInput: (question) => `got ${question}` })),
      "'got name?'",
    );
    const refused = await kernel.client.execute("await prompt('name?')");
    assert.match(refused.reply.content.evalue as string, /this front end cannot ask/);
  });

  it("shows pages in the pager", async () => {
    const { reply } = await kernel.client.execute("page('long')");
    assert.deepEqual(reply.content.payload, [{ source: "page", data: { "text/plain": "'long'" }, start: 0 }]);
  });

  it("says that it starts before anything else", () => {
    const heard: [type: string, content: unknown, parent: unknown][] = [];
    const output = {
      broadcast: (...message) => heard.push(message as any),
    } as Partial<SessionOutput> as SessionOutput;
    new Session(output, {} as any).close();
    assert.deepEqual(heard, [["status", { execution_state: "starting" }, {}, undefined]]);
  });

  it("does not compile with a wrong reply or broadcast", () => {
    // @ts-expect-error a reply without "found"
    const reply: Reply<"inspect_request"> = { status: "ok", data: {}, metadata: {} };
    // @ts-expect-error a stream of another name
    const stream: Publications["stream"] = { name: "stdlog", text: "" };
    // @ts-expect-error a display's transient is no text
    const shown: Publications["display_data"] = { data: {}, metadata: {}, transient: "id" };
    // @ts-expect-error a number of the cell is missing
    const executed: Publications["execute_result"] = { data: {}, metadata: {} };
    for (const wrong of [reply, stream, shown, executed]) assert.ok(wrong); // what counts is npm run types
  });

  it("welcomes subscribers", () => {
    assert.deepEqual(kernel.client.published.find((m) => m.header.msg_type === "iopub_welcome")?.content, {
      subscription: "",
    });
  });
});
