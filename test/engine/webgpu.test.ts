/**
 * The same cases on WebGPU, where no node may fall back to the CPU: one that does makes a training step many times
 * slower. Without a graphics card the software Vulkan driver that Chromium ships will do.
 */
import assert from "node:assert/strict";
import path from "node:path";
import { type Child, startOnWebGpu } from "../webgpu";
import { cases } from "./cases";

describe("kernels, compiled for WebGPU", () => {
  let child: Child | undefined;

  before(async function () {
    const started = await startOnWebGpu(path.join(__dirname, "webgpu.child.ts"));
    if (typeof started !== "string") {
      child = started;
      return;
    }
    console.log(`    skipped, no WebGPU adapter: ${started}`);
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
