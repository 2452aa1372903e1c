/** `loralab [folder]` as its users start and stop it, each in a process of its own. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { loralab } from "./command";

/** Building the real one is a test of its own. */
const ui = path.join(__dirname, "../lab/bundle");
const entry = path.join(__dirname, "../../bin/loralab.ts");

describe("loralab start", () => {
  const base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "loralab-start-")));
  const home = path.join(base, "home");
  const running: ChildProcess[] = [];
  afterEach(() => {
    for (const child of running.splice(0)) child.kill("SIGKILL");
  });
  after(() => fs.rmSync(base, { recursive: true }));

  /** Starts a lab and waits for its address; `said` is all that it said to people. */
  async function start(folder: string, ...args: string[]) {
    const work = path.join(base, folder);
    fs.mkdirSync(work, { recursive: true });
    const child = spawn(
      process.execPath,
      ["--require", require.resolve("tsx/cjs"), entry, work, "--no-browser", "--port", "0", ...args],
      { env: { ...process.env, LORALAB_HOME: home, LORALAB_UI: ui }, stdio: ["ignore", "pipe", "pipe"] },
    );
    running.push(child);
    const lab = { child, said: "", url: "", code: undefined as number | null | undefined };
    child.once("exit", (code) => {
      lab.code = code;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      lab.said += text;
    });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      out += text;
    });
    await until(() => /Lab ready: \S+\n/.test(out) || lab.code !== undefined);
    lab.url = /Lab ready: (\S+)\n/.exec(out)?.[1] ?? "";
    return lab;
  }

  const ask = (url: string, pathname: string, init?: RequestInit) => {
    const target = new URL(url);
    target.pathname = pathname;
    return fetch(target, init);
  };

  it("prints the address with a token, keeps it for its user, and forgets it when it stops", async () => {
    const lab = await start("one");
    assert.match(lab.url, /^http:\/\/127\.0\.0\.1:\d+\/lab\?token=[0-9a-f]{48}$/);
    assert.equal((await ask(lab.url, "/api/status")).status, 200);
    const [file] = fs.readdirSync(path.join(home, "lab", "servers"));
    assert.equal(fs.statSync(path.join(home, "lab", "servers", file!)).mode & 0o077, 0);
    lab.child.kill("SIGINT");
    await until(() => lab.code !== undefined);
    assert.equal(lab.code, 0);
    assert.deepEqual(fs.readdirSync(path.join(home, "lab", "servers")), []);
  });

  it("on the same folder finds the lab that runs, also after one that was killed", async () => {
    const first = await start("same");
    const second = await start("same");
    await until(() => second.code !== undefined);
    assert.deepEqual([second.code, second.url], [0, first.url]);
    assert.match(second.said, /The lab already runs on .*same \(process \d+\)/);
    first.child.kill("SIGKILL");
    await until(() => first.code !== undefined);
    const third = await start("same");
    assert.notEqual(third.url, first.url);
    assert.equal((await ask(third.url, "/api/status")).status, 200);
  });

  it("takes the next port when one is in use, and says so", async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as net.AddressInfo;
    const lab = await start("busy", "--port", String(port));
    server.close();
    assert.ok(Number(new URL(lab.url).port) > port);
    assert.match(lab.said, new RegExp(`Port ${port} is in use; the lab is on port \\d+`));
  });

  it("asks before it ends kernels: the second Ctrl-C means it", async () => {
    const lab = await start("kernels", "--token", "chosen");
    assert.match(lab.url, /token=chosen$/);
    const { pid } = (await (await ask(lab.url, "/api/kernels", { method: "POST" })).json()) as {
      pid?: number;
    };
    assert.equal(pid, undefined, "the API does not tell");
    lab.child.kill("SIGINT");
    await until(() => lab.said.includes("1 kernel is running. Ctrl-C again ends it"));
    assert.equal((await ask(lab.url, "/api/status")).status, 200);
    lab.child.kill("SIGINT");
    await until(() => lab.code !== undefined);
    assert.equal(lab.code, 0);
    assert.match(lab.said, /Stopping 1 kernel …/);
  });

  it("warns when it is opened to the network", async () => {
    const lab = await start("open", "--ip", "0.0.0.0");
    assert.match(lab.said, /Warning: 0\.0\.0\.0 can be reached from the network/);
    assert.match(lab.url, /^http:\/\/127\.0\.0\.1:/);
  });

  it("refuses a file, a folder that is not there, and a wrong port, and says what is expected", () => {
    const file = path.join(base, "file");
    fs.writeFileSync(file, "");
    const got = (...args: string[]) => loralab(args, { LORALAB_HOME: home, LORALAB_UI: ui });
    assert.match(got(file).stderr, /expected a folder to work in, got the file/);
    assert.match(got(path.join(base, "none")).stderr, /there is no folder .*none/);
    const port = got(base, "--port", "abc");
    assert.deepEqual([port.status, /A port is a number from 0/.test(port.stderr)], [2, true]);
    const taken = got(base, "--ip", "203.0.113.1", "--no-browser");
    assert.match(taken.stderr, /203\.0\.113\.1 is not an address of this machine/);
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}
