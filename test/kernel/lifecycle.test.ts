import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { KernelClient, ownKernel } from "../../kernel/client";
import { newConnection, readConnection } from "../../kernel/connection";
import { printed, result, temporaryFolder, until, useKernel } from "./support";

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function childPid(client: KernelClient): Promise<number> {
  return Number(result(await client.execute("process.pid")));
}

describe("kernel: crashes and ends", () => {
  const kernel = useKernel();

  it("tells the exit code when a cell ends the process, and goes on with a fresh one", async () => {
    await kernel.client.execute("const before = 1");
    const { reply } = await kernel.client.execute("process.exit(7)");
    assert.deepEqual(
      [reply.content.ename, reply.content.evalue],
      [
        "ProcessEnded",
        "The process that runs the cells ended with exit code 7. All variables are lost; run the cells again from the top.",
      ],
    );
    assert.equal(result(await kernel.client.execute("1 + 1")), "2");
    assert.match(
      (await kernel.client.execute("before")).reply.content.evalue as string,
      /Cannot find name 'before'/,
    );
  });

  it("tells the signal", async () => {
    const { reply } = await kernel.client.execute(
      "process.kill(process.pid, 'SIGKILL'); await new Promise(() => {})",
    );
    assert.match(reply.content.evalue as string, /ended by signal SIGKILL/);
  });

  it("hears the last words of a process that ends itself", async () => {
    const exchange = await kernel.client.execute(
      "for (let i = 0; i < 20_000; i++) console.log(i); process.exit(3)",
    );
    assert.match(printed(exchange), /\n19999\n$/);
    assert.match(exchange.reply.content.evalue as string, /exit code 3/);
  });

  /** Runs a cell that starts a process that does nothing for long; its pid. */
  async function startBackground(client: KernelClient, options = ""): Promise<number> {
    await client.execute("import { spawn } from 'node:child_process'");
    const wait = "['-e', 'setTimeout(() => {}, 600_000)']";
    return Number(
      result(await client.execute(`spawn(process.execPath, ${wait}, { stdio: 'inherit', ${options} }).pid`)),
    );
  }

  it("notices the end of a process whose own children hold its streams open", async () => {
    const pid = await startBackground(kernel.client, "detached: true");
    const { reply } = await kernel.client.execute("process.exit(4)");
    assert.match(reply.content.evalue as string, /exit code 4/);
    assert.ok(isAlive(pid)); // it was asked to outlive its parent
    process.kill(pid, "SIGKILL");
  });

  it("ends what cells started in the background, at a crash, a shutdown and a kill", async () => {
    const crashing = await startBackground(kernel.client);
    await kernel.client.execute("process.exit(4)");
    await until(() => !isAlive(crashing));
    for (const end of ["shutdown", "kill"] as const) {
      const client = await KernelClient.start();
      const pid = await startBackground(client);
      await client[end]();
      await until(() => !isAlive(pid));
    }
  });

  it("says that memory ran out", async () => {
    const client = await KernelClient.start({ env: { NODE_OPTIONS: "--max-old-space-size=100" } });
    const { reply } = await client.execute(
      "const kept: number[][] = []; for (;;) kept.push(Array(1e5).fill(0.5));",
    );
    assert.equal(reply.content.ename, "OutOfMemory");
    assert.match(reply.content.evalue as string, /start the kernel with NODE_OPTIONS=--max-old-space-size/);
    assert.equal(result(await client.execute("1 + 1")), "2");
    await client.shutdown();
  });

  it("notices a crash between cells", async () => {
    process.kill(await childPid(kernel.client), "SIGKILL");
    await until(() =>
      kernel.client.published.some((m) => /ended by signal SIGKILL/.test(String(m.content.text))),
    );
    assert.equal(result(await kernel.client.execute("1 + 1")), "2");
  });

  it("ends with its child on shutdown, and tells whether it is a restart", async () => {
    const client = await KernelClient.start();
    const child = await childPid(client);
    const { reply } = await client.controlRequest("shutdown_request", { restart: true });
    assert.deepEqual(reply.content, { status: "ok", restart: true });
    await client.shutdown();
    assert.equal(client.process.exitCode, 0);
    await until(() => !isAlive(child));
  });

  it("leaves no child when it is killed, even one that spins", async () => {
    const client = await KernelClient.start();
    const child = await childPid(client);
    client.execute("console.log('spinning'); while (true) {}").catch(() => {});
    await until(() => client.published.some((m) => m.content.text === "spinning\n"));
    await client.kill();
    await until(() => !isAlive(child));
  });

  it("ends when the process that started it is gone", async () => {
    const parent = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    const client = await KernelClient.start({ env: { JPY_PARENT_PID: String(parent.pid) } });
    const child = await childPid(client);
    parent.kill("SIGKILL");
    await until(() => client.process.exitCode !== null && !isAlive(child));
    await client.shutdown();
  });
});

describe("kernel: connection files", () => {
  it("are readable by their owner alone", async () => {
    const { connection, file } = await newConnection();
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(readConnection(file), connection);
    fs.rmSync(file);
  });

  it("are refused with the reason", async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, "c.json");
    const refused = (content: unknown, reason: RegExp) => {
      fs.writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
      assert.throws(() => readConnection(file), reason);
    };
    const { connection, file: good } = await newConnection();
    refused("{", /is not JSON/);
    refused({ ...connection, transport: "pigeon" }, /"transport" should be "tcp" or "ipc", got "pigeon"/);
    refused({ ...connection, key: 3 }, /"key" should be a string, got 3/);
    refused({ ...connection, hb_port: undefined }, /"hb_port" should be a port number/);
    refused(
      { ...connection, signature_scheme: "md5" },
      /"signature_scheme" should be "hmac-sha256", got "md5"/,
    );
    assert.throws(
      () => readConnection(path.join(folder, "none.json")),
      /cannot read the connection file .*none\.json/,
    );
    fs.rmSync(good);
    fs.rmSync(folder, { recursive: true });
  });

  it("with ports in use end the kernel with the address", async () => {
    const first = await KernelClient.start();
    const folder = temporaryFolder();
    const file = path.join(folder, "same.json");
    fs.writeFileSync(file, JSON.stringify(first.connection));
    const [command, ...args] = ownKernel().map((arg) => arg.replace("{connection_file}", file));
    const second = spawn(command!, args);
    let log = "";
    second.stderr.on("data", (text) => {
      log += text;
    });
    const code = await new Promise((resolve) => second.once("close", resolve));
    assert.equal(code, 1);
    assert.match(log, /cannot bind the \w+ socket to tcp:\/\/127\.0\.0\.1:\d+/);
    await first.shutdown();
    fs.rmSync(folder, { recursive: true });
  });
});
