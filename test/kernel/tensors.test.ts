import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import { mimeBundle } from "../../kernel/child/values";

describe("kernel: tensors", () => {
  before(() => tf.setBackend("cpu"));
  const bundle = (tensor: tf.Tensor) => mimeBundle(tensor) as { "text/plain": string; "text/html"?: string };
  const html = (tensor: tf.Tensor) => bundle(tensor)["text/html"]!;
  const source = (tensor: tf.Tensor) =>
    Buffer.from(/data:image\/svg\+xml;base64,([^"]+)/.exec(html(tensor))![1]!, "base64").toString();
  /** Colours of the map's fields, row by row. */
  const fields = (tensor: tf.Tensor): string[][] => {
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(source(tensor))!.map(Number);
    const map = Array.from({ length: height! }, () => new Array<string>(width!));
    for (const [, stroke, d] of source(tensor).matchAll(/<path stroke="(#\w+)" d="([^"]*)"/g))
      for (const [, x, y, length] of d!.matchAll(/M(\d+) (\d+)\.5h(\d+)/g))
        map[Number(y)]!.fill(stroke!, Number(x), Number(x) + Number(length));
    return map;
  };

  it("are told with type and shape, and values as tfjs writes them", () => {
    assert.equal(
      bundle(tf.tensor2d([[1], [2]], [2, 1], "int32"))["text/plain"],
      "Tensor int32 [2, 1]\n    [[1],\n     [2]]",
    );
    assert.match(bundle(tf.tensor(["a", "b"]))["text/plain"], /^Tensor string \[2\]\n.*\['a', 'b'\]/);
    assert.equal(bundle(tf.scalar(3))["text/plain"], "Tensor float32 []\n    3");
  });

  it("of one value, or of none that has a colour, have no heat map", () => {
    for (const tensor of [tf.scalar(1), tf.tensor([1]), tf.tensor([]), tf.tensor(["a", "b"])])
      assert.equal(bundle(tensor)["text/html"], undefined);
  });

  it("are white at zero, and as strong as their value is large, in one colour for each sign", () => {
    assert.deepEqual(fields(tf.tensor2d([[-2, 0, 2]])), [["#2166ac", "#ffffff", "#b2182b"]]);
    assert.deepEqual(
      fields(
        tf.tensor2d([
          [0, 4],
          [4, 0],
        ]),
      ),
      [
        ["#ffffff", "#b2182b"],
        ["#b2182b", "#ffffff"],
      ],
    );
    assert.deepEqual(fields(tf.tensor2d([[3, 5]])), [["#ffffff", "#b2182b"]]);
    assert.deepEqual(fields(tf.tensor2d([[-3, -5]])), [["#ffffff", "#2166ac"]]);
    assert.deepEqual(fields(tf.tensor2d([[1, 1]])), [["#ffffff", "#ffffff"]]);
  });

  it("show means of blocks when they are large, in a few kilobytes", () => {
    const large = tf.tidy(() => tf.range(0, 64).reshape([64, 1]).tile([1, 1000]));
    const map = fields(large as tf.Tensor);
    assert.deepEqual([map.length, map[0]!.length], [32, 32]);
    for (const row of map) assert.equal(new Set(row).size, 1);
    assert.equal(map[0]![0], "#ffffff");
    const random = tf.randomNormal([300, 300], 0, 1, "float32", 1);
    assert.ok(html(random).length < 20_000);
    assert.match(html(random), /Tensor float32 \[300, 300\] · min -\d.* · mean .* · max \d/);
  });

  it("of more than two axes show the first matrix, and say so", () => {
    const tensor = tf.tensor3d([[[0, 1]], [[8, 9]]]);
    assert.equal(fields(tensor).length, 1);
    assert.match(html(tensor), /shown: \[0, :, :\]/);
    assert.match(html(tensor), /max 9/);
  });

  it("are pictures with words, which pages keep that take an inline <svg> out", () => {
    const [, width, alt] = /^<div><img src="[^"]+" width="(\d+)" alt="([^"]+)">/.exec(
      html(tf.tensor2d([[1, 3]])),
    )!;
    assert.equal(width, "32");
    assert.equal(alt, "Heat map of Tensor float32 [1, 2] · min 1 · mean 2 · max 3");
  });

  it("of truth values are 0 and 1", () => {
    assert.match(html(tf.tensor1d([true, false, true, true], "bool")), /min 0 · mean 0\.75 · max 1/);
  });

  it("count what is not finite and grey it, apart from the rest", () => {
    const tensor = tf.tensor2d([[Number.NaN, Number.POSITIVE_INFINITY, 0, 1]]);
    assert.match(html(tensor), /min 0 · mean 0\.5 · max 1 · 2 not finite/);
    assert.deepEqual(fields(tensor), [["#888", "#888", "#ffffff", "#b2182b"]]);
    assert.match(html(tf.tensor1d([Number.NaN, Number.NaN])), /Tensor float32 \[2\] · 2 not finite/);
  });

  it("that are disposed are told so", () => {
    const tensor = tf.tensor1d([1, 2]);
    tensor.dispose();
    assert.deepEqual(bundle(tensor), { "text/plain": "Tensor float32 [2] (disposed)" });
  });
});
