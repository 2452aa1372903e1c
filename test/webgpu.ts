/**
 * Tests on WebGPU run in a process of their own: a graphics driver may end it, and needs its environment from the start.
 * The child prints a line of JSON for each thing it checked, after a first line { adapter: true } or { reason }.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import * as tf from "@tensorflow/tfjs";
import { trace } from "../src/engine";

/** With this option, a session that would run any node on the CPU is an error. */
export const STRICT = { extra: { session: { disable_cpu_ep_fallback: "1" } } };

export interface Line {
  adapter?: boolean;
  reason?: string;
  name?: string;
  error?: string;
}

const CHROMIUM = ["/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome"];

/** The environment as it is, and with Chromium's software driver where there is one. */
function environments(): NodeJS.ProcessEnv[] {
  const env = {
    ...process.env,
    XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? mkdtempSync(path.join(tmpdir(), "xdg-")),
  };
  const software = CHROMIUM.filter((folder) => existsSync(path.join(folder, "vk_swiftshader_icd.json"))).map(
    (folder) => ({
      ...env,
      VK_ICD_FILENAMES: path.join(folder, "vk_swiftshader_icd.json"),
      LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(":"),
    }),
  );
  return [env, ...software];
}

/** What the child has printed so far; `next` waits for a line. */
export class Child {
  private readonly lines: AsyncIterator<string>;
  private errors = "";
  readonly process: ChildProcess;

  constructor(script: string, env: NodeJS.ProcessEnv) {
    this.process = spawn(process.execPath, ["--require", "tsx/cjs", script], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.process.stderr!.on("data", (chunk) => {
      this.errors = `${this.errors}${chunk}`.slice(-2000);
    });
    this.lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
  }

  async next(): Promise<Line> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`the process that runs WebGPU ended: ${this.errors}`);
    return JSON.parse(value);
  }
}

/** The child that runs `script` on the first environment with an adapter, or why there is none. */
export async function startOnWebGpu(script: string): Promise<Child | string> {
  let reason = "";
  for (const env of environments()) {
    const candidate = new Child(script, env);
    const first = await candidate.next().catch((error: Error): Line => ({ reason: error.message }));
    if (first.adapter) return candidate;
    candidate.process.kill();
    reason = first.reason!;
  }
  return reason;
}

/** In the child: one line of the report. */
export const print = (line: Line): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);

/** In the child: whether there is an adapter, as the first line. */
export async function reportAdapter(): Promise<boolean> {
  try {
    const inputs = { x: { shape: [1], dtype: "float32" as const } };
    const program = await trace(({ x }) => ({ y: tf.neg(x!) }), inputs, { device: "webgpu" });
    await program.dispose();
    print({ adapter: true });
    return true;
  } catch (error) {
    print({ reason: (error as Error).message });
    return false;
  }
}

function rootCause(error: Error): string {
  return error.cause instanceof Error ? rootCause(error.cause) : error.message;
}

/** In the child: does the work and reports it under a name. */
export async function report(name: string, work: () => Promise<unknown>): Promise<void> {
  await work().then(
    () => print({ name }),
    (error: Error) => print({ name, error: rootCause(error) }),
  );
}
