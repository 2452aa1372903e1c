import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs";
import { matMul4bit, matMulInt4, trace } from "../../src/engine";
import { quantize4bit, quantizeInt4 } from "../../src/quantize";

describe("a program with 4-bit weights", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "loralab-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  const [layers, width] = [4, 256];
  const weights = Array.from({ length: layers }, (_, layer) => {
    const data = Float32Array.from({ length: width * width }, (_, i) => Math.sin(i + layer));
    return { data, shape: [width, width] };
  });

  /** The size over float32's of what ONNX Runtime would run, with everything that it computes in advance. */
  async function optimizedSize(products: ((x: tf.Tensor2D) => tf.Tensor2D)[]): Promise<number> {
    const loss = (x: tf.Tensor) =>
      tf.sum(tf.square(products.reduce((h, product) => tf.tanh(product(h)), x as tf.Tensor2D))) as tf.Scalar;
    const optimizedModelFilePath = path.join(folder, "optimized.onnx");
    const program = await trace(
      ({ x }) => ({ loss: loss(x!), dx: tf.grad(loss)(x!) }),
      { x: { shape: [8, width], dtype: "float32" } },
      { device: "cpu", session: { optimizedModelFilePath } },
    );
    await program.dispose();
    return statSync(optimizedModelFilePath).size / (4 * layers * width * width);
  }

  it("keeps them in 4 bits, forward and backward, when ONNX Runtime has optimized it", async () => {
    const quantized = weights.map((w) => quantize4bit(w));
    const size = await optimizedSize(quantized.map((w) => (x) => matMul4bit(x, w)));
    assert.ok(size > 4.5 / 32, `${size} of float32's bytes hold no weights`);
    assert.ok(size < 0.16, `${size} of float32's bytes`);
  });

  it("keeps group-wise integers as such, one set of codes for each direction", async () => {
    const quantized = weights.map((w) => quantizeInt4(w));
    const size = await optimizedSize(quantized.map((w) => (x) => matMulInt4(x, w)));
    // Two times 4 bits for the codes, and numbers for each group of 32.
    assert.ok(size > 10 / 32, `${size} of float32's bytes hold no weights`);
    assert.ok(size < 0.4, `${size} of float32's bytes`);
  });

  it("explains a matrix that does not fit", () => {
    const w = quantize4bit({ data: new Float32Array(64), shape: [4, 16] });
    assert.throws(
      () => matMul4bit(tf.zeros([2, 8]), w),
      /expected a matrix \[out, 8\] for x \[2,8\], got \[4,16\]/,
    );
  });
});
