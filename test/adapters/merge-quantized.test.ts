import assert from "node:assert/strict";
import { lora, mergeQuantized, qalora } from "../../src/adapters";
import { DISPLAY } from "../../src/display";
import { QuantizedWeight } from "../../src/model/quantized";
import { tinyModel } from "../train/tiny-model";
import { IDS, maxDifference, scramble } from "./support";

describe("a merge into a quantized base", () => {
  for (const settings of [
    {},
    { type: "fp4", blockSize: 32, doubleQuantization: true },
    { type: "int4", groupSize: 16 },
  ] as const) {
    it(`stays in its form and reports what rounding cost: ${JSON.stringify(settings)}`, async () => {
      const student = scramble(
        tinyModel()
          .quantize(settings)
          .attach(lora({ rank: 2, targets: ["q_proj", "up_proj"] })),
      );
      const { model, errors, errorsOfUpdate } = mergeQuantized(student);
      const exact = student.merge().weights;
      assert.deepEqual(
        errors.rows.map(({ path }) => path),
        [0, 1].flatMap((i) => [`model.layers.${i}.self_attn.q_proj`, `model.layers.${i}.mlp.up_proj`]),
      );
      let [difference, size] = [0, 0];
      for (const { path, maximum, relative } of errors.rows) {
        const [got, want] = [model.weights.get(`${path}.weight`)!, exact.get(`${path}.weight`)!.data];
        assert.ok(got instanceof QuantizedWeight);
        const { data } = got;
        const off = Array.from(data, (x, i) => x - want[i]!);
        assert.ok(Math.abs(maximum - Math.max(...off.map(Math.abs))) < 1e-7);
        assert.ok(Math.abs(relative - Math.hypot(...off) / Math.hypot(...Array.from(want))) < 1e-6);
        difference += Math.hypot(...off) ** 2;
        size += Math.hypot(...Array.from(want)) ** 2;
      }
      assert.ok(errors.relative > 0.01 && errors.relative < 0.3);
      assert.ok(Math.abs(errors.relative - Math.sqrt(difference / size)) < 1e-6);
      assert.equal(errors.maximum, Math.max(...errors.rows.map(({ maximum }) => maximum)));
      // Beside what was learned the same errors are large.
      assert.ok(errorsOfUpdate.relative > errors.relative);
      assert.ok(Math.abs(errorsOfUpdate.maximum - errors.maximum) < 1e-5);
      const far = maxDifference((await model.logits(IDS)).data, (await student.logits(IDS)).data);
      assert.ok(far > 1e-3);
      assert.equal(model.unmerge(), student);
      assert.match(errors[DISPLAY]()["text/plain"], /Errors of W \+ ΔW in 4 bits: at most/);
    });
  }

  it("costs QA-LoRA nothing", async () => {
    const student = scramble(
      tinyModel()
        .quantize({ type: "int4", groupSize: 16 })
        .attach(qalora({ rank: 2 })),
    );
    const { model, errors } = mergeQuantized(student);
    assert.deepEqual([errors.maximum, errors.relative], [0, 0]);
    assert.ok(maxDifference((await model.logits(IDS)).data, (await student.logits(IDS)).data) < 1e-4);
  });

  it("is for quantized bases with an adapter", () => {
    assert.throws(
      () => mergeQuantized(tinyModel().attach(lora())),
      /base is not quantized: merge\(\) is exact there/,
    );
    assert.throws(() => mergeQuantized(tinyModel().quantize()), /no adapter is in use/);
  });
});
