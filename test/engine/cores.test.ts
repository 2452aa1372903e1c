import assert from "node:assert/strict";
import { threadId } from "node:worker_threads";
import { mapOnCores } from "../../src/engine";

/** Takes about 40 ms, and says where it ran. */
export function square(x: number) {
  if (x < 0) throw new RangeError(`${x} is below zero`);
  const end = performance.now() + 40;
  while (performance.now() < end);
  return { square: Float64Array.of(x * x), thread: threadId };
}

/** As `square`, at once. */
export const quickly = (x: number) => x * x;

// The file is loaded by the threads too, for its functions alone.
if (typeof describe === "function") {
  describe("functions on all cores", () => {
    it("give what map gives, in its order, whichever thread did it", () => {
      const inputs = Array.from({ length: 40 }, (_, i) => i);
      const outputs = mapOnCores(square, () => __filename, inputs);
      assert.deepEqual(
        outputs.map((output) => output.square[0]),
        inputs.map((x) => x * x),
      );
      assert.ok(outputs.some(({ thread }) => thread === threadId));
    });

    it("do little work here, and none of nothing", () => {
      assert.deepEqual(
        mapOnCores(quickly, () => "no such file", [1, 2, 3]),
        [1, 4, 9],
      );
      assert.deepEqual(
        mapOnCores(square, () => __filename, []),
        [],
      );
    });

    it("throw what the function throws, on any thread, and work again afterwards", () => {
      const inputs = Array.from({ length: 40 }, (_, i) => (i === 20 ? -1 : i));
      assert.throws(
        () => mapOnCores(square, () => __filename, inputs),
        (error) => error instanceof RangeError && error.message === "-1 is below zero",
      );
      assert.equal(mapOnCores(square, () => __filename, inputs.slice(0, 20)).length, 20);
    });
  });
}
