import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outputErrors } from "../../src/measure";
import { LanguageModel, loadModel, saveModel } from "../../src/model";
import { reference } from "./python";

const TEXT =
  "Once upon a time there was a king who had three daughters, and the youngest was the fairest of all.";

describe("errors of outputs beside transformers", function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), "loralab-interop-"));
  after(() => rmSync(folder, { recursive: true }));

  for (const [name, settings] of Object.entries({
    NF4: { doubleQuantization: true },
    int4: { type: "int4" as const, groupSize: 16 },
  })) {
    it(`from the codes equal those of the dequantized weights in torch: ${name}`, async () => {
      const base = await loadModel("nano");
      const quantized = base.quantize(settings);
      const errors = await outputErrors(base, quantized, [TEXT]);
      const weights = new Map(
        [...quantized.weights].map(([path, { data, shape, dtype }]) => [path, { data, shape, dtype }]),
      );
      const [exact, other] = [join(folder, "exact"), join(folder, name)];
      await saveModel(base, exact);
      await saveModel(new LanguageModel({ ...base.files, name, weights }), other);
      const ids = [...base.tokenizer.encode(TEXT), base.tokenizer.eosIds[0]];
      const out = reference("output_errors_reference.py", exact, other, JSON.stringify(ids));
      const expected = JSON.parse(readFileSync(join(out, "errors.json"), "utf8"));
      rmSync(out, { recursive: true });

      const close = (got: number, want: number, what: string) =>
        assert.ok(Math.abs(got - want) <= 1e-6 + 1e-4 * Math.abs(want), `${what}: ${got}, torch has ${want}`);
      assert.equal(errors.layers.length, expected.hidden.length);
      for (const [i, { layer, hidden }] of errors.layers.entries()) close(hidden, expected.hidden[i], layer);
      assert.ok(expected.hidden.at(-1) > 0.01, "nothing would show");
      close(errors.outputs.divergence, expected.divergence, "KL");
      close(errors.outputs.loss.exact, expected.exact, "loss");
      close(errors.outputs.loss.other, expected.other, "loss of the quantized");
    });
  }
});
