import assert from "node:assert/strict";
import { fromSingular, svd, svdOfProduct } from "../../src/adapters";
import { product } from "../../src/adapters/low-rank";
import { qr } from "../../src/adapters/qr";
import { coordinates, leftBasis, singularValues } from "../../src/adapters/svd";
import { generator, type HostArray } from "../../src/engine";
import { maxDifference } from "./support";

function matrix(rows: number, columns: number, seed = 1): HostArray {
  const random = generator(seed);
  const data = Float32Array.from({ length: rows * columns }, () => 2 * random() - 1);
  return { data, shape: [rows, columns], dtype: "float32" };
}

const dot = (x: Float64Array, y: Float64Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);

/** How far vectors are from orthonormal. */
const disorder = (vectors: Float64Array[]) =>
  Math.max(...vectors.flatMap((x, i) => vectors.map((y, j) => Math.abs(dot(x, y) - (i === j ? 1 : 0)))));

describe("the singular value decomposition", () => {
  for (const [rows, columns] of [
    [1, 1],
    [1, 4],
    [3, 1],
    [12, 7],
    [7, 12],
    [40, 40],
    [30, 90],
  ] as const) {
    it(`of a [${rows}, ${columns}] matrix gives it back, with orthonormal vectors and descending values`, () => {
      const w = matrix(rows, columns);
      const { values, left, right } = svd(w);
      assert.equal(values.length, Math.min(rows, columns));
      assert.ok(values.every((value, i) => value >= 0 && (i === 0 || value <= values[i - 1]!)));
      assert.ok(disorder(left) < 1e-12 && disorder(right) < 1e-12);
      assert.ok(maxDifference(fromSingular({ values, left, right }), w.data) < 1e-6);
    });
  }

  it("of a part gives the largest values of the whole", () => {
    const w = matrix(60, 80);
    const [part, whole] = [svd(w, 5), svd(w)];
    assert.ok(maxDifference(part.values, whole.values.slice(0, 5)) < 1e-10);
    for (const [k, vector] of part.right.entries()) {
      assert.ok(Math.abs(Math.abs(dot(vector, whole.right[k]!)) - 1) < 1e-9);
    }
  });

  it("has the same values without vectors, and coordinates in the basis of its left vectors", () => {
    for (const shape of [
      [9, 7],
      [30, 7],
      [7, 12],
    ] as const) {
      const w = matrix(shape[0], shape[1]);
      const { values, left } = svd(w);
      assert.ok(maxDifference(singularValues(w), values) < 1e-12);
      const x = Float64Array.from({ length: shape[0] }, (_, i) => Math.cos(i));
      assert.ok(
        maxDifference(
          coordinates(leftBasis(w), x).map(Math.abs),
          left.map((u) => Math.abs(dot(u, x))),
        ) < 1e-12,
      );
    }
  });

  it("of a part is that of the whole where the part has zeros, and where values come several times", () => {
    const w = { data: product(matrix(80, 3), matrix(3, 64, 2)), shape: [80, 64] };
    for (const count of [2, 3, 8]) {
      const { values, left, right } = svd(w, count);
      assert.ok(maxDifference(values, svd(w).values.slice(0, count)) < 1e-6);
      assert.ok(disorder(left) < 1e-9 && disorder(right) < 1e-9);
    }
    const twice = new Float32Array(64 * 64);
    for (let i = 0; i < 64; i++) twice[65 * i] = i < 2 ? 5 : 1 + i / 64;
    const few = new Float32Array(64 * 64);
    few.set([5], 0);
    few.set([5], 65);
    few.set([4], 130);
    assert.ok(maxDifference(svd({ data: few, shape: [64, 64] }, 3).values, [5, 5, 4]) < 1e-9);
    assert.ok(maxDifference(svd({ data: twice, shape: [64, 64] }, 3).values, [5, 5, 1 + 63 / 64]) < 1e-9);
  });

  it("finds values that come several times, and zeros", () => {
    const identity = matrix(9, 9);
    identity.data.forEach((_, i) => {
      identity.data[i] = i % 10 === 0 ? 3 : 0;
    });
    assert.ok(maxDifference(svd(identity).values, Array(9).fill(3)) < 1e-12);
    const lowRank = {
      data: product(matrix(20, 3), matrix(3, 15, 2)),
      shape: [20, 15],
      dtype: "float32" as const,
    };
    const { values, left, right } = svd(lowRank);
    assert.ok(values[2]! > 0.1 && values[3]! < 1e-6);
    assert.ok(disorder(left) < 1e-12 && disorder(right) < 1e-12);
    assert.deepEqual(svd({ data: new Float32Array(6), shape: [2, 3] }).values, [0, 0]);
  });

  it("of a product is that of the matrix which it would be", () => {
    const [b, a] = [matrix(30, 4), matrix(4, 25, 2)];
    const formed = { data: product(b, a), shape: [30, 25] };
    const got = svdOfProduct(b, a);
    assert.ok(maxDifference(got.values, svd(formed, 4).values) < 1e-6);
    assert.ok(maxDifference(fromSingular(got), formed.data) < 1e-6);
    assert.ok(disorder(got.left) < 1e-12 && disorder(got.right) < 1e-12);
    const best = svdOfProduct(b, a, 2);
    assert.deepEqual(
      best.values.map((x) => x.toFixed(9)),
      got.values.slice(0, 2).map((x) => x.toFixed(9)),
    );
  });

  it("explains what has none", () => {
    assert.throws(() => svd({ data: [1, 2], shape: [2] }), /expected a matrix \[rows, columns\], got \[2\]/);
    assert.throws(() => svd(matrix(3, 5), 4), /\[3, 5\] matrix has 3 singular values, got a count of 4/);
    assert.throws(() => svd(matrix(3, 5), 0), /got a count of 0/);
    assert.throws(() => svd({ data: [1, Number.NaN], shape: [1, 2] }), /element 1 is NaN/);
  });
});

describe("the QR decomposition", () => {
  it("gives the matrix back from orthonormal columns and a triangle", () => {
    for (const [rows, columns] of [
      [12, 7],
      [7, 12],
      [6, 6],
      [1, 3],
    ] as const) {
      const w = matrix(rows, columns);
      const { q, r } = qr(w);
      assert.ok(disorder(q) < 1e-12);
      assert.ok(r.every((row, i) => row.subarray(0, i).every((x) => x === 0)));
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) {
          const sum = r.reduce((total, row, k) => total + q[k]![i]! * row[j]!, 0);
          assert.ok(Math.abs(sum - w.data[i * columns + j]!) < 1e-12);
        }
      }
    }
  });

  it("of a part is a part of the whole", () => {
    const w = matrix(9, 6);
    const [part, whole] = [qr(w, 2), qr(w)];
    assert.deepEqual(part.q, whole.q.slice(0, 2));
    assert.deepEqual(part.r, whole.r.slice(0, 2));
    assert.throws(() => qr(w, 7), /count from 1 to the smaller side of \[9, 6\], got 7/);
  });
});
