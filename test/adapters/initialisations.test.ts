import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LoraAdapter, loadAdapter, lora, olora, pissa, saveAdapter, svd } from "../../src/adapters";
import { lowRankDelta } from "../../src/adapters/low-rank";
import { train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";
import { gradientOf, IDS, maxDifference, scramble } from "./support";

const norm = (x: ArrayLike<number>) => Math.hypot(...Array.from(x));
const DATA = [
  { prompt: "one and one?", completion: " two" },
  { prompt: "sky?", completion: " blue" },
];

for (const init of [pissa, olora]) {
  describe(`LoRA that starts as ${init.name === "pissa" ? "PiSSA" : "OLoRA"}`, () => {
    const base = tinyModel();
    const untouched = tinyModel();
    const attach = (settings = {}) => base.attach(lora({ rank: 4, alpha: 10, init, ...settings }));

    it("starts at the base's loss and logits, with A and B that are not zero", async () => {
      const student = attach();
      const { pairs, parameters } = student.adapter as LoraAdapter;
      for (const { a, b } of pairs)
        assert.ok(norm(parameters.get(a).data) > 0 && norm(parameters.get(b).data) > 0);
      assert.ok(maxDifference((await student.logits(IDS)).data, (await base.logits(IDS)).data) < 1e-4);
      const loss = async (model: typeof student) =>
        (await train(model, { data: DATA, steps: 1, batchSize: 2, learningRate: 1e-9 })).losses[0]!;
      assert.ok(Math.abs((await loss(student)) - (await loss(base.attach(lora())))) < 1e-4);
    });

    it("gives both A and B a gradient from the first step on", async () => {
      const student = attach();
      const gradient = await gradientOf(student);
      for (const { a, b } of (student.adapter as LoraAdapter).pairs) {
        assert.ok(norm(gradient.get(a)!.data) > 0 && norm(gradient.get(b)!.data) > 0);
      }
    });

    it("leaves the base as it was, bit for bit", async () => {
      const student = scramble(attach());
      assert.notDeepEqual((await student.logits(IDS)).data, (await untouched.logits(IDS)).data);
      for (const model of [student.detach(), student.use(null)]) {
        assert.deepEqual((await model.logits(IDS)).data, (await untouched.logits(IDS)).data);
      }
      for (const [name, { data }] of untouched.weights) assert.deepEqual(base.weights.get(name)!.data, data);
    });

    it("gives merged what it gives attached, and says what became of the weight", async () => {
      const student = attach();
      const adapter = student.adapter as LoraAdapter;
      const { path } = adapter.pairs[3]!;
      assert.ok(norm(adapter.delta(path).data) < 1e-5);
      scramble(student);
      const merged = student.merge();
      assert.ok(maxDifference((await merged.logits(IDS)).data, (await student.logits(IDS)).data) < 1e-4);
      const before = base.weights.get(`${path}.weight`)!.data;
      const change = (merged.weights.get(`${path}.weight`)!.data as Float32Array).map(
        (w, i) => w - before[i]!,
      );
      assert.ok(maxDifference(adapter.delta(path).data, change) < 1e-6);
    });

    it("is saved as an ordinary LoRA of twice the rank, for the base as it is", async () => {
      const folder = await mkdtemp(join(tmpdir(), "loralab-init-"));
      try {
        for (const settings of [
          { modulesToSave: ["norm"] },
          { rsLoRA: true, rankPattern: { q_proj: 2 }, alphaPattern: { "layers.1.mlp.up_proj": 3 } },
          { targets: ["embed_tokens", "q_proj"] },
        ]) {
          const student = scramble(attach(settings));
          await saveAdapter(student, folder);
          const config = JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));
          assert.deepEqual([config.r, config.init_lora_weights], [8, true]);
          const loaded = await loadAdapter(base, folder);
          assert.equal((loaded.adapter as LoraAdapter).settings.init, undefined);
          const [got, want] = [await loaded.logits(IDS), await student.logits(IDS)];
          assert.ok(maxDifference(got.data, want.data) < 1e-4);
        }
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    it("explains what it cannot start from", () => {
      assert.throws(
        () => base.quantize({ blockSize: 32 }).attach(lora({ init })),
        new RegExp(`${init.name}: model.layers.0.self_attn.q_proj is in 4 bits.*before quantize\\(\\)`),
      );
      assert.throws(() => attach({ alpha: 0 }), /alpha must be above 0/);
      assert.throws(() => attach({ rank: 33 }), /rank 33 is above what .* can have/);
    });
  });
}

describe("PiSSA", () => {
  it("takes the largest singular values out of the weight and leaves the others", () => {
    const base = tinyModel();
    const { pairs, replaced } = base.attach(lora({ rank: 3, init: pissa })).adapter as LoraAdapter;
    for (const { path } of pairs.slice(0, 7)) {
      const before = svd(base.weights.get(`${path}.weight`)!).values;
      const after = svd(replaced!.get(`${path}.weight`)!).values;
      assert.ok(maxDifference(after.slice(0, 5), before.slice(3, 8)) < 1e-5);
      assert.ok(after.slice(-3).every((value) => value < 1e-5));
    }
  });

  it("divides what it takes evenly between A and B, s of it", () => {
    const { pairs, parameters } = tinyModel().attach(lora({ rank: 3, alpha: 6, init: pissa }))
      .adapter as LoraAdapter;
    for (const pair of pairs) {
      assert.ok(Math.abs(norm(parameters.get(pair.a).data) / norm(parameters.get(pair.b).data) - 1) < 1e-5);
      const { values } = svd(tinyModel().weights.get(`${pair.path}.weight`)!, 3);
      assert.ok(Math.abs(norm(lowRankDelta(pair, parameters).data) - norm(values)) < 1e-4);
    }
  });

  it("falls faster than LoRA in the first steps", async () => {
    const last = async (init?: typeof pissa) => {
      const student = tinyModel().attach(lora({ rank: 4, init }));
      return (await train(student, { data: DATA, steps: 12, batchSize: 2, learningRate: 2e-3 })).losses.at(
        -1,
      )!;
    };
    assert.ok((await last(pissa)) < (await last()));
  });
});

describe("OLoRA", () => {
  it("starts with orthonormal columns in B", () => {
    const { pairs, parameters } = tinyModel().attach(lora({ rank: 3, init: olora })).adapter as LoraAdapter;
    for (const { b, out } of pairs) {
      const { data } = parameters.get(b);
      const column = (k: number) => Float64Array.from({ length: out }, (_, i) => data[i * 3 + k]!);
      for (const [j, k] of [
        [0, 0],
        [1, 1],
        [0, 1],
        [1, 2],
      ] as const) {
        const along = column(j).reduce((sum, x, i) => sum + x * column(k)[i]!, 0);
        assert.ok(Math.abs(along - (j === k ? 1 : 0)) < 1e-6);
      }
    }
  });
});
