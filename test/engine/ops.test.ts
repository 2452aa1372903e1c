import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import type { HostArray } from "../../src/engine";
import { definitions } from "./cases/fused";
import { assertClose, Draw, onHost } from "./check";

describe("the engine's own operators, eagerly", () => {
  before(() => tf.setBackend("cpu"));

  for (const { name, inputs, operator, chain } of definitions) {
    it(`${name} has the value and the gradient of the chain that defines it`, () => {
      fc.assert(
        fc.property(fc.gen(), (gen) => {
          const d = new Draw(gen, "cpu");
          const arrays = inputs(d);
          const weights = new Map<string, HostArray>();
          /** The value, and the gradient of its sum weighted by random numbers. */
          const evaluate = (f: typeof operator): HostArray[] =>
            tf.tidy(() => {
              const tensors = arrays.map((x) => tf.tensor(x.data, x.shape, x.dtype));
              const floats = tensors.filter((x) => x.dtype === "float32");
              const value = f(...tensors);
              const key = value.shape.join();
              if (!weights.has(key)) weights.set(key, d.floats(value.shape, -1, 1));
              const weight = tf.tensor(weights.get(key)!.data, value.shape);
              const sum = (...xs: tf.Tensor[]) =>
                tf.sum(tf.mul(f(...xs, ...tensors.slice(xs.length)), weight));
              return [value, ...tf.grads(sum)(floats)].map(onHost) as never;
            });
          const [actual, expected] = [evaluate(operator), evaluate(chain)];
          for (const [i, want] of expected.entries()) {
            assertClose(i === 0 ? name : `gradient ${i} of ${name}`, actual[i]!, want, 1e-4);
          }
        }),
        { numRuns: 20, seed: 20250101, endOnFailure: true },
      );
    });
  }
});
