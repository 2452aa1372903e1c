/**
 * The message specification of Jupyter, case by case: the ones that ipykernel tests itself with, told of TypeScript.
 *
 * Each exchange is also checked as a whole: headers, parents, and the fields that the specification asks of each type.
 */
import assert from "node:assert/strict";
import { Subscriber } from "zeromq";
import type { Exchange, ExecuteOptions } from "../../kernel/client";
import { address } from "../../kernel/connection";
import type { Message } from "../../kernel/protocol/messages";
import { decode } from "../../kernel/protocol/wire";
import { outputs, printed, result, types, useKernel } from "./support";

type Check = (value: unknown) => boolean;
const text: Check = (value) => typeof value === "string";
const number: Check = (value) => Number.isInteger(value);
const flag: Check = (value) => typeof value === "boolean";
const object: Check = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const oneOf =
  (...allowed: unknown[]): Check =>
  (value) =>
    allowed.includes(value);
const bundle: Check = (value) => object(value) && Object.keys(value as object).every((k) => k.includes("/"));

const ERROR = { ename: text, evalue: text, traceback: listOf(text) };
const SHOWN = { data: bundle, metadata: object };
const PORT_NAMES = ["shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"];
const LANGUAGE = { name: text, version: text, mimetype: text, file_extension: text };

/** Fields of each message's content; of a reply whose status is ok. */
const FIELDS: Record<string, Record<string, Check>> = {
  execute_reply: { execution_count: number, payload: listOf(object), user_expressions: object },
  inspect_reply: { found: flag, ...SHOWN },
  complete_reply: { matches: listOf(text), cursor_start: number, cursor_end: number, metadata: object },
  history_reply: { history: listOf(Array.isArray) },
  is_complete_reply: { status: oneOf("complete", "incomplete", "invalid") },
  connect_reply: Object.fromEntries(PORT_NAMES.map((name) => [name, number])),
  comm_info_reply: { comms: object },
  kernel_info_reply: {
    protocol_version: (value) => /^5\.\d+$/.test(String(value)),
    implementation: text,
    implementation_version: text,
    banner: text,
    language_info: (value) =>
      Object.entries(LANGUAGE).every(([name, check]) => check((value as Record<string, unknown>)[name])),
    help_links: listOf((link) => text((link as any).text) && text((link as any).url)),
    supported_features: listOf(text),
  },
  interrupt_reply: {},
  status: { execution_state: oneOf("busy", "idle", "starting") },
  execute_input: { code: text, execution_count: number },
  execute_result: { ...SHOWN, execution_count: number },
  display_data: { ...SHOWN, transient: object },
  error: ERROR,
  stream: { name: oneOf("stdout", "stderr"), text },
};

function checkMessage({ header, content }: Message): void {
  for (const field of ["msg_id", "msg_type", "session", "username", "version", "date"] as const)
    assert.ok(text(header[field]), `${header.msg_type}: header.${field}`);
  assert.ok(!Number.isNaN(Date.parse(header.date)));
  const isReply = header.msg_type.endsWith("_reply");
  if (isReply && header.msg_type !== "is_complete_reply")
    assert.ok(["ok", "error", "aborted"].includes(String(content.status)));
  if (content.status === "aborted") return;
  const fields = content.status === "error" ? ERROR : FIELDS[header.msg_type];
  assert.ok(fields, `no such message: ${header.msg_type}`);
  for (const [name, check] of Object.entries(fields))
    assert.ok(check(content[name]), `${header.msg_type}: ${name} is ${JSON.stringify(content[name])}`);
}

/** Every message as specified, all of one session and to one request, busy and idle around them. */
function checkExchange({ reply, published }: Exchange): void {
  for (const message of [reply, ...published]) {
    checkMessage(message);
    assert.equal(message.parent.msg_id, reply.parent.msg_id);
    assert.equal(message.header.session, reply.header.session);
  }
  const states = published.map(({ content }) => content.execution_state);
  assert.deepEqual([states[0], states.at(-1)], ["busy", "idle"]);
  assert.equal(states.filter((state) => state === "busy").length, 1);
  assert.equal(states.filter((state) => state === "idle").length, 1);
}

describe("kernel: message specification", () => {
  const kernel = useKernel();

  async function execute(code: string, options?: ExecuteOptions): Promise<Exchange> {
    const exchange = await kernel.client.execute(code, options);
    checkExchange(exchange);
    return exchange;
  }
  async function request(type: string, content: object = {}): Promise<any> {
    const exchange = await kernel.client.request(`${type}_request`, content);
    checkExchange(exchange);
    assert.equal(exchange.reply.header.msg_type, `${type}_reply`);
    return exchange.reply.content;
  }
  const count = ({ reply }: Exchange) => reply.content.execution_count as number;

  describe("execute", () => {
    it("echoes the input with its number, which the reply has too", async () => {
      const exchange = await execute("let x = 1;");
      assert.deepEqual(exchange.published[1]!.content, {
        code: "let x = 1;",
        execution_count: count(exchange),
      });
    });

    it("counts cell after cell", async () => {
      const first = count(await execute("x = 1;"));
      assert.equal(count(await execute("x = 2;")), first + 1);
      assert.equal(count(await execute("throw new Error()")), first + 2);
    });

    it("silent: neither input nor result is shown, and the count stays", async () => {
      const before = count(await execute("x = 3;"));
      for (const options of [{ silent: true }, { silent: true, store_history: true }]) {
        const exchange = await execute("x = 4; x", options);
        assert.deepEqual(types(exchange.published), ["status", "status"]);
        assert.equal(count(exchange), before);
      }
      assert.equal(count(await execute("x")), before + 1);
    });

    it("silent: an error is still told", async () => {
      const exchange = await execute("throw new Error('quiet')", { silent: true });
      assert.deepEqual([exchange.reply.content.status, exchange.reply.content.evalue], ["error", "quiet"]);
    });

    it("store_history false: shown, not counted, not in the history", async () => {
      const before = count(await execute("x = 5;"));
      const exchange = await execute("'not stored'", { store_history: false });
      assert.equal(result(exchange), "'not stored'");
      assert.equal(count(exchange), before);
      const { history } = await request("history", {
        hist_access_type: "tail",
        n: 1,
        raw: true,
        output: false,
      });
      assert.equal(history[0][2], "x = 5;");
    });

    it("an error comes as a message and in the reply", async () => {
      const exchange = await execute("throw new RangeError('wrong')");
      assert.deepEqual(
        [exchange.reply.content.status, exchange.reply.content.ename, exchange.reply.content.evalue],
        ["error", "RangeError", "wrong"],
      );
      const [[type, content] = []] = outputs(exchange);
      assert.deepEqual([type, content.ename, content.evalue], ["error", "RangeError", "wrong"]);
    });

    it("stop_on_error: an error aborts what waits, unless it says no", async () => {
      const statuses = async (stop_on_error: boolean) => {
        const exchanges = await Promise.all([
          kernel.client.execute("throw new Error('stop')", { stop_on_error }),
          kernel.client.execute("'second'"),
          kernel.client.execute("'third'"),
        ]);
        for (const exchange of exchanges) checkExchange(exchange);
        return exchanges.map(({ reply }) => reply.content.status);
      };
      assert.deepEqual(await statuses(true), ["error", "aborted", "aborted"]);
      assert.deepEqual(await statuses(false), ["error", "ok", "ok"]);
      assert.equal((await execute("'later'")).reply.content.status, "ok");
    });

    it("stop_on_error: only cells are aborted, not other requests", async () => {
      const failed = kernel.client.execute("await new Promise((r) => setTimeout(r, 50)); throw new Error()");
      const others = ["kernel_info_request", "comm_info_request", "connect_request"].map((type) =>
        kernel.client.request(type),
      );
      for (const { reply } of await Promise.all(others)) assert.equal(reply.content.status, "ok");
      assert.equal((await failed).reply.content.status, "error");
    });

    it("stop_on_error: a hundred cells sent with the failing one are all aborted, in order", async () => {
      const sent = [kernel.client.execute("throw new Error('stop')")];
      for (let i = 0; i < 100; i++) sent.push(kernel.client.execute(`console.log(${i})`));
      const [first, ...rest] = await Promise.all(sent);
      assert.equal(first!.reply.content.status, "error");
      assert.deepEqual(new Set(rest.map(({ reply }) => reply.content.status)), new Set(["aborted"]));
      for (const exchange of rest) assert.equal(printed(exchange), "");
    });

    it("user expressions: values, and errors that are their own", async () => {
      const { reply } = await execute("const foo = 'bar'", {
        user_expressions: { value: "foo + '!'", thrown: "(() => { throw new Error('mine') })()", no: "+" },
      });
      const { value, thrown, no } = reply.content.user_expressions as any;
      assert.deepEqual(value, { status: "ok", data: { "text/plain": "'bar!'" }, metadata: {} });
      assert.deepEqual([thrown.status, thrown.ename, thrown.evalue], ["error", "Error", "mine"]);
      assert.equal(no.status, "error");
      assert.equal(reply.content.status, "ok");
    });

    it("user expressions are not evaluated after an error", async () => {
      await execute("let evaluated = 0");
      await execute("throw new Error()", { user_expressions: { one: "evaluated = 1" } });
      assert.equal(result(await execute("evaluated")), "0");
    });

    it("a payload of a kind comes once, as the last was", async () => {
      const { reply } = await execute("for (let i = 0; i < 3; i++) page('page ' + i)");
      assert.deepEqual(reply.content.payload, [
        { source: "page", data: { "text/plain": "'page 2'" }, start: 0 },
      ]);
      assert.deepEqual((await execute("1")).reply.content.payload, []);
    });

    it("streams and displays are of their cell", async () => {
      assert.equal(printed(await execute("console.log('hi')")), "hi\n");
      assert.equal(printed(await execute("console.error('hi')"), "stderr"), "hi\n");
      const [shown] = outputs(await execute("display(1)"));
      assert.deepEqual(shown, ["display_data", { data: { "text/plain": "1" }, metadata: {}, transient: {} }]);
    });
  });

  describe("object info", () => {
    const inspect = (code: string, detail_level = 0) =>
      request("inspect", { code, cursor_pos: code.length, detail_level });

    it("is found for values of earlier cells, at both levels of detail", async () => {
      await execute("/** Says hello. */\nfunction hello(name: string): string { return 'hello ' + name }");
      for (const level of [0, 1]) {
        const { found, data } = await inspect("hello", level);
        assert.equal(found, true);
        assert.match(data["text/plain"], /function hello\(name: string\): string[\s\S]*Says hello\./);
        assert.ok(data["text/markdown"]);
      }
    });

    it("is not found for what is not there", async () => {
      assert.deepEqual(await inspect("doesNotExist"), { status: "ok", found: false, data: {}, metadata: {} });
      assert.equal((await inspect("")).found, false);
    });
  });

  it("complete: matches replace a range of the text", async () => {
    await execute("const alphabet = 1, alpine = 2");
    const { matches, cursor_start, cursor_end } = await request("complete", {
      code: "1 + alp",
      cursor_pos: 7,
    });
    for (const name of ["alphabet", "alpine"]) assert.ok(matches.includes(name));
    assert.deepEqual([cursor_start, cursor_end], [4, 7]);
  });

  it("is_complete: complete, incomplete with an indent, invalid", async () => {
    assert.deepEqual(await request("is_complete", { code: "const a = 1" }), { status: "complete" });
    const { status, indent } = await request("is_complete", { code: "for (const a of [1]) {" });
    assert.deepEqual([status, indent], ["incomplete", "  "]);
    assert.deepEqual(await request("is_complete", { code: "const 1 = )" }), { status: "invalid" });
  });

  it("kernel_info, on both channels", async () => {
    const info = await request("kernel_info");
    assert.equal(info.language_info.name, "typescript");
    const control = await kernel.client.controlRequest("kernel_info_request");
    checkExchange(control);
    assert.deepEqual(control.reply.content, info);
  });

  it("connect: the ports of the connection file", async () => {
    const { connection } = kernel.client;
    const { status, ...ports } = await request("connect");
    assert.equal(status, "ok");
    assert.deepEqual(
      ports,
      Object.fromEntries(PORT_NAMES.map((name) => [name, connection[name as keyof typeof connection]])),
    );
  });

  it("comm_info: all comms, or those of a target", async () => {
    assert.deepEqual((await request("comm_info")).comms, {});
    assert.deepEqual((await request("comm_info", { target_name: "nobody" })).comms, {});
  });

  it("interrupt, with nothing to stop", async () => {
    const exchange = await kernel.client.interrupt();
    checkExchange(exchange);
    assert.deepEqual(exchange.reply.content, { status: "ok" });
  });

  it("requests for subshells, which are not claimed, are refused", async () => {
    const { supported_features } = await request("kernel_info");
    assert.deepEqual(supported_features, []);
    for (const type of ["create_subshell", "delete_subshell", "list_subshell"]) {
      const exchange = await kernel.client.controlRequest(`${type}_request`, { subshell_id: "s" });
      checkExchange(exchange);
      assert.equal(exchange.reply.header.msg_type, `${type}_reply`);
      const { status, ename, evalue } = exchange.reply.content;
      assert.deepEqual(
        [status, ename, evalue],
        ["error", "UnsupportedRequest", "this kernel has no subshells"],
      );
    }
  });

  it("requests for the debugger, which is not claimed, are refused in the debugger's own form", async () => {
    for (const command of ["debugInfo", "attach"]) {
      const ask = { seq: 7, type: "request", command };
      const exchange = await kernel.client.controlRequest("debug_request", ask);
      checkExchange(exchange);
      const { traceback, ...content } = exchange.reply.content;
      assert.deepEqual(content, {
        status: "error",
        ename: "UnsupportedRequest",
        evalue: "this kernel has no debugger",
        type: "response",
        seq: 0,
        request_seq: 7,
        success: false,
        command,
        message: "this kernel has no debugger",
      });
    }
  });

  describe("history", () => {
    const common = { raw: true, output: false };
    const sources = ["'history' + 1", "'history' + 2", "'history' + 3"];
    let first = 0;
    before(async () => {
      first = count(await execute(sources[0]!));
      for (const source of sources.slice(1)) await execute(source);
    });

    it("tail", async () => {
      const { history } = await request("history", { ...common, hist_access_type: "tail", n: 2 });
      assert.deepEqual(
        history,
        [1, 2].map((i) => [1, first + i, sources[i]]),
      );
    });

    it("tail with outputs", async () => {
      const { history } = await request("history", {
        ...common,
        output: true,
        hist_access_type: "tail",
        n: 1,
      });
      assert.deepEqual(history, [[1, first + 2, [sources[2], "'history3'"]]]);
    });

    it("range, whose end is not included", async () => {
      const range = { ...common, hist_access_type: "range", session: 0 };
      const { history } = await request("history", { ...range, start: first, stop: first + 2 });
      assert.deepEqual(
        history.map(([, line]: [number, number]) => line),
        [first, first + 1],
      );
      // There was no session before this one.
      assert.deepEqual((await request("history", { ...range, session: -1, start: 1, stop: 9 })).history, []);
    });

    it("search by pattern, the last n, each once", async () => {
      await execute(sources[0]!);
      const search = { ...common, hist_access_type: "search", pattern: "'history'*" };
      const lines = async (query: object) =>
        (await request("history", { ...search, ...query })).history.map((entry: unknown[]) => entry[2]);
      assert.deepEqual(await lines({ n: 2 }), [sources[2], sources[0]]);
      assert.deepEqual((await lines({ n: 99, unique: true })).sort(), sources);
      assert.deepEqual(await lines({ n: 5, pattern: "nothing like it" }), []);
    });
  });

  it("iopub_welcome: every front end that subscribes is welcomed, with its subscription", async () => {
    const { connection } = kernel.client;
    const signing = { key: connection.key, scheme: connection.signature_scheme };
    for (const topic of ["", "", "iopub_welcome"]) {
      const iopub = new Subscriber({ linger: 0 });
      iopub.connect(address(connection, "iopub"));
      iopub.subscribe(topic);
      const message = decode(await iopub.receive(), signing);
      iopub.close();
      assert.equal(message.header.msg_type, "iopub_welcome");
      assert.deepEqual([message.content, message.parent], [{ subscription: topic }, {}]);
      assert.equal(message.identities[0]!.toString(), topic);
    }
  });
});
