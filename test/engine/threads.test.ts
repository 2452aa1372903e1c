import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { mostThreads } from "../../src/engine";

/** Threads of the process before and after it has built a program. */
function startedBy(LORALAB_THREADS: string): number {
  const engine = JSON.stringify(path.join(__dirname, "../../src/engine"));
  const script = `
    const { trace } = require(${engine});
    const tf = require("@tensorflow/tfjs");
    const threads = () => require("node:fs").readdirSync("/proc/self/task").length;
    (async () => {
      const before = threads();
      await trace(({ x }) => ({ y: tf.exp(x) }), { x: { shape: [8], dtype: "float32" } });
      console.log(threads() - before);
    })();`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--require", require.resolve("tsx/cjs"), "-e", script],
    {
      encoding: "utf8",
      cwd: path.join(__dirname, "../.."),
      env: { ...process.env, LORALAB_THREADS },
    },
  );
  assert.match(stdout, /^-?\d+\n$/, stderr);
  return Number(stdout);
}

describe("LORALAB_THREADS", () => {
  it("is a number of threads, or nothing", () => {
    assert.deepEqual([mostThreads(""), mostThreads("3")], [undefined, 3]);
    for (const text of ["0", "-1", "1.5", "all"])
      assert.throws(() => mostThreads(text), /LORALAB_THREADS should be a number of threads, 1 or more, got/);
  });

  it("is how many threads a program has: the caller's, and others for the rest", function () {
    if (process.platform !== "linux") this.skip();
    const [one, four] = [startedBy("1"), startedBy("4")];
    assert.equal(four - one, 3);
  });
});
