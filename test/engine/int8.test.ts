import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import { generator, matMulInt4, trace } from "../../src/engine";
import { type QuantizedInt4, quantizeInt4 } from "../../src/quantize";

const [ROWS, INPUTS, OUT, GROUP] = [20, 96, 24, 32];
const random = generator(6);
const floats = (size: number) => Float32Array.from({ length: size }, () => 2 * random() - 1);
const weight = quantizeInt4({ data: floats(OUT * INPUTS), shape: [OUT, INPUTS] }, GROUP);
const w8: QuantizedInt4 = { ...weight, activations: "int8" };

describe("products of 4-bit integers with inputs in 8 bits", () => {
  before(() => tf.setBackend("cpu"));

  /** The product, and the gradient of the sum of it: compiled, and eagerly. */
  const both = (w: QuantizedInt4) => (x: tf.Tensor) => ({
    y: matMulInt4(x as tf.Tensor2D, w),
    dx: tf.grad((x: tf.Tensor) => tf.sum(matMulInt4(x as tf.Tensor2D, w)))(x),
  });
  const data = floats(ROWS * INPUTS);
  const compiled = async (w: QuantizedInt4) => {
    const program = await trace(
      ({ x }) => both(w)(x!),
      { x: { shape: [ROWS, INPUTS], dtype: "float32" } },
      { device: "cpu" },
    );
    const { y, dx } = await program.run({ x: data });
    await program.dispose();
    return [y!.data, dx!.data] as Float32Array[];
  };
  const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);

  it("round as they do eagerly, where a tie may fall to either side", async () => {
    const [y] = await compiled(w8);
    const eager = tf.tidy(() => both(w8)(tf.tensor(data, [ROWS, INPUTS])).y.dataSync());
    // An input that is rounded the other way moves each output of its row by a 127th of a group's largest, times a weight.
    const others = y!.filter((value, i) => Math.abs(value - eager[i]!) > 1e-4);
    assert.ok(others.length <= 2 * OUT, `${others.length} of ${y!.length} differ`);
    assert.ok(largest(y!, eager) < 2 / 127);
  });

  it("are near those without rounding and not the same, and have their gradient", async () => {
    const [[y8, dx8], [y, dx]] = [await compiled(w8), await compiled(weight)];
    const apart = largest(y8!, y!);
    assert.ok(apart > 1e-3 && apart < (0.5 / 127) * INPUTS, `${apart}`);
    assert.ok(largest(dx8!, dx!) < 1e-5);
  });
});
