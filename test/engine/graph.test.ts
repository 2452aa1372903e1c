import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import { eager, trace } from "../../src/engine";
import { record } from "../../src/engine/backend";
import type { DType, Graph, Value } from "../../src/engine/graph";
import { reachable } from "../../src/engine/graph";
import { writeModel } from "../../src/engine/onnx";

type Tensors = Record<string, tf.Tensor>;
const matrix = { shape: [4, 3], dtype: "float32" as DType };

const traced = (fn: (inputs: Tensors) => Tensors): { graph: Graph; outputs: Record<string, Value> } =>
  record(fn, { x: matrix }, "cpu");
/** The operators that a function of one [4, 3] matrix becomes. */
const operators = (fn: (x: tf.Tensor) => tf.Tensor): string[] => {
  const { outputs } = traced(({ x }) => ({ y: fn(x!) }));
  return reachable([outputs.y!]).nodes.map((node) => node.op);
};

describe("the graph that a trace writes", () => {
  it("has an expression once, however often it is written", () => {
    const f = (x: tf.Tensor) => tf.add(tf.exp(tf.mul(x, 2)), tf.sin(tf.exp(tf.mul(x, 2))));
    assert.deepEqual(operators(f), ["Mul", "Exp", "Sin", "Add"]);
  });

  it("leaves out what no output needs", () => {
    const f = (x: tf.Tensor) => {
      tf.matMul(x, x, false, true);
      return tf.neg(x);
    };
    assert.deepEqual(operators(f), ["Neg"]);
  });

  it("leaves out arithmetic with zeros and ones, and steps that cancel", () => {
    const f = (x: tf.Tensor) => {
      const same = tf.add(tf.mul(tf.ones([4, 3]), x), tf.zeros([4, 3]));
      return tf.reshape(tf.transpose(tf.transpose(tf.reshape(same, [3, 4]))), [4, 3]);
    };
    assert.deepEqual(operators(f), []);
  });

  it("spells filled tensors out only where an operator cannot broadcast them", () => {
    assert.deepEqual(
      operators((x) => tf.mul(x, tf.fill([4, 3], 2))),
      ["Mul"],
    );
    assert.deepEqual(
      operators((x) => tf.concat([x, tf.fill([4, 3], 2)])),
      ["Expand", "Concat"],
    );
  });

  it("starts a gradient without a tensor of ones", () => {
    const { outputs } = traced(({ x }) => ({ y: tf.grad((t: tf.Tensor) => tf.sum(tf.square(t)))(x!) }));
    const { nodes, constants } = reachable([outputs.y!]);
    assert.deepEqual(
      nodes.map((node) => node.op),
      ["Mul"],
    );
    assert.ok(constants.every((value) => value.data!.length === 1));
  });

  it("tells zero from minus zero in small constants", async () => {
    const f = () => ({ a: tf.div(1, tf.tensor1d([0, 1])), b: tf.div(1, tf.tensor1d([-0, 1])) });
    const program = await trace(f, {});
    const { a, b } = await program.run({});
    assert.deepEqual([...a!.data, ...b!.data], [Infinity, 1, -Infinity, 1]);
    await program.dispose();
  });
});

describe("constants of a compiled function", () => {
  const weights = Float32Array.from({ length: 12_000 }, (_, i) => Math.sin(i));

  it("are handed over in place when they are large, not copied into the model", () => {
    const { graph, outputs } = traced(({ x }) => ({ y: tf.matMul(x!, tf.tensor(weights, [3, 4000])) }));
    const { model, externalData } = writeModel(graph, outputs);
    assert.ok(model.length < 1000, `the model has ${model.length} bytes`);
    assert.equal(externalData.length, 1);
    assert.equal(externalData[0]!.data.buffer, weights.buffer);
  });

  it("that give sizes may be many: a vector is cut into two hundred pieces", async () => {
    const program = await trace(({ x }) => ({ y: tf.addN(tf.split(x!, 200)) }), {
      x: { shape: [200], dtype: "float32" },
    });
    const { y } = await program.run({ x: Float32Array.from({ length: 200 }, (_, i) => i) });
    assert.equal(y!.data[0], (199 * 200) / 2);
    await program.dispose();
  });

  it("are one initializer when the same array is used twice", () => {
    const { outputs } = traced(({ x }) => ({
      y: tf.add(
        tf.matMul(x!, tf.tensor(weights, [3, 4000])),
        tf.matMul(tf.neg(x!), tf.tensor(weights, [3, 4000])),
      ),
    }));
    assert.equal(reachable([outputs.y!]).constants.length, 1);
  });

  it("can be tensors of the backend that was active, which keep their values", async () => {
    const { backend } = await eager();
    tf.setBackend(backend);
    const [closed, filled] = [tf.tensor1d([1, 2, 3]), tf.ones([3])];
    const program = await trace(({ x }) => ({ y: tf.add(tf.add(x!, closed), filled) }), { x: matrix });
    const { y } = await program.run({ x: new Float32Array(12) });
    assert.deepEqual([...y!.data.slice(0, 3)], [2, 3, 4]);
    assert.deepEqual([...(await tf.add(closed, filled).data())], [2, 3, 4]);
    await program.dispose();
  });
});

describe("outputs of a compiled function", () => {
  it("can be inputs, constants, one value twice, of every dtype", async () => {
    const program = await trace(
      ({ x, n, p }) => {
        const y = tf.neg(x!);
        const twice = { y, again: y, copy: tf.clone(y) };
        return {
          x: x!,
          n: n!,
          p: p!,
          ...twice,
          c: tf.tensor1d([1, 2], "int32"),
          fill: tf.ones([2], "bool"),
          s: tf.scalar(7),
        };
      },
      {
        x: { shape: [2], dtype: "float32" },
        n: { shape: [], dtype: "int32" },
        p: { shape: [2], dtype: "bool" },
      },
    );
    const out = await program.run({ x: Float32Array.of(1, -2), n: Int32Array.of(5), p: Uint8Array.of(1, 0) });
    await program.dispose();
    assert.deepEqual(out, {
      x: { data: Float32Array.of(1, -2), shape: [2], dtype: "float32" },
      n: { data: Int32Array.of(5), shape: [], dtype: "int32" },
      p: { data: Uint8Array.of(1, 0), shape: [2], dtype: "bool" },
      y: { data: Float32Array.of(-1, 2), shape: [2], dtype: "float32" },
      again: { data: Float32Array.of(-1, 2), shape: [2], dtype: "float32" },
      copy: { data: Float32Array.of(-1, 2), shape: [2], dtype: "float32" },
      c: { data: Int32Array.of(1, 2), shape: [2], dtype: "int32" },
      fill: { data: Uint8Array.of(1, 1), shape: [2], dtype: "bool" },
      s: { data: Float32Array.of(7), shape: [], dtype: "float32" },
    });
  });

  it("must be tensors", () => {
    assert.throws(() => traced(() => ({ y: 3 as never })), /must return tensors: its output "y" is number/);
  });
});

describe("errors inside a compiled function", () => {
  const failing = (fn: (x: tf.Tensor) => unknown) => () => traced(({ x }) => ({ y: fn(x!) as tf.Tensor }));

  it("explain that a traced tensor has no value to read", () => {
    const explanation =
      /float32 tensor of shape \[4,3\] was read inside a compiled function.*return the tensor/s;
    for (const read of [
      (x: tf.Tensor) => x.dataSync(),
      (x: tf.Tensor) => x.arraySync(),
      (x: tf.Tensor) => x.print(),
    ]) {
      assert.throws(failing(read), explanation);
    }
  });

  it("name an operator that has no compiled form, and the line that called it", () => {
    assert.throws(
      failing((x) => tf.multinomial(tf.softmax(x) as tf.Tensor2D, 2)),
      /operator Multinomial has no compiled form\. It was called at .*graph\.test\.ts:\d+/,
    );
  });

  it("refuse dtypes that programs do not have", () => {
    assert.throws(
      failing(() => tf.tensor(["a", "b"])),
      /A string tensor cannot be part of a compiled function/,
    );
  });

  it("refuse a trace inside a trace", () => {
    assert.throws(
      failing(() => traced(({ x }) => ({ x: x! }))),
      /inside a function that is being traced/,
    );
  });

  it("reject what is not defined for the shapes", () => {
    assert.throws(
      failing((x) => tf.matMul(x, x)),
      /inner/,
    );
  });
});

describe("tfjs around a trace", () => {
  for (const which of ["cpu", "the eager"]) {
    it(`is left on ${which} backend, after success and after an error`, async () => {
      const name = which === "cpu" ? which : (await eager()).backend;
      assert.ok(await tf.setBackend(name));
      traced(({ x }) => ({ y: tf.neg(x!) }));
      assert.equal(tf.getBackend(), name);
      assert.throws(() => traced(() => assert.fail("on purpose")), /on purpose/);
      assert.equal(tf.getBackend(), name);
      assert.deepEqual([...tf.add(tf.tensor1d([1]), 1).dataSync()], [2]);
    });
  }

  it("keeps no tensors of a trace, after success and after an error", () => {
    const before = tf.memory().numTensors;
    const step = ({ x }: Tensors) => ({ y: tf.grad((t: tf.Tensor) => tf.mean(tf.softmax(t)))(x!) });
    traced(step);
    assert.equal(tf.memory().numTensors, before);
    assert.throws(() => traced((inputs) => ({ y: step(inputs).y.dataSync() as never })));
    assert.equal(tf.memory().numTensors, before);
  });
});
