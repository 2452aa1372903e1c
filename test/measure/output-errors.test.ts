import assert from "node:assert/strict";
import { houlsby, lora, mergeQuantized } from "../../src/adapters";
import { DISPLAY, outputErrorCurves } from "../../src/display";
import type { HostArray } from "../../src/engine";
import { type OutputErrors, outputErrors } from "../../src/measure";
import { LanguageModel } from "../../src/model";
import { naiveLogits } from "../model/naive";
import { tinyModel } from "../train/tiny-model";

const TEXTS = ["a text of two dozen bytes", "and a shorter one"];
const END = 0;
const idsOf = (text: string) => [...[...Buffer.from(text)].map((byte) => 1 + byte), END];

const base = tinyModel();
const student = adapted(base);

function adapted(model: LanguageModel): LanguageModel {
  const student = model.attach(lora({ rank: 2 }));
  const { parameters } = student.adapter!;
  parameters.flat = parameters.flat.map((x, i) => x + 0.1 * Math.sin(i));
  return student;
}

/** Root mean square of the differences over that of `exact`. */
function relative(exact: readonly number[], got: readonly number[]): number {
  const square = (values: readonly number[]) => values.reduce((sum, x) => sum + x * x, 0);
  return Math.sqrt(square(exact.map((x, i) => got[i]! - x)) / square(exact));
}

/** All of it again, in plain numbers, from the weights that stand for the models: of quantized ones, dequantized. */
function directly(exact: LanguageModel, other: LanguageModel) {
  const weightsOf = (model: LanguageModel) =>
    new Map(
      [...(model.adapter ? model.merge() : model).weights].map(
        ([name, { data, shape, dtype }]): [string, HostArray] => [name, { data, shape, dtype }],
      ),
    );
  const [before, after] = [weightsOf(exact), weightsOf(other)];
  const read = (model: LanguageModel, weights: Map<string, HostArray>, ids: number[]) => {
    const states: number[][] = [];
    const logits = naiveLogits(model.config, weights, ids.slice(0, -1), (h) => states.push(h.flat()));
    const probabilities = logits.map((row) => {
      const total = row.reduce((sum, z) => sum + Math.exp(z), 0);
      return row.map((z) => Math.exp(z) / total);
    });
    const centred = logits.flatMap((row) => {
      const mean = row.reduce((sum, z) => sum + z, 0) / row.length;
      return row.map((z) => z - mean);
    });
    return { states, probabilities, centred };
  };
  const pairs = TEXTS.map((text) => {
    const ids = idsOf(text);
    return { ids, p: read(exact, before, ids), q: read(other, after, ids) };
  });
  const layers = pairs[0]!.p.states.map((_, i) =>
    relative(
      pairs.flatMap(({ p }) => p.states[i]!),
      pairs.flatMap(({ q }) => q.states[i]!),
    ),
  );
  const places = pairs.flatMap(({ ids, p, q }) =>
    p.probabilities.map((row, i) => ({ p: row, q: q.probabilities[i]!, target: ids[i + 1]! })),
  );
  const mean = (of: (place: (typeof places)[number]) => number) =>
    places.reduce((sum, place) => sum + of(place), 0) / places.length;
  const best = (row: readonly number[]) => row.indexOf(Math.max(...row));
  return {
    layers,
    logits: relative(
      pairs.flatMap(({ p }) => p.centred),
      pairs.flatMap(({ q }) => q.centred),
    ),
    divergence: mean(({ p, q }) => p.reduce((sum, x, i) => sum + x * Math.log(x / q[i]!), 0)),
    agreement: mean(({ p, q }) => Number(best(p) === best(q))),
    loss: {
      exact: mean(({ p, target }) => -Math.log(p[target]!)),
      other: mean(({ q, target }) => -Math.log(q[target]!)),
    },
    tokens: places.length,
  };
}

/** @param floor of errors, for models that differ in rounding alone */
function assertClose(errors: OutputErrors, expected: ReturnType<typeof directly>, floor = 1e-6): void {
  const close = (got: number, want: number, what: string) =>
    assert.ok(Math.abs(got - want) <= floor + 1e-3 * Math.abs(want), `${what}: ${got}, not ${want}`);
  assert.deepEqual(
    errors.layers.map(({ layer }) => layer),
    ["embedding", "0", "1"],
  );
  for (const [i, { hidden, layer }] of errors.layers.entries()) close(hidden, expected.layers[i]!, layer);
  const { outputs } = errors;
  close(outputs.logits, expected.logits, "logits");
  close(outputs.divergence, expected.divergence, "divergence");
  close(outputs.agreement, expected.agreement, "agreement");
  close(outputs.loss.exact, expected.loss.exact, "loss");
  close(outputs.loss.other, expected.loss.other, "loss of the other");
  assert.equal(errors.tokens, expected.tokens);
}

describe("errors of outputs", function () {
  this.timeout(20_000);
  after(() => Promise.all([base.dispose(), student.dispose()]));

  const forms: Record<string, () => LanguageModel> = {
    NF4: () => base.quantize(),
    "NF4 with double quantization": () => base.quantize({ doubleQuantization: true }),
    "group-wise int4": () => base.quantize({ type: "int4", groupSize: 16 }),
  };
  for (const [name, make] of Object.entries(forms)) {
    it(`are those of the dequantized weights: ${name}`, async () => {
      const quantized = make();
      const errors = await outputErrors(base, quantized, TEXTS);
      const expected = directly(base, quantized);
      assert.ok(expected.layers[2]! > 0.01 && expected.divergence > 1e-5, "nothing would show");
      assertClose(errors, expected);
      // Embeddings stay as they are; the layers' matrices do not.
      const [embedding, ...layers] = errors.layers;
      assert.deepEqual([embedding!.hidden, embedding!.weights], [0, 0]);
      for (const [i, { weights }] of layers.entries()) {
        const own = [...base.weights].filter(
          ([path, { shape }]) => path.includes(`layers.${i}.`) && shape.length === 2,
        );
        const values = (model: LanguageModel) =>
          own.flatMap(([path]) => Array.from(model.weights.get(path)!.data as Float32Array));
        const want = relative(values(base), values(quantized));
        assert.ok(Math.abs(weights! - want) < 1e-9, `layer ${i}: ${weights}, not ${want}`);
      }
      await quantized.dispose();
    });
  }

  it("are rounding alone where an adapter is merged in float32", async () => {
    const merged = student.merge();
    const errors = await outputErrors(student, merged, TEXTS);
    for (const { hidden } of errors.layers) assert.ok(hidden < 1e-5, `${hidden}`);
    assert.ok(errors.outputs.divergence < 1e-9 && errors.outputs.logits < 1e-5);
    assert.equal(errors.outputs.agreement, 1);
    assert.equal(errors.weights!.relative, 0);
    assert.match(errors.figure[DISPLAY]()["text/plain"], /^The same outputs up to float32's rounding/);
    await merged.dispose();
  });

  it("are those of rounding W + ΔW where it is merged into 4 bits", async () => {
    const onCodes = adapted(base.quantize());
    const { model, errors: ofWeights } = mergeQuantized(onCodes);
    const errors = await outputErrors(onCodes, model, TEXTS);
    assertClose(errors, directly(onCodes, model), 1e-5);
    const q = "model.layers.0.self_attn.q_proj";
    const row = (rows: readonly { path: string; relative: number }[]) => rows.find(({ path }) => path === q)!;
    assert.ok(Math.abs(row(errors.weights!.rows).relative - row(ofWeights.rows).relative) < 1e-6);
    await Promise.all([onCodes.dispose(), model.dispose()]);
  });

  it("are told of each layer's weights alone", async () => {
    const quantized = base.quantize();
    const { layers, figure } = await outputErrors(base, quantized, TEXTS, { alone: true });
    assert.equal(layers[0]!.alone, 0);
    for (const i of [0, 1]) {
      const weights = new Map(
        [...base.weights].map(([name, weight]) => [
          name,
          name.includes(`layers.${i}.`) ? quantized.weights.get(name)! : weight,
        ]),
      );
      const mixed = new LanguageModel({ ...base.files, name: "mixed", weights });
      const want = directly(base, mixed).divergence;
      assert.ok(Math.abs(layers[i + 1]!.alone! - want) < 1e-6 + 1e-3 * want, `layer ${i}`);
    }
    assert.deepEqual(
      figure.data.at(-1)!.y,
      layers.map(({ alone }) => alone),
    );
    assert.match(figure[DISPLAY]()["text/plain"], /alone: KL, nats\n/);
    await quantized.dispose();
  });

  it("are compared where a completion is predicted", async () => {
    const prompt = { prompt: "what comes", completion: " next" };
    const errors = await outputErrors(base, student, [prompt]);
    assert.equal(errors.tokens, " next".length + 1);
    const whole = await outputErrors(base, student, ["what comes next"]);
    assert.equal(whole.layers[2]!.hidden, errors.layers[2]!.hidden);
    assert.notEqual(whole.outputs.divergence, errors.outputs.divergence);
  });

  it("have no weights where no weights can stand for an adapter", async () => {
    const bottleneck = base.attach(houlsby({ bottleneck: 4 }));
    const errors = await outputErrors(base, bottleneck, TEXTS);
    assert.equal(errors.weights, undefined);
    assert.ok(errors.layers.every(({ weights }) => weights === undefined));
    await assert.rejects(
      outputErrors(base, bottleneck, TEXTS, { alone: true }),
      /no weights can stand for "houlsby"/,
    );
    await bottleneck.dispose();
  });

  it("are shown by layer, and beside each other, with what they do to the predictions", async () => {
    const nf4 = await outputErrors(base, base.quantize(), TEXTS);
    const same = await outputErrors(base, base, TEXTS);
    const text = nf4[DISPLAY]()["text/plain"];
    assert.match(
      text,
      /^Hidden states are [\d.]+ % off after the last layer: loss [+−][\d.e-]+ nats per token, .* of 42 predictions changed/,
    );
    assert.match(text, /\nlayer 1 +[\d.]+ % +[\d.]+ %\n/);
    assert.deepEqual(nf4.figure.data[0]!.x, ["embedding", "0", "1"]);
    assert.deepEqual([...nf4.table.columns], ["layer", "weights", "hidden"]);
    assert.equal(nf4.table.shape[0], 3);
    const both = outputErrorCurves({ NF4: nf4, "the base": same });
    assert.match(
      both[DISPLAY]()["text/plain"],
      /^Errors by layer: the base \(KL 0 nats\) changes the predictions least, NF4 /,
    );
    assert.match(both[DISPLAY]()["text/html"]!, /<img .*<table>/s);
    assert.equal(both.data.length, 4);
  });

  it("need two forms of one model and something to read", async () => {
    await assert.rejects(
      outputErrors(base, tinyModel({ hidden_size: 16 }), TEXTS),
      /expected two forms of one model, got 2 layers of width 32 and a vocabulary of 257 beside 2 layers of width 16/,
    );
    await assert.rejects(outputErrors(base, base, []), /empty/);
    await assert.rejects(outputErrors(base, base, ["x".repeat(40)]), /the model's context is 32/);
    assert.throws(() => outputErrorCurves({}), /expected errors of outputs, got none/);
  });
});
