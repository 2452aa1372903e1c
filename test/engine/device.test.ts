import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import * as ort from "onnxruntime-node";
import { device, eager, trace } from "../../src/engine";

const offered = ort.listSupportedBackends().map(({ name }) => name);
/** Runs with LORALAB_DEVICE set, and puts back what it was. */
async function asking<T>(wanted: string, work: () => Promise<T>): Promise<T> {
  const before = process.env.LORALAB_DEVICE;
  process.env.LORALAB_DEVICE = wanted;
  try {
    return await work();
  } finally {
    if (before === undefined) delete process.env.LORALAB_DEVICE;
    else process.env.LORALAB_DEVICE = before;
  }
}
const negate = () => trace(({ x }) => ({ y: tf.neg(x!) }), { x: { shape: [1], dtype: "float32" } });

describe("device", () => {
  it("reports every device that ONNX Runtime offers, and why it is not in use", async () => {
    const { compiled, others, eager: reported } = await asking("", device);
    assert.equal(compiled.device, "cpu");
    assert.match(compiled.description, /^ONNX Runtime \d+\.\d+\.\d+, provider cpu$/);
    assert.deepEqual([compiled.device, ...others.map(({ device }) => device)].sort(), [...offered].sort());
    for (const { device, why } of others)
      assert.ok(why.length > 10 && !why.includes("\n"), `${device}: ${why}`);
    assert.deepEqual(reported, await eager());
  });

  it("is what LORALAB_DEVICE asks for", async () => {
    assert.equal((await asking("cpu", device)).compiled.device, "cpu");
    const program = await asking("cpu", negate);
    assert.equal(program.device, "cpu");
    await program.dispose();
  });

  it("names the devices on offer when an option asks for another", async () => {
    await assert.rejects(
      trace(
        ({ x }) => ({ y: tf.neg(x!) }),
        { x: { shape: [1], dtype: "float32" } },
        { device: "abacus" as "cpu" },
      ),
      /The option device is "abacus", but ONNX Runtime offers /,
    );
  });

  it("names the devices on offer when LORALAB_DEVICE asks for another", async () => {
    const explanation = new RegExp(
      `LORALAB_DEVICE is "abacus", but ONNX Runtime offers ${offered.join(", ")}`,
    );
    await assert.rejects(asking("abacus", device), explanation);
    await assert.rejects(asking("abacus", negate), explanation);
  });
});
