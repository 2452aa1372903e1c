import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import { ComputeThread, onThread, type Program, trace } from "../../src/engine";

describe("a program", () => {
  let program: Program;
  before(async () => {
    program = await trace(
      ({ x, n }) => ({ y: tf.mul(x!, tf.cast(n!, "float32")) }),
      { x: { shape: [2, 3], dtype: "float32" }, n: { shape: [], dtype: "int32" } },
      { device: "cpu" },
    );
  });
  after(() => program.dispose());

  const x = Float32Array.of(1, 2, 3, 4, 5, 6);
  const n = Int32Array.of(2);

  it("takes and gives row-major arrays", async () => {
    const { y } = await program.run({ x, n });
    assert.deepEqual(y, { data: Float32Array.of(2, 4, 6, 8, 10, 12), shape: [2, 3], dtype: "float32" });
  });

  it("gives arrays of its own at every run", async () => {
    const [first, second] = [await program.run({ x, n }), await program.run({ x, n: Int32Array.of(3) })];
    assert.deepEqual([first.y!.data[0], second.y!.data[0]], [2, 3]);
  });

  it("names a missing input and what it should be", async () => {
    await assert.rejects(
      program.run({ n }),
      /Input "x" is missing: expected a Float32Array of 6 elements \(shape \[2,3\]\)/,
    );
  });

  it("names an input of wrong length", async () => {
    await assert.rejects(
      program.run({ x: x.slice(1), n }),
      /Input "x": expected .* 6 elements .* got a Float32Array of 5/,
    );
  });

  it("names an input of wrong type", async () => {
    await assert.rejects(
      program.run({ x, n: Float32Array.of(2) }),
      /Input "n": expected a Int32Array .* got a Float32Array of 1/,
    );
  });

  it("does not run once it is disposed, and may be disposed twice", async () => {
    const other = await trace(
      ({ x }) => ({ y: tf.neg(x!) }),
      { x: { shape: [1], dtype: "float32" } },
      { device: "cpu" },
    );
    await other.dispose();
    await other.dispose();
    await assert.rejects(other.run({ x: Float32Array.of(1) }), /was disposed/);
  });

  it("ends the runs that have begun before it is disposed of", async () => {
    const other = await trace(
      ({ x }) => ({ y: tf.neg(x!) }),
      { x: { shape: [1], dtype: "float32" } },
      { device: "cpu" },
    );
    const runs = [1, 2].map((value) => other.run({ x: Float32Array.of(value) }));
    await other.dispose();
    assert.deepEqual(
      (await Promise.all(runs)).map(({ y }) => y!.data[0]),
      [-1, -2],
    );
  });
});

describe("trace", () => {
  it("refuses a function that gives no tensor at once", async () => {
    const nothing = (fn: () => unknown) => trace(fn as never, {}, { device: "cpu" });
    await assert.rejects(
      nothing(async () => ({})),
      /must return at least one tensor, at once: an async function/,
    );
    await assert.rejects(
      nothing(() => ({})),
      /must return at least one tensor/,
    );
  });
});

describe("the state of a program", () => {
  const twice = { shape: [2], dtype: "float32" } as const;
  const counter = (options = {}) =>
    trace(
      ({ sum, x }) => ({ sum: tf.add(sum!, x!), doubled: tf.mul(sum!, 2) }),
      { sum: { ...twice, shape: [2] }, x: { ...twice, shape: [2] } },
      { device: "cpu", state: ["sum"], ...options },
    );

  for (const where of ["this thread", "a thread of its own"]) {
    it(`is given once, goes from run to run and is read where it is asked for, on ${where}`, async () => {
      const thread = where === "this thread" ? undefined : new ComputeThread();
      const program = await onThread(thread, counter);
      const run = (given = {}) => program.run({ x: Float32Array.of(1, 10), ...given });
      await assert.rejects(run(), /Input "sum" is missing/);
      assert.deepEqual(Object.keys(await run({ sum: Float32Array.of(0, 5) })), ["doubled"]);
      assert.deepEqual([...(await run()).doubled!.data], [2, 30]);
      const read = await program.read("sum");
      assert.deepEqual([...read], [2, 25]);
      await run();
      assert.deepEqual([...read], [2, 25], "what was read stays as it was");
      assert.deepEqual([...(await run({ sum: Float32Array.of(7, 7) })).doubled!.data], [14, 14]);
      assert.deepEqual([...(await program.read("sum"))], [8, 17]);
      await program.dispose();
      await thread?.end();
    });
  }

  it("can be read when there is one", async () => {
    const program = await counter();
    await assert.rejects(program.read("sum"), /there from the first run/);
    await assert.rejects(program.read("doubled"), /no state "doubled": this program's are sum/);
    await program.dispose();
  });
});
