import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import { type Compiled, compile } from "../../src/engine";

const close = (actual: tf.Tensor, expected: tf.Tensor, tolerance = 1e-5) => {
  assert.deepEqual(actual.shape, expected.shape);
  assert.equal(actual.dtype, expected.dtype);
  const [a, b] = [actual.dataSync(), expected.dataSync()];
  a.forEach((x, i) => {
    assert.ok(Math.abs(x - b[i]!) <= tolerance, `element ${i}: ${x}, expected ${b[i]}`);
  });
};
const numbers = (x: tf.Tensor) => [...x.dataSync()];
/** Fixed values between −1 and 1. */
const waves = (rows: number, columns: number): tf.Tensor2D =>
  tf.sin(tf.reshape(tf.range(0, rows * columns), [rows, columns]));

describe("compile", () => {
  const made: Compiled<never, never>[] = [];
  /** compile, disposed of after the tests. */
  const compiled: typeof compile = (fn, options = {}) => {
    const f = compile(fn, { device: "cpu", ...options });
    made.push(f as never);
    return f;
  };
  const rejections: unknown[] = [];
  const note = (reason: unknown) => rejections.push(reason);

  before(async () => {
    await tf.setBackend("cpu");
    process.on("unhandledRejection", note);
  });
  after(async () => {
    for (const f of made) await f.dispose();
    process.off("unhandledRejection", note);
  });
  afterEach(async () => {
    await new Promise(setImmediate); // unhandled rejections are reported after the promise jobs
    assert.deepEqual(rejections.splice(0), []);
  });

  it("computes what the function computes eagerly", async () => {
    const w = waves(4, 3);
    const f = (x: tf.Tensor2D) => tf.softmax(tf.relu(tf.matMul(x, w)));
    close(await compiled(f)(waves(2, 4)), f(waves(2, 4)));
  });

  it("gives back a tensor, an array or a record, as the function does", async () => {
    const x = tf.tensor1d([1, 2]);
    const array = await compiled((x: tf.Tensor) => [tf.neg(x), x])(x);
    assert.ok(Array.isArray(array));
    assert.deepEqual(array.map(numbers), [
      [-1, -2],
      [1, 2],
    ]);
    const record = await compiled((x: tf.Tensor) => ({ sum: tf.sum(x), twice: tf.mul(x, 2) }))(x);
    assert.deepEqual(Object.keys(record), ["sum", "twice"]);
    assert.deepEqual([record.sum.shape, numbers(record.sum), numbers(record.twice)], [[], [3], [2, 4]]);
  });

  it("keeps the order of many results", async () => {
    const f = compiled((x: tf.Tensor) => Array.from({ length: 12 }, (_, i) => tf.add(x, i)));
    assert.deepEqual((await f(tf.scalar(0))).flatMap(numbers), [...Array(12).keys()]);
  });

  it("takes arguments in their order, used or not, and none", async () => {
    const f = compiled((x: tf.Tensor, _unused: tf.Tensor, y: tf.Tensor) => tf.sub(x, y));
    assert.deepEqual(numbers(await f(tf.scalar(5), tf.scalar(9), tf.scalar(3))), [2]);
    const x = tf.scalar(5);
    assert.deepEqual(numbers(await f(x, x, x)), [0]);
    assert.deepEqual(numbers(await compiled(() => tf.scalar(7))()), [7]);
  });

  it("builds one program for each combination of shapes and dtypes, and reuses it", async () => {
    let traces = 0;
    const f = compiled((x: tf.Tensor) => {
      traces++;
      return tf.add(x, x);
    });
    const inputs = [tf.ones([2]), tf.zeros([2]), tf.ones([1, 2]), tf.ones([2], "int32"), tf.ones([2])];
    for (const x of inputs) close(await f(x), tf.add(x, x));
    assert.equal(traces, 3);
    assert.equal(f.programs, 3);
  });

  it("takes and gives int32 and bool", async () => {
    const f = (n: tf.Tensor, p: tf.Tensor) => ({
      n: tf.where(p, tf.mul(n, n), n),
      p: tf.logicalAnd(p, tf.greater(n, tf.scalar(2, "int32"))),
    });
    const inputs = [tf.tensor1d([2, 3, -4], "int32"), tf.tensor1d([true, true, false], "bool")] as const;
    const [actual, expected] = [await compiled(f)(...inputs), f(...inputs)];
    close(actual.n, expected.n);
    close(actual.p, expected.p);
    assert.deepEqual(
      [numbers(actual.n), numbers(actual.p)],
      [
        [4, 9, -4],
        [0, 1, 0],
      ],
    );
  });

  it("takes tensors without elements and without axes", async () => {
    const f = compiled((x: tf.Tensor) => tf.add(x, 1));
    assert.deepEqual((await f(tf.zeros([0, 3]))).shape, [0, 3]);
    assert.deepEqual((await f(tf.scalar(1))).shape, []);
  });

  it("takes gradients inside", async () => {
    const loss = (w: tf.Tensor, x: tf.Tensor) =>
      tf.mean(tf.square(tf.tanh(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D)))) as tf.Scalar;
    const step = (w: tf.Tensor, x: tf.Tensor) => {
      const { value, grads } = tf.valueAndGrads((w: tf.Tensor) => loss(w, x))([w]);
      return { value, next: tf.sub(w, tf.mul(grads[0]!, 0.1)) };
    };
    const [w, x] = [waves(3, 2), waves(5, 3)];
    const [actual, expected] = [await compiled(step)(w, x), step(w, x)];
    close(actual.value, expected.value);
    close(actual.next, expected.next);
    // d/dx Σx³ = 3x²
    const cube = compiled((x: tf.Tensor) => tf.grad((t) => tf.sum(tf.pow(t, 3)))(x));
    close(await cube(tf.tensor1d([1, -2, 3])), tf.tensor1d([3, 12, 27]));
  });

  it("freezes the tensors that the function closes over as they were", async () => {
    const variable = tf.variable(tf.tensor1d([1, 2]));
    const constant = waves(1, 2);
    const f = compiled((x: tf.Tensor) => tf.mul(tf.add(x, variable), constant));
    const expected = tf.mul(variable, constant);
    close(await f(tf.zeros([2])), expected);
    variable.assign(tf.tensor1d([100, 100]));
    constant.dispose();
    close(await f(tf.zeros([2])), expected);
  });

  it("shares a closed-over tensor between programs, and leaves it usable", async () => {
    const [a, b] = [waves(10, 10), waves(10, 10).neg() as tf.Tensor2D];
    // The second program uses the same tensors in another order: what they are called in the first must not matter.
    const f = (x: tf.Tensor2D) => tf.add(tf.matMul(tf.exp(x), b), tf.matMul(x, a));
    const g = (x: tf.Tensor2D) => tf.matMul(tf.matMul(x, a), b);
    const [first, second] = [compiled(f), compiled(g)];
    const inputs = [waves(1, 10), waves(2, 10), waves(3, 10)];
    const results: tf.Tensor[] = [];
    for (const x of inputs) results.push(await first(x), await second(x));
    for (const [i, x] of inputs.entries()) {
      close(results[2 * i]!, f(x));
      close(results[2 * i + 1]!, g(x));
    }
  });

  it("answers concurrent calls, each with its own result, from one program", async () => {
    let traces = 0;
    const f = compiled((x: tf.Tensor) => {
      traces++;
      return tf.mul(x, 10);
    });
    const calls = Array.from({ length: 8 }, (_, i) => f(tf.fill([i % 2 ? 2 : 3], i)));
    const results = await Promise.all(calls);
    assert.deepEqual(
      results.map((y) => [...new Set(numbers(y))]),
      Array.from({ length: 8 }, (_, i) => [10 * i]),
    );
    assert.equal(traces, 2);
  });

  it("has read its arguments when it returns: they may be disposed of at once", async () => {
    const f = compiled((x: tf.Tensor) => tf.mul(x, 2));
    const x = tf.tensor1d([1, 2]);
    const result = f(x);
    x.dispose();
    assert.deepEqual(numbers(await result), [2, 4]);
  });

  it("gives tensors of its own, and keeps no others", async () => {
    const f = compiled((x: tf.Tensor) => ({ same: x, next: tf.add(x, 1) }));
    const x = tf.tensor1d([1, 2]);
    const count = tf.memory().numTensors;
    const { same, next } = await f(x);
    assert.equal(tf.memory().numTensors, count + 2);
    x.dispose();
    assert.deepEqual(
      [numbers(same), numbers(next)],
      [
        [1, 2],
        [2, 3],
      ],
    );
  });

  it("frees its programs when disposed of, and builds them again when called after that", async () => {
    const f = compiled((x: tf.Tensor) => tf.neg(x));
    await f(tf.scalar(1));
    await f(tf.ones([2]));
    await f.dispose();
    await f.dispose();
    assert.equal(f.programs, 0);
    assert.deepEqual(numbers(await f(tf.scalar(3))), [-3]);
    assert.equal(f.programs, 1);
  });

  describe("rejects", () => {
    it("arguments that are not tensors, or not of a dtype that programs have", async () => {
      const f = compiled((x: tf.Tensor, y: tf.Tensor) => tf.add(x, y));
      await assert.rejects(f(tf.scalar(1), 3 as never), /argument 1 must be a tensor, got number/);
      await assert.rejects(f([1] as never, tf.scalar(1)), /argument 0 must be a tensor, got object/);
      await assert.rejects(
        f(tf.scalar("a"), tf.scalar(1)),
        /argument 0 must be float32, int32 or bool, got string/,
      );
      assert.equal(f.programs, 0);
    });

    it("results that are not tensors", async () => {
      const results = { number: 3, nothing: undefined, none: [], promise: Promise.resolve(tf.scalar(1)) };
      for (const [name, result] of Object.entries(results)) {
        const f = compiled(() => result as never);
        await assert.rejects(f(), /must return at least one tensor/, name);
      }
      await assert.rejects(compiled(() => [tf.scalar(1), 2] as never)(), /its output "1" is number/);
      await assert.rejects(compiled(() => ({ loss: "low" }) as never)(), /its output "loss" is string/);
    });

    it("an operator without a compiled form, with the line that calls it", async () => {
      const f = compiled((x: tf.Tensor2D) => tf.multinomial(x, 2));
      await assert.rejects(
        f(waves(2, 2)),
        /operator Multinomial has no compiled form\. It was called at .*compile\.test\.ts:\d+:\d+/,
      );
    });

    it("reads of values inside", async () => {
      const reads: ((x: tf.Tensor) => unknown)[] = [
        (x) => x.dataSync(),
        (x) => x.print(),
        (x) => (tf.sum(x).arraySync() as number) > 0,
      ];
      for (const read of reads) {
        const f = compiled((x: tf.Tensor) => {
          read(x);
          return x;
        });
        await assert.rejects(f(tf.ones([2])), /was read inside a compiled function/);
      }
    });

    it("what the function throws, for every caller, and then tries again", async () => {
      let broken = true;
      const f = compiled((x: tf.Tensor) => {
        if (broken) throw new RangeError("on purpose");
        return tf.neg(x);
      });
      const results = await Promise.allSettled([f(tf.scalar(1)), f(tf.scalar(2))]);
      for (const result of results) {
        assert.equal(result.status, "rejected");
        assert.ok(result.reason instanceof RangeError);
      }
      assert.equal(f.programs, 0);
      broken = false;
      assert.deepEqual(numbers(await f(tf.scalar(1))), [-1]);
    });

    it("calls with a tensor that was disposed of", async () => {
      const x = tf.scalar(1);
      x.dispose();
      await assert.rejects(compiled((x: tf.Tensor) => tf.neg(x))(x), /disposed/);
    });

    it("closes over a tensor that was disposed of", async () => {
      const w = tf.scalar(1);
      w.dispose();
      const f = compiled((x: tf.Tensor) => tf.mul(x, w));
      await assert.rejects(
        f(tf.scalar(1)),
        /A tensor that was disposed of is used inside a compiled function/,
      );
    });

    it("nothing when it is disposed of while a program fails to be built", async () => {
      const f = compiled((x: tf.Tensor) => x.dataSync() as never);
      const failing = f(tf.scalar(1));
      await Promise.all([f.dispose(), assert.rejects(failing, /was read inside/)]);
    });
  });
});
