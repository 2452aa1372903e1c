/** A real Redis of one's own, and real workers, which tests kill and start again. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connect } from "../../src/runs/redis";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

export interface TestRedis {
  url: string;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** On the same port and the same files. */
  start(): Promise<void>;
}

/** Debian's redis-server, which has every change on disk before it answers. */
export async function startRedis(folder: string): Promise<TestRedis> {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const options = { "--port": `${port}`, "--bind": "127.0.0.1", "--dir": folder, "--save": "" };
  const durable = { "--appendonly": "yes", "--appendfsync": "always" };
  let server: ChildProcess;
  const start = async () => {
    server = spawn("redis-server", Object.entries({ ...options, ...durable }).flat(), { stdio: "ignore" });
    await once(server, "spawn");
    for (let tries = 0; ; tries++) {
      const redis = await connect(url).catch(() => undefined);
      redis?.disconnect();
      if (redis) return;
      assert.ok(tries < 100 && server.exitCode === null, "redis-server did not start");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await start();
  return {
    url,
    start,
    async kill(signal) {
      const ended = once(server, "exit");
      server.kill(signal);
      await ended;
    },
  };
}

export interface TestWorker {
  process: ChildProcess;
  lines: string[];
  ended: Promise<unknown>;
}

/** `loralab worker`, one trial at a time, with a store in `folder`. @param heard each line that it says */
export function startWorker(
  url: string,
  folder: string,
  heard: (line: string) => void = () => {},
): TestWorker {
  const command = [
    "--import",
    "tsx",
    join(__dirname, "../../bin/loralab.ts"),
    "worker",
    url,
    "--trials",
    "1",
  ];
  const child = spawn(process.execPath, command, {
    env: { ...process.env, LORALAB_RUNS: folder },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  createInterface(child.stdout!).on("line", (line) => {
    lines.push(line);
    heard(line);
  });
  return { process: child, lines, ended: once(child, "exit") };
}
