import assert from "node:assert/strict";
import { full, houlsby, lora } from "../../src/adapters";
import { DISPLAY } from "../../src/display";
import { measureMemory, plan } from "../../src/measure";
import { tinyModel } from "../train/tiny-model";

const base = tinyModel({ hidden_size: 64, intermediate_size: 128, max_position_embeddings: 256 });
const student = base.attach(lora({ rank: 2 }));

describe("what training takes, measured in a process of its own", function () {
  this.timeout(60_000);

  it("grows with the batch, holds the weights at least, and stands beside the plan with the same settings", async () => {
    const [small, large] = [
      await measureMemory(student, { batch: 1, sequence: 64 }),
      await measureMemory(student, { batch: 32, sequence: 256 }),
    ];
    const { weights, session, peak } = small.resident;
    assert.ok(session >= weights && peak >= session);
    assert.ok(peak >= 4 * base.parameterCount, `${peak} bytes`);
    // 8,192 tokens: the logits alone, float32 and with their gradient, are 16.8 MB.
    assert.ok(large.bytes - small.bytes > 2 * 4 * 257 * (32 * 256 - 64), `${small.bytes} and ${large.bytes}`);
    assert.equal(large.planned!.bytes, plan(student, { batch: 32, sequence: 256 }).bytes);
    assert.ok(large.ratio! > 1, "the plan counts no gaps and no copies");
    const shown = large[DISPLAY]();
    assert.match(
      shown["text/plain"],
      /^Training tiny with lora, adamw, 32 × 256 tokens, took [\d.]+ MB here: [\d.]+× the [\d.]+ MB of the plan/,
    );
    assert.match(shown["text/plain"], /planned +logits +16\.8 MB/);
  });

  it("has no plan beside it for methods that plan does not know", async () => {
    const { planned, ratio, bytes } = await measureMemory(base.attach(houlsby()), { batch: 1, sequence: 8 });
    assert.deepEqual([planned, ratio], [undefined, undefined]);
    assert.ok(bytes > 0);
  });

  it("needs less for SGD, which keeps no moments, and plans none", async () => {
    const student = base.attach(full());
    const of = (optimizer: "adamw" | "sgd") => measureMemory(student, { batch: 1, sequence: 8, optimizer });
    const [adamw, sgd] = [await of("adamw"), await of("sgd")];
    assert.equal(adamw.planned!.bytes - sgd.planned!.bytes, 8 * base.parameterCount);
    const wrong = { optimizer: "adam" as "adamw" };
    await assert.rejects(measureMemory(student, wrong), /optimizer must be one of adamw, sgd, got adam/);
  });

  it("refuses a model with nothing to train, and shapes that do not fit it", async () => {
    await assert.rejects(measureMemory(base), /nothing is trained without an adapter/);
    await assert.rejects(measureMemory(student, { batch: 0 }), /batch must be a whole number from 1, got 0/);
    await assert.rejects(measureMemory(student, { sequence: 257 }), /longer than the context of tiny, 256/);
  });
});
