/** What nobody should send: the kernel logs it, answers where the protocol has an answer, and lives on. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import fc from "fast-check";
import { type Exchange, ownKernel } from "../../kernel/client";
import { createCompiler } from "../../kernel/compiler/tslab";
import { CHANNELS, newConnection } from "../../kernel/connection";
import { newHeader } from "../../kernel/protocol/wire";
import { outputs, printed, result, temporaryFolder, until, useKernel } from "./support";

describe("kernel: bad input", () => {
  const kernel = useKernel();
  const lives = async () => assert.equal(result(await kernel.client.execute("1 + 1")), "2");
  const logged = (line: RegExp) => until(() => line.test(kernel.client.log));

  /** Sends four JSON frames as they are, rightly signed. */
  function sendSigned(parts: string[]): Promise<void> {
    const { key } = kernel.client.connection;
    const hmac = createHmac("sha256", key);
    for (const part of parts) hmac.update(part);
    return kernel.client.sendRaw(["<IDS|MSG>", hmac.digest("hex"), ...parts]);
  }
  const header = (fields: object = {}) =>
    JSON.stringify({ ...newHeader("kernel_info_request", "s"), ...fields });
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;

  it("a wrong signature", async () => {
    await kernel.client.sendRaw(["<IDS|MSG>", "0".repeat(64), header(), "{}", "{}", "{}"]);
    await kernel.client.sendRaw(["<IDS|MSG>", "", header(), "{}", "{}", "{}"]);
    await logged(/dropped a message on shell: wrong signature[\s\S]*wrong signature/);
    await lives();
  });

  it("frames that are no message", async () => {
    await kernel.client.sendRaw(["nonsense"]);
    await logged(/no <IDS\|MSG> delimiter/);
    await kernel.client.sendRaw(["<IDS|MSG>"]);
    await kernel.client.sendRaw(["<IDS|MSG>", "signature", "{}"]);
    await logged(/expected 4 JSON frames after the signature, got 0[\s\S]*got 1/);
    await lives();
  });

  it("signed frames that are not JSON, or not objects", async () => {
    await sendSigned([header(), "{", "{}", "{}"]);
    await logged(/invalid JSON/);
    await sendSigned([header(), "{}", "{}", "[1, 2]"]);
    await logged(/expected a JSON object, got \[1, 2\]/);
    await sendSigned([header(), "{}", "{}", deep]);
    await logged(/expected a JSON object, got \[\[\[/);
    await lives();
  });

  it("a header without its fields, or with fields of the wrong type", async () => {
    await sendSigned([header({ msg_id: undefined }), "{}", "{}", "{}"]);
    await logged(/no text field "msg_id"/);
    await sendSigned([header({ msg_type: 7 }), "{}", "{}", "{}"]);
    await logged(/no text field "msg_type"/);
    await sendSigned([header({ session: null }), "{}", "{}", "{}"]);
    await logged(/no text field "session"/);
    await lives();
  });

  it("a header too deep to be written again is answered all the same", async () => {
    for (const msg_type of ["kernel_info_request", "execute_request"]) {
      const msg_id = `deep ${msg_type}`;
      const nested = header({ msg_id, msg_type }).replace("{", `{"extra":${deep},`);
      await sendSigned([nested, "{}", "{}", '{"code":"1"}']);
      await until(() => {
        const states = kernel.client.published.filter((m) => m.parent.msg_id === msg_id);
        return states.at(-1)?.content.execution_state === "idle";
      });
    }
    await lives();
  });

  it("requests with missing or wrong fields are told which", async () => {
    const refused: [type: string, content: object, reason: RegExp][] = [
      ["execute_request", {}, /needs a text field code/],
      ["execute_request", { code: 3 }, /needs a text field code/],
      ["execute_request", { code: "1", user_expressions: "x" }, /an object of texts as user_expressions/],
      ["execute_request", { code: "1", user_expressions: { a: 1 } }, /an object of texts as user_expr/],
      ["complete_request", { cursor_pos: 1 }, /needs a text field code/],
      ["complete_request", { code: "x" }, /needs a number field cursor_pos/],
      ["inspect_request", { code: "x", cursor_pos: "1" }, /needs a number field cursor_pos/],
      ["is_complete_request", {}, /needs a text field code/],
      ["history_request", {}, /"tail", "range" or "search"/],
      ["history_request", { hist_access_type: "tail", n: "all" }, /n should be a number of cells/],
      ["history_request", { hist_access_type: "search", pattern: {} }, /needs a text as pattern/],
    ];
    for (const [type, content, reason] of refused) {
      const { reply } = await kernel.client.request(type, content);
      assert.equal(reply.content.status, "error", type);
      assert.match(String(reply.content.evalue), reason);
    }
    await lives();
  });

  it("cursors outside of the text are taken as its ends", async () => {
    for (const type of ["complete_request", "inspect_request"])
      for (const cursor_pos of [-5, 1e9, 0.5])
        assert.equal(
          (await kernel.client.request(type, { code: "JSON", cursor_pos })).reply.content.status,
          "ok",
        );
  });

  it("requests and messages of unknown type", async () => {
    for (const type of ["fly_request", "__proto___request", "constructor", "toString_request"]) {
      if (type.endsWith("_request")) {
        const { reply } = await kernel.client.request(type);
        assert.equal(reply.header.msg_type, type.replace("_request", "_reply"));
        assert.deepEqual([reply.content.status, reply.content.ename], ["error", "UnknownRequest"]);
      } else {
        await kernel.client.notify(type, {});
        await logged(/ignored a message of type constructor/);
      }
    }
    await lives();
  });

  it("messages to a comm that is closed, or never was", async () => {
    await kernel.client.notify("comm_open", { comm_id: "closed", target_name: "nobody", data: {} });
    await kernel.client.notify("comm_close", { comm_id: "closed", data: {} });
    await kernel.client.notify("comm_msg", { comm_id: "closed", data: { method: "update" } });
    await kernel.client.notify("comm_msg", { comm_id: "never", data: {} });
    await kernel.client.notify("comm_msg", {});
    await kernel.client.notify("comm_open", {});
    await logged(/comm/);
    await lives();
  });

  it("answers to questions that nobody asked", async () => {
    await kernel.client.notify("input_reply", { status: "ok", value: "unasked" });
    await logged(/ignored a message of type input_reply/);
    await lives();
  });

  it("strangers on all ports", async () => {
    for (const name of CHANNELS) {
      const socket = net.connect(kernel.client.connection[`${name}_port`], "127.0.0.1");
      await once(socket, "connect");
      socket.on("error", () => {}); // the kernel may hang up first
      socket.write(`GET / HTTP/1.1\r\n\r\n${"\xff".repeat(10_000)}`);
      socket.end();
    }
    await lives();
  });

  it("a request of 20 MB", async () => {
    const code = `/*${"x".repeat(20_000_000)}*/ 3`;
    assert.equal(result(await kernel.client.execute(code)), "3");
  });

  it("a cell nested too deeply to be parsed", async () => {
    for (const code of [
      "(".repeat(50_000),
      `${"[".repeat(50_000)}${"]".repeat(50_000)}`,
      "a?".repeat(50_000),
    ]) {
      const { reply } = await kernel.client.execute(code);
      assert.equal(reply.content.evalue, "the compiler failed: the code is nested too deeply");
      await kernel.client.request("is_complete_request", { code });
    }
    await lives();
  });

  it("any request with any fields is answered, busy and idle around it", async () => {
    const type = fc.constantFrom(
      ...[
        "execute",
        "execute",
        "execute",
        "complete",
        "inspect",
        "is_complete",
        "history",
        "comm_info",
        "kernel_info",
      ],
      ...["connect", "debug", "interrupt", "create_subshell", "usage"],
    );
    const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }));
    const anything = fc.oneof(text, fc.integer(), fc.double(), fc.jsonValue());
    const code = fc.oneof(
      text,
      fc.array(fc.constantFrom(...TOKENS)).map((list) => list.join(" ")),
      anything,
    );
    const content = fc.record(
      {
        code,
        cursor_pos: anything,
        silent: anything,
        store_history: anything,
        user_expressions: fc.oneof(fc.dictionary(text, text, { maxKeys: 2 }), anything),
        stop_on_error: anything,
        detail_level: anything,
        hist_access_type: fc.oneof(fc.constantFrom("tail", "range", "search"), anything),
        n: anything,
        session: anything,
        start: anything,
        stop: anything,
        pattern: anything,
        target_name: anything,
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(type, content, async (name, fields) => {
        const { reply, published } = await kernel.client.request(`${name}_request`, fields);
        assert.equal(reply.header.msg_type, `${name}_reply`);
        if (name !== "is_complete") assert.ok(["ok", "error"].includes(String(reply.content.status)));
        const states = published.map((message) => message.content.execution_state).filter(Boolean);
        assert.deepEqual([states[0], states.at(-1)], ["busy", "idle"]);
      }),
      { numRuns: 400, seed: 3 },
    );
    await lives();
  });

  describe("huge outputs", () => {
    const isWhole = (exchange: Exchange, length: number) => {
      const texts = outputs(exchange).map(([, content]) => content.text as string);
      assert.equal(
        texts.reduce((sum, text) => sum + text.length, 0),
        length,
      );
      assert.equal(exchange.published.at(-1)!.content.execution_state, "idle");
    };

    it("100 MB in 100,000 lines", async () => {
      const code =
        "const line = 'x'.repeat(999) + '\\n'; for (let i = 0; i < 100_000; i++) process.stdout.write(line)";
      isWhole(await kernel.client.execute(code), 100_000_000);
      await lives();
    });

    it("100 MB in one text, and its characters are not cut in two", async () => {
      const exchange = await kernel.client.execute(
        "process.stdout.write('a' + '🎈'.repeat(25_000_000)); undefined",
      );
      isWhole(exchange, 50_000_001);
      for (const [, { text }] of outputs(exchange)) assert.ok(text.isWellFormed());
      assert.ok(printed(exchange).startsWith("a🎈🎈"));
    });

    it("a display larger than a message can be", async () => {
      const code = `display({ [Symbol.for("Jupyter.display")]: () => ({ "text/plain": "\\n".repeat(400_000_000) }) })`;
      const exchange = await kernel.client.execute(code);
      assert.match(printed(exchange, "stderr"), /display_data could not be written as JSON/);
      await lives();
    });
  });
});

describe("kernel: bad connection files", () => {
  /** Starts a kernel on a file; resolves with its exit code and its log when it ends. */
  async function ends(file: string): Promise<[number, string]> {
    const [command, ...args] = ownKernel().map((arg) => arg.replace("{connection_file}", file));
    const child = spawn(command!, args, { stdio: ["ignore", "ignore", "pipe"] });
    let log = "";
    child.stderr.on("data", (text) => {
      log += text;
    });
    const [code] = await once(child, "close");
    return [code, log];
  }

  it("end the kernel with one line that names the file and what is wrong", async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, "connection.json");
    const { connection, file: good } = await newConnection();
    const wrong: [content: string, reason: RegExp][] = [
      ["", /is not JSON/],
      ["null", /should hold a JSON object, got null/],
      ["[]", /should hold a JSON object, got \[\]/],
      [JSON.stringify({ ...connection, hb_port: 70_000 }), /"hb_port" should be a port number, got 70000/],
      [
        JSON.stringify({ ...connection, iopub_port: connection.shell_port }),
        /cannot bind the iopub socket to tcp:\/\/127\.0\.0\.1:\d+/,
      ],
    ];
    for (const [content, reason] of wrong) {
      fs.writeFileSync(file, content);
      const [code, log] = await ends(file);
      assert.equal(code, 1);
      assert.match(log, reason);
      assert.match(log, /^loralab kernel: [^\n]*\n$/);
    }
    const [code, log] = await ends(path.join(folder, "none.json"));
    assert.deepEqual([code, /cannot read the connection file/.test(log)], [1, true]);
    fs.rmSync(good);
    fs.rmSync(folder, { recursive: true });
  });
});

/** Pieces of TypeScript that, in any order, make code that never was. None of them loops or ends the process. */
const TOKENS = [
  ..."( ) [ ] { } < > , ; : ? . => = + - * / ! ~ @ # $ ` ' \" \\ ${ ... ?. ??".split(" "),
  ..."let const var function async await class extends enum namespace type interface import export".split(
    " ",
  ),
  ..."from default as satisfies new this super typeof in of if else switch case return throw try".split(" "),
  ..."catch finally static get set declare abstract x y 1 0n 'a' /a/ \n // /* */ <!-- \u2028 é 🎈".split(" "),
];

describe("kernel: compiler fuzz", () => {
  it("any text is compiled or refused with a place in it", () => {
    const compiler = createCompiler();
    const separated = fc.tuple(fc.constantFrom(...TOKENS), fc.constantFrom("", " ", "\n"));
    const code = fc.oneof(
      fc.array(separated, { maxLength: 25 }).map((pairs) => pairs.flat().join("")),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(code, (source) => {
        const compiled = compiler.compile(source, "error");
        if (compiled.ok) {
          compiler.commit([]);
          compiler.reset();
        } else
          for (const { line, column, message } of compiled.diagnostics) {
            assert.ok(line >= 1 && line <= source.split("\n").length, `line ${line}`);
            assert.ok(column >= 1 && message.length > 0);
          }
        assert.ok(["complete", "incomplete", "invalid"].includes(compiler.isComplete(source).status));
        const { start, end } = compiler.complete(source, source.length);
        assert.ok(start <= end);
        compiler.inspect(source, 0);
      }),
      { numRuns: 300, seed: 3 },
    );
  });
});
