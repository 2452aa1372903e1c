import assert from "node:assert/strict";
import { lora } from "../../src/adapters";
import { computeThread } from "../../src/engine";
import { sideBySide } from "../../src/runs";
import { evaluateLoss, train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";

const DATA = [
  { prompt: "one and one?", completion: " two" },
  { prompt: "sky?", completion: " blue" },
];

describe("work side by side", () => {
  it("gives what the same work gives one after the other, in the order of the items", async () => {
    const base = tinyModel();
    const work = async (seed: number) => {
      const student = base.attach(lora({ rank: 2 }), { seed });
      const run = await train(student, { data: DATA, steps: 3, seed, display: false, record: false });
      const { text } = await student.generate("sky?", { maxTokens: 4 });
      return { losses: run.losses, loss: await evaluateLoss(student, DATA), text };
    };
    const seeds = [3, 1, 2];
    const beside = await sideBySide(seeds, work, { workers: 2 });
    assert.deepEqual(beside, await sideBySide(seeds, work, { workers: 1 }));
    assert.equal(new Set(beside.map(({ loss }) => loss)).size, 3);
  });

  it("has as many threads as workers, and this one again afterwards", async () => {
    const used = await sideBySide([0, 1, 2, 3], async () => computeThread(), { workers: 2 });
    assert.ok(used.every((thread) => thread !== undefined));
    assert.equal(new Set(used).size, 2);
    assert.equal(computeThread(), undefined);
  });

  it("passes the first error on, and begins nothing after it", async () => {
    const begun: number[] = [];
    const work = async (item: number) => {
      begun.push(item);
      if (item === 1) throw new Error("one is bad");
      await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await assert.rejects(sideBySide([0, 1, 2, 3, 4], work, { workers: 2 }), /one is bad/);
    assert.deepEqual(begun, [0, 1]);
  });

  it("does nothing with nothing", async () => {
    assert.deepEqual(await sideBySide([], async () => 1), []);
  });
});
