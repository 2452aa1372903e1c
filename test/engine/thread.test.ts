import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import { ComputeThread, compile, onThread, trace } from "../../src/engine";

const W = tf.keep(tf.randomNormal([8, 8], 0, 1, "float32", 1));
const x = Float32Array.from({ length: 32 }, (_, i) => Math.sin(i));
const body = ({ x }: Record<string, tf.Tensor>) => ({
  y: tf.softmax(tf.matMul(x as tf.Tensor2D, W as tf.Tensor2D)),
});
const specs = { x: { shape: [4, 8], dtype: "float32" as const } };
const build = (thread?: ComputeThread) => onThread(thread, () => trace(body, specs, { threads: 1 }));

describe("programs on a thread of their own", () => {
  const threads: ComputeThread[] = [];
  const start = () => {
    threads.push(new ComputeThread());
    return threads.at(-1)!;
  };
  after(() => Promise.all(threads.map((thread) => thread.end())));

  it("give the numbers of this thread, bit for bit, and leave what they were given as it was", async () => {
    const [here, there] = [await build(), await build(start())];
    const given = x.slice();
    const [expected, actual] = [await here.run({ x }), await there.run({ x: given })];
    assert.deepEqual(actual, expected);
    assert.deepEqual(given, x);
    await Promise.all([here.dispose(), there.dispose()]);
  });

  it("take a part of a larger array", async () => {
    const program = await build(start());
    const larger = Float32Array.from([...x, ...x]);
    assert.deepEqual(await program.run({ x: larger.subarray(0, 32) }), await program.run({ x }));
    await program.dispose();
  });

  it("leave this thread free while they run", async () => {
    const size = 600;
    const power = ({ a }: Record<string, tf.Tensor>) => ({
      y: Array.from({ length: 12 }).reduce<tf.Tensor>(
        (p) => tf.matMul(p as tf.Tensor2D, a as tf.Tensor2D),
        a!,
      ),
    });
    const square = { a: { shape: [size, size], dtype: "float32" as const } };
    const program = await onThread(start(), () => trace(power, square, { threads: 1 }));
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await program.run({ a: new Float32Array(size * size) });
    clearInterval(timer);
    assert.ok(ticks > 3, `only ${ticks} turns of the event loop`);
    await program.dispose();
  });

  it("pass on what ONNX Runtime refuses", async () => {
    const options = { session: { executionProviders: ["no such provider"] } };
    await assert.rejects(
      onThread(start(), () => trace(body, specs, options)),
      /no such provider/,
    );
  });

  it("are not what compile keeps, since that is for every thread", async () => {
    const thread = start();
    const double = compile((x: tf.Tensor1D) => tf.add(x, x));
    const two = tf.tensor1d([2]);
    assert.deepEqual([...(await onThread(thread, () => double(two))).dataSync()], [4]);
    await thread.end();
    assert.deepEqual([...(await double(two)).dataSync()], [4]);
    await double.dispose();
  });

  it("say so when their thread has ended, and can still be disposed of", async () => {
    const thread = start();
    const program = await build(thread);
    await thread.end();
    await assert.rejects(program.run({ x }), /thread .* has ended/);
    await program.dispose();
  });
});
