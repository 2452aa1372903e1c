/** Kernels that misbehave, and the ways in which front ends come and go. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import WebSocket from "ws";
import { pack, unpack, V1 } from "../../lab/server/kernels/wire";
import { Channel } from "./channel";
import { codeCell, notebook, TOKEN, temporaryFolder, until, useLab } from "./support";

describe("lab: kernels that do not start", () => {
  const lab = useLab({ kernelStartTimeout: 1500 });
  const jupyterPath = process.env.JUPYTER_PATH;
  let data: string;
  before(() => {
    data = temporaryFolder();
    process.env.JUPYTER_PATH = data;
    const specs: Record<string, string[]> = {
      gone: ["/no/such/program", "{connection_file}"],
      failing: [process.execPath, "-e", "console.error('no GPU here'); process.exit(3)"],
      silent: [process.execPath, "-e", "setInterval(() => {}, 1000)"],
    };
    for (const [name, argv] of Object.entries(specs)) {
      fs.mkdirSync(path.join(data, "kernels", name), { recursive: true });
      const spec = JSON.stringify({ argv, display_name: name, language: "none" });
      fs.writeFileSync(path.join(data, "kernels", name, "kernel.json"), spec);
    }
    fs.mkdirSync(path.join(data, "kernels", "broken"));
    fs.writeFileSync(path.join(data, "kernels", "broken", "kernel.json"), "{");
  });
  after(() => {
    if (jupyterPath === undefined) delete process.env.JUPYTER_PATH;
    else process.env.JUPYTER_PATH = jupyterPath;
    fs.rmSync(data, { recursive: true });
  });
  const start = (name: string) =>
    lab.ask("POST", "/api/sessions", { path: `${name}.ipynb`, type: "notebook", kernel: { name } });
  const dead = async (id: string) => {
    const model = async () => (await lab.ask("GET", `/api/kernels/${id}`)).body;
    await until(async () => (await model()).execution_state === "dead");
    return (await model()).reason;
  };

  it("lists Jupyter's other kernels beside ours, and leaves out a broken kernelspec", async () => {
    const { body } = await lab.ask("GET", "/api/kernelspecs");
    assert.equal(body.default, "loralab");
    for (const name of ["loralab", "gone", "failing", "silent"]) assert.ok(body.kernelspecs[name], name);
    assert.equal(body.kernelspecs.broken, undefined);
    const logo = await lab.ask("GET", body.kernelspecs.loralab.resources["logo-svg"]);
    assert.deepEqual([logo.status, logo.headers.get("content-type")], [200, "image/svg+xml"]);
  });

  it("says that there is no such kernel, or that its program is gone", async () => {
    const none = await start("none");
    assert.equal(none.status, 404);
    assert.match(none.body.message, /there is no kernel "none"; there is loralab, .*failing/);
    const gone = await start("gone");
    assert.equal(gone.status, 500);
    assert.match(gone.body.message, /the kernel gone could not be started: .*ENOENT.*\/no\/such\/program/);
    assert.deepEqual((await lab.ask("GET", "/api/sessions")).body, []);
  });

  it("gives what a kernel that fails at its start printed, and stays able to restart and to delete it", async () => {
    const { body } = await start("failing");
    const page = await Channel.open(lab, body.kernel.id);
    await page.find(({ content }) => content.execution_state === "dead");
    assert.match(await dead(body.kernel.id), /its process ended \(exit code 3\)\. It printed:\nno GPU here/);
    const interrupt = await lab.ask("POST", `/api/kernels/${body.kernel.id}/interrupt`);
    assert.match(interrupt.body.message, /the kernel is dead/);
    const restart = await lab.ask("POST", `/api/kernels/${body.kernel.id}/restart`);
    assert.equal(restart.status, 500);
    assert.match(restart.body.message, /did not start again: its process ended/);
    assert.equal((await lab.ask("DELETE", `/api/sessions/${body.id}`)).status, 204);
    assert.equal((await lab.ask("DELETE", `/api/sessions/${body.id}`)).status, 404);
  });

  it("gives up on a kernel that never answers, and ends its process", async () => {
    const { body } = await start("silent");
    const { pid } = lab.server.lab.kernels.get(body.kernel.id);
    assert.match(await dead(body.kernel.id), /it did not answer within 1.5 s/);
    await until(() => !isAlive(pid!));
    await lab.ask("DELETE", `/api/kernels/${body.kernel.id}`);
    assert.equal((await lab.ask("GET", `/api/sessions/${body.id}`)).status, 410);
  });
});

describe("lab: front ends of a kernel", () => {
  const lab = useLab();
  let id: string;
  before(async () => {
    id = (await lab.ask("POST", "/api/kernels", {})).body.id;
  });

  it("shows one kernel to two front ends, each with its own replies", async () => {
    const [one, two] = [await Channel.open(lab, id), await Channel.open(lab, id)];
    await two.reply(two.send("kernel_info_request", {}));
    const request = one.execute('console.log("to all")');
    assert.equal((await one.reply(request)).content.status, "ok");
    await until(() => two.text(request) === "to all\n");
    assert.ok(!two.messages.some(({ header }) => header.msg_type === "execute_reply"));
    assert.equal((await lab.ask("GET", `/api/kernels/${id}`)).body.connections, 2);
    one.close();
    two.close();
  });

  it("keeps a comm between the front end that opened it and the kernel", async () => {
    const [one, two] = [await Channel.open(lab, id), await Channel.open(lab, id)];
    await two.reply(two.send("kernel_info_request", {}));
    const request = one.send("comm_open", { comm_id: "of-one", target_name: "nobody's", data: {} });
    const closed = (page: Channel) => page.messages.filter(({ header }) => header.msg_type === "comm_close");
    await one.idle(request);
    await two.idle(request);
    assert.deepEqual(
      closed(one).map(({ content }) => content.comm_id),
      ["of-one"],
      "a comm of an unknown target is closed at once",
    );
    assert.deepEqual(closed(two), []);
    one.close();
    two.close();
  });

  it("keeps messages for a front end whose connection broke, until it is back", async () => {
    const page = await Channel.open(lab, id, "a-session");
    const request = page.execute(
      `console.log("before"); await new Promise((r) => setTimeout(r, 300)); console.log("after")`,
    );
    await until(() => page.text(request).includes("before"));
    page.socket.terminate();
    await new Promise((resolve) => setTimeout(resolve, 600));
    const again = await Channel.open(lab, id, "a-session");
    assert.equal((await again.reply(request)).content.status, "ok");
    assert.equal(page.text(request) + again.text(request), "before\nafter\n");
    again.close();
  });

  it("passes questions of a cell to the front end that runs it, and its answer back", async () => {
    const page = await Channel.open(lab, id);
    const content = { code: 'await prompt("Name? ")', silent: false, store_history: true, allow_stdin: true };
    const request = page.send("execute_request", { ...content, user_expressions: {}, stop_on_error: true });
    const question = await page.find(({ header }) => header.msg_type === "input_request");
    assert.equal(question.channel, "stdin");
    page.send("input_reply", { status: "ok", value: "Ada" }, {}, "stdin");
    assert.equal((await page.reply(request)).content.status, "ok");
    page.close();
  });

  it("spares a front end that reads too slowly, tells it what it missed, and keeps it on the server", async () => {
    const page = await Channel.open(lab, id);
    const code = `const line = "x".repeat(1e6); for (let i = 0; i < 150; i++) console.log(line); console.log("the end")`;
    page.socket.pause();
    const request = page.execute(code, "flood");
    const { outputs } = lab.server.lab.kernels.get(id);
    await until(() => outputs.list().some(({ cellId, finished }) => cellId === "flood" && finished !== null));
    page.socket.resume();
    assert.equal((await page.reply(request)).content.status, "ok", "what is not output always arrives");
    const next = page.execute("1");
    await page.reply(next);
    assert.ok(page.text(request).length < 100e6, "not all was sent");
    assert.match(page.text(request), /outputs came faster than the browser could show them; reload the page/);
    const [{ text }] = outputs.list().find(({ cellId }) => cellId === "flood")!.outputs as any[];
    assert.match(text, /the end\n$/);
    page.close();
  });

  it("drops what is not a message, and goes on", async () => {
    const page = await Channel.open(lab, id);
    for (const junk of ["", "{", "[]", "null", '{"channel":"none"}', Buffer.alloc(3), Buffer.alloc(40, 255)])
      page.socket.send(junk);
    assert.equal((await page.reply(page.execute("1"))).content.status, "ok");
    page.close();
  });

  it("speaks the binary subprotocol to who asks for it", async () => {
    const url = `${lab.origin.replace("http", "ws")}/api/kernels/${id}/channels?token=${TOKEN}`;
    const socket = new WebSocket(url, [V1]);
    const reply = new Promise<any>((resolve) => {
      socket.on("message", (data: Buffer) => {
        const { channel, parts } = unpack(data, V1);
        if (channel === "shell") resolve(JSON.parse(parts[0].toString()));
      });
    });
    await new Promise((resolve) => socket.once("open", resolve));
    assert.equal(socket.protocol, V1);
    const header = {
      msg_id: "1",
      msg_type: "kernel_info_request",
      session: "s",
      username: "",
      version: "5.3",
      date: "",
    };
    const parts = [header, {}, {}, {}].map((part) => Buffer.from(JSON.stringify(part))) as any;
    socket.send(pack({ channel: "shell", parts, buffers: [] }, V1));
    assert.equal((await reply).msg_type, "kernel_info_reply");
    socket.close();
  });

  it("writes and reads buffers in both forms", () => {
    const parts = [{ msg_id: "1", msg_type: "t" }, {}, {}, { a: "é" }].map((part) =>
      Buffer.from(JSON.stringify(part)),
    );
    const message = {
      channel: "iopub" as const,
      parts: parts as any,
      buffers: [Buffer.from([1, 2]), Buffer.from([])],
    };
    for (const protocol of [V1, ""] as const) {
      const { channel, buffers, parts } = unpack(pack(message, protocol), protocol);
      assert.deepEqual([channel, buffers.map((one) => [...one])], ["iopub", [[1, 2], []]]);
      assert.deepEqual(JSON.parse(parts[3].toString()), { a: "é" });
    }
  });
});

describe("lab: idle kernels", () => {
  const lab = useLab({ cullIdleMinutes: 0.02 });

  it("are ended when nobody has them open, and not before", async () => {
    const { body } = await lab.ask("POST", "/api/kernels", {});
    const page = await Channel.open(lab, body.id);
    await page.reply(page.send("kernel_info_request", {}));
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.equal((await lab.ask("GET", "/api/kernels")).body.length, 1, "it is open");
    page.close();
    await until(async () => (await lab.ask("GET", "/api/kernels")).body.length === 0);
  });
});

describe("lab: the end of the server", () => {
  const entry = path.join(__dirname, "server.child.ts");
  const args = ["--require", require.resolve("tsx/cjs"), entry];

  it("ends the kernels too, when it is killed", async () => {
    const root = temporaryFolder();
    const child = spawn(process.execPath, [...args, "kernel", root], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const pid = await new Promise<number>((resolve) =>
      child.stdout.once("data", (text) => resolve(Number(text))),
    );
    assert.ok(isAlive(pid));
    child.kill("SIGKILL");
    await until(() => !isAlive(pid));
    fs.rmSync(root, { recursive: true });
  });

  it("killed at any moment of a save leaves the old notebook or the new one", async () => {
    const root = temporaryFolder();
    const file = path.join(root, "a.ipynb");
    const cells = (text: string) => notebook(codeCell("a", text.repeat(200_000)));
    fs.writeFileSync(file, JSON.stringify(cells("0")));
    for (let i = 0; i < 3; i++) {
      const child = spawn(process.execPath, [...args, "save", root], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await new Promise((resolve) => child.stdout.once("data", resolve));
      await new Promise((resolve) => setTimeout(resolve, 37 * i));
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
      const { source } = JSON.parse(fs.readFileSync(file, "utf8")).cells[0];
      const text = [source].flat().join("");
      assert.equal(text.length, 200_000);
      assert.equal(new Set(text).size, 1, "one version, whole");
    }
    fs.rmSync(root, { recursive: true });
  });
});

function isAlive(pid: number): boolean {
  // A process that has ended and was not yet collected by its parent answers signals too.
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return stdout.trim() !== "" && !stdout.startsWith("Z");
}
