import assert from "node:assert/strict";
import path from "node:path";
import { type Child, startOnWebGpu } from "../webgpu";
import { CASES, OBJECTIVES } from "./webgpu.child";

describe("a whole training step on WebGPU", () => {
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

  for (const name of [...Object.keys(CASES), ...Object.keys(OBJECTIVES)]) {
    it(`has no node on the CPU and the CPU's loss: ${name}`, async () => {
      const line = await child!.next();
      assert.equal(line.name, name);
      assert.ok(!line.error, line.error);
    });
  }
});
