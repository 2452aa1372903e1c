import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import { type HostArray, trace } from "../../src/engine";
import { Parameters } from "../../src/model/parameters";

const array = (shape: number[], ...data: number[]): HostArray => ({
  data: Float32Array.from(data),
  shape,
  dtype: "float32",
});
const make = () =>
  new Parameters(
    new Map([
      ["matrix", array([2, 3], 1, 2, 3, 4, 5, 6)],
      ["scalar", array([], 7)],
      ["vector", array([2], 8, 9)],
    ]),
  );
const COUNTING = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);

describe("Parameters", () => {
  it("lays the arrays end to end, in the order in which they are given", () => {
    const parameters = make();
    assert.equal(parameters.size, 9);
    assert.deepEqual(parameters.names, ["matrix", "scalar", "vector"]);
    assert.deepEqual(parameters.flat, COUNTING);
    assert.deepEqual(parameters.entries(), [
      ["matrix", array([2, 3], 1, 2, 3, 4, 5, 6)],
      ["scalar", array([], 7)],
      ["vector", array([2], 8, 9)],
    ]);
    assert.deepEqual([parameters.has("vector"), parameters.has("bias")], [true, false]);
  });

  it("copies what it is given", () => {
    const given = array([2], 1, 2);
    const parameters = new Parameters(new Map([["a", given]]));
    parameters.set("a", [3, 4]);
    assert.deepEqual(given.data, Float32Array.of(1, 2));
  });

  it("gives arrays as views of the vector", () => {
    const parameters = make();
    const { data } = parameters.get("vector");
    assert.equal(data.buffer, parameters.flat.buffer);
    parameters.set("vector", [80, 90]);
    assert.deepEqual(data, Float32Array.of(80, 90));
    assert.deepEqual(parameters.flat.subarray(6), Float32Array.of(7, 80, 90));
  });

  it("takes over a vector that replaces all values", () => {
    const parameters = make();
    const [before, values] = [parameters.flat, new Float32Array(9).fill(1)];
    parameters.flat = values;
    assert.equal(parameters.flat, values);
    assert.deepEqual(parameters.get("matrix"), array([2, 3], 1, 1, 1, 1, 1, 1));
    assert.deepEqual(before, COUNTING);
  });

  it("counts the times that values were replaced", () => {
    const parameters = make();
    const versions = [parameters.version];
    parameters.set("scalar", [1]);
    versions.push(parameters.version);
    parameters.flat = new Float32Array(9);
    versions.push(parameters.version);
    assert.ok(versions[0]! < versions[1]! && versions[1]! < versions[2]!, `${versions}`);
  });

  it("refuses values that do not fit and names that it does not have, and stays as it was", () => {
    const parameters = make();
    assert.throws(() => {
      parameters.flat = new Float32Array(8);
    }, /expected 9 parameter values, got 8/);
    assert.throws(
      () => parameters.set("matrix", [1, 2]),
      /matrix: expected 6 values for shape \[2,3\], got 2/,
    );
    assert.throws(() => parameters.set("bias", [1]), /no parameter bias; there are matrix, scalar, vector/);
    assert.throws(() => parameters.get("bias"), /no parameter bias/);
    assert.deepEqual(parameters.flat, COUNTING);
    assert.equal(parameters.version, 0);
  });

  it("cuts a vector into its arrays inside a traced function, with gradients", async () => {
    const parameters = make();
    const program = await trace(
      ({ flat }) => {
        const cut = (flat: tf.Tensor) => parameters.split(flat as tf.Tensor1D);
        const [matrix, scalar, vector] = cut(flat!);
        // Σ matrix² + 10·scalar + Σ vector³ has the gradient 2·matrix, 10, 3·vector².
        const value = (flat: tf.Tensor) => {
          const [matrix, scalar, vector] = cut(flat);
          const [a, b] = [tf.sum(tf.square(matrix!)), tf.mul(10, scalar!)];
          return tf.add(tf.add(a, b), tf.sum(tf.pow(vector!, 3))) as tf.Scalar;
        };
        return { matrix: matrix!, scalar: scalar!, vector: vector!, gradient: tf.grad(value)(flat!) };
      },
      { flat: { shape: [9], dtype: "float32" } },
      { device: "cpu" },
    );
    const { gradient, ...pieces } = await program.run({ flat: COUNTING });
    await program.dispose();
    assert.deepEqual(Object.entries(pieces), parameters.entries());
    const expected = [2, 4, 6, 8, 10, 12, 10, 192, 243];
    for (const [i, want] of expected.entries()) assert.ok(Math.abs(gradient!.data[i]! - want) < 1e-3);
  });
});
