import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import { kernels } from "../../src/engine/kernels";
import { cases } from "./cases";
import { checkCase, isComparable } from "./check";

describe("kernels, compiled for the CPU", () => {
  const engine = tf.engine();
  const { runKernel } = engine;
  const exercised = new Set<string>();

  before(() => {
    engine.runKernel = (name, ...rest) => {
      exercised.add(name);
      return runKernel.call(engine, name, ...rest) as never;
    };
  });
  after(() => {
    engine.runKernel = runKernel;
  });

  for (const one of cases.filter(isComparable)) {
    it(`${one.name} computes what tfjs computes`, () => checkCase(one, 12, { device: "cpu" }));
  }

  it("are all exercised by the cases above", function () {
    if (!cases.every(isComparable)) this.skip();
    assert.deepEqual(
      Object.keys(kernels).filter((name) => !exercised.has(name)),
      [],
    );
  });
});
