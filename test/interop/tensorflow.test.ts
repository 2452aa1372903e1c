/**
 * `loralab setup tensorflow` against a real TensorFlow, and the eager backend that comes of it. Needs TENSORFLOW_DIR, or
 * an interpreter in PYTHON (or python3) with the package tensorflow; a C++ compiler; and npm with its registry.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { findTensorFlowLibrary } from "../../bin/tensorflow/find";
import { loralab } from "../bin/command";

const root = path.join(__dirname, "../..");
let home: string;

/** Runs JavaScript with `tf` and the report of `eager()` on the backend that LORALAB_EAGER names. */
function onBackend(backend: string, expression: string): any {
  const program = `
    const tf = require("@tensorflow/tfjs");
    require("./src/engine/eager.ts").eager().then((report) => {
      console.log(JSON.stringify(${expression}));
    });`;
  const args = ["--require", "tsx/cjs", "-e", program];
  const env = { ...process.env, LORALAB_HOME: home, LORALAB_EAGER: backend };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8", env });
  assert.equal(status, 0, stderr);
  // A second copy of tfjs would register its kernels again and say so.
  assert.doesNotMatch(stderr, /already/);
  return JSON.parse(stdout);
}

describe("TensorFlow as eager backend", function () {
  this.timeout(300_000);

  before(function () {
    try {
      findTensorFlowLibrary(undefined, false);
    } catch (error) {
      console.log(`    skipped: ${(error as Error).message}`);
      this.skip();
    }
    home = fs.mkdtempSync(path.join(os.tmpdir(), "loralab-tensorflow-"));
    const { status, stdout, stderr } = loralab(["setup", "tensorflow"], { LORALAB_HOME: home });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /checked {5}TensorFlow \d+\.\d+.* a matrix product and a gradient are right/);
  });
  after(() => {
    if (home !== undefined) fs.rmSync(home, { recursive: true, force: true });
  });

  it("keeps a build that works, and builds again when forced", () => {
    assert.deepEqual(fs.readdirSync(path.join(home, "tensorflow")), ["tfjs-node"]);
    const again = loralab(["setup", "tensorflow"], { LORALAB_HOME: home });
    assert.match(again.stdout, /found .*built against it before/);
    const forced = loralab(["setup", "tensorflow", "--force"], { LORALAB_HOME: home });
    assert.match(forced.stdout, /installed .*tfjs-node\n/);
    assert.deepEqual(fs.readdirSync(path.join(home, "tensorflow")), ["tfjs-node"]);
  });

  it("is chosen before the others, by its own right", () => {
    const [report, current] = onBackend("", "[report, tf.getBackend()]");
    assert.equal(current, "tensorflow");
    assert.match(report.description, /^@tensorflow\/tfjs-node, TensorFlow \d+\.\d+/);
  });

  it("computes a transformer block's gradients as tfjs's own CPU backend does", () => {
    // Attention with a causal mask, RMS normalisation, SwiGLU, an embedding and cross-entropy: what our models use.
    const expression = `(() => {
      const random = (shape, seed) => tf.randomNormal(shape, 0, 0.5, "float32", seed + 1);
      const ids = tf.tensor1d([3, 1, 4, 1, 5, 2], "int32");
      const mask = tf.linalg.bandPart(tf.ones([6, 6]), -1, 0);
      const loss = (embedding, q, k, up, gate, down) => {
        const x = tf.gather(embedding, ids);
        const h = tf.div(x, tf.sqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5)));
        const scores = tf.where(mask.cast("bool"), tf.matMul(tf.matMul(h, q), tf.matMul(h, k), false, true), -1e9);
        const a = tf.add(x, tf.matMul(tf.softmax(scores), h));
        const z = tf.matMul(a, gate);
        const y = tf.add(a, tf.matMul(tf.mul(tf.mul(z, tf.sigmoid(z)), tf.matMul(a, up)), down));
        const logits = tf.logSoftmax(tf.matMul(y, embedding, false, true));
        return tf.neg(tf.mean(tf.sum(tf.mul(tf.oneHot(ids, 8), logits), -1)));
      };
      const shapes = [[8, 4], [4, 4], [4, 4], [4, 6], [4, 6], [6, 4]];
      const { value, grads } = tf.valueAndGrads(loss)(shapes.map(random));
      return [value, ...grads].flatMap((t) => Array.from(t.dataSync()));
    })()`;
    const expected: number[] = onBackend("cpu", expression);
    const got: number[] = onBackend("tensorflow", expression);
    const scale = Math.max(...expected.map(Math.abs));
    assert.equal(got.length, expected.length);
    for (const [i, value] of expected.entries())
      assert.ok(Math.abs(got[i] - value) <= 1e-5 * scale, `value ${i}`);
  });

  it("moves tensors to and from other backends, and runs tfjs's optimizers", () => {
    const [moved, trained] = onBackend(
      "tensorflow",
      `(() => {
        tf.setBackend("cpu");
        const x = tf.tensor1d([1, 2, 3]);
        tf.setBackend("tensorflow");
        const w = tf.variable(tf.tensor1d([1, 1, 1]));
        tf.train.sgd(0.5).minimize(() => tf.sum(tf.square(tf.sub(w, x))));
        return [Array.from(tf.add(x, 1).dataSync()), Array.from(w.dataSync())];
      })()`,
    );
    assert.deepEqual(moved, [2, 3, 4]);
    // One step of size ½ along the gradient 2(w − x) lands on x.
    assert.deepEqual(trained, [1, 2, 3]);
  });
});
