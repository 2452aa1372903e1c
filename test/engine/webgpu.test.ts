/**
 * The same cases on WebGPU, where no node may fall back to the CPU: one that does makes a training step many times
 * slower. Without a graphics card the software Vulkan driver that Chromium ships will do.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { cases } from "./cases";

interface Line {
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
class Child {
  private readonly lines: AsyncIterator<string>;
  private errors = "";
  readonly process: ChildProcess;

  constructor(env: NodeJS.ProcessEnv) {
    const script = path.join(__dirname, "webgpu.child.ts");
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

describe("kernels, compiled for WebGPU", () => {
  let child: Child | undefined;

  before(async function () {
    const reasons: unknown[] = [];
    for (const env of environments()) {
      const candidate = new Child(env);
      const first = await candidate.next().catch((error: Error): Line => ({ reason: error.message }));
      if (first.adapter) {
        child = candidate;
        return;
      }
      candidate.process.kill();
      reasons.push(first.reason);
    }
    console.log(`    skipped, no WebGPU adapter: ${reasons.at(-1)}`);
    this.skip();
  });
  after(() => void child?.process.kill());

  const passes = async (name: string) => {
    const line = await child!.next();
    assert.equal(line.name, name);
    assert.ok(!line.error, line.error);
  };

  it("are checked by a session that notices a node on the CPU", () => passes("the check"));
  for (const { name } of cases.filter(({ cpuOnly }) => !cpuOnly))
    it(`${name} computes what tfjs computes, all of it on the device`, () => passes(name));
});
