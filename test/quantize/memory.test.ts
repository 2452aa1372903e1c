import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs";
import { matMul4bit, trace } from "../../src/engine";
import { quantize4bit } from "../../src/quantize";

describe("a program with 4-bit weights", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "loralab-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("keeps them in 4 bits, forward and backward, when ONNX Runtime has optimized it", async () => {
    const [layers, width] = [4, 256];
    const weights = Array.from({ length: layers }, (_, layer) => {
      const data = Float32Array.from({ length: width * width }, (_, i) => Math.sin(i + layer));
      return quantize4bit({ data, shape: [width, width] });
    });
    const loss = (x: tf.Tensor) =>
      tf.sum(tf.square(weights.reduce((h, w) => tf.tanh(matMul4bit(h, w)), x as tf.Tensor2D))) as tf.Scalar;
    // What ONNX Runtime would run, with everything that it computes in advance.
    const optimizedModelFilePath = path.join(folder, "optimized.onnx");
    const program = await trace(
      ({ x }) => ({ loss: loss(x!), dx: tf.grad(loss)(x!) }),
      { x: { shape: [8, width], dtype: "float32" } },
      { device: "cpu", session: { optimizedModelFilePath } },
    );
    await program.dispose();
    const float32 = 4 * layers * width * width;
    const { size } = statSync(optimizedModelFilePath);
    assert.ok(size > (4.5 / 32) * float32, `${size} bytes hold no weights`);
    assert.ok(size < 0.16 * float32, `${size} bytes are ${size / float32} of float32's`);
  });

  it("explains a matrix that does not fit", () => {
    const w = quantize4bit({ data: new Float32Array(64), shape: [4, 16] });
    assert.throws(
      () => matMul4bit(tf.zeros([2, 8]), w),
      /expected a matrix \[out, 8\] for x \[2,8\], got \[4,16\]/,
    );
  });
});
