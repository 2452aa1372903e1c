import assert from "node:assert/strict";
import { adalora, full, lora, vera } from "../../src/adapters";
import { DISPLAY } from "../../src/display/bundle";
import { describeAdapter, parameterTable } from "../../src/display/parameter-table";
import type { HostArray } from "../../src/engine";
import { countOf, parameterGroups, weightMemory } from "../../src/measure/parameters";
import { Parameters } from "../../src/model/parameters";
import { bound, LLAMA_2_7B, shapesOf, tinyModel } from "./models";

const zeros = (...shape: number[]): HostArray => ({
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
  shape,
  dtype: "float32",
});

describe("where a model's parameters are", () => {
  it("sums to the published total of Llama-2-7B, from its configuration alone", () => {
    const shapes = shapesOf(LLAMA_2_7B);
    const groups = parameterGroups(shapes);
    assert.equal(countOf(shapes), 6_738_415_616);
    assert.deepEqual(
      groups.map(({ name, count }) => [name, count]),
      [
        ["embedding", 32000 * 4096],
        ["attention", 32 * 4 * 4096 * 4096],
        ["MLP", 32 * 3 * 4096 * 11008],
        ["norms", 65 * 4096],
        ["head", 32000 * 4096],
      ],
    );
    assert.equal(groups[1].made, "32 layers × (q, k, v, o 4,096×4,096)");
  });

  it("gives a tied head no parameters of its own, and counts biases with their layer", () => {
    const { weights, config } = tinyModel({ model_type: "qwen2" });
    assert.ok(config.qkvBias);
    const groups = new Map(parameterGroups(weights).map((group) => [group.name, group]));
    assert.equal(groups.get("head")!.count, 0);
    assert.match(groups.get("head")!.made, /tied/);
    // q and o 16×16, k and v 8×16, biases 16 + 8 + 8.
    assert.equal(groups.get("attention")!.count, 2 * (2 * 256 + 2 * 128 + 32));
  });

  it("weighs linear layers at 4.5 bits in NF4, at 4 + 8/64 + 32/16384 with double quantization, the rest at 16", () => {
    const linear = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008);
    const rest = 6_738_415_616 - linear;
    const weighed = Object.fromEntries(
      weightMemory(shapesOf(LLAMA_2_7B)).map((row) => [row.format, row.bytes]),
    );
    assert.equal(weighed.float32, 6_738_415_616 * 4);
    assert.equal(weighed.float16, 6_738_415_616 * 2);
    assert.equal(weighed.NF4, (linear * 4.5) / 8 + rest * 2);
    assert.equal(
      weighed["NF4, double quantization"],
      linear / 2 + linear / 64 + (linear * 4) / 16384 + rest * 2,
    );
  });
});

describe("the parameter table", () => {
  const attention = parameterTable(
    bound(LLAMA_2_7B, lora({ rank: 8, alpha: 16, targets: ["q_proj", "v_proj"] })),
  );

  it("has Hu et al.'s arithmetic: rank 8 on 4096 × 4096 trains 65,536 in place of 16,777,216, 256 times fewer", () => {
    const row = attention.rows.find(({ module }) => module === "q_proj")!;
    assert.deepEqual(row.shape, [4096, 4096]);
    assert.equal(row.weights, 16_777_216);
    assert.equal(row.trainable, 65_536);
    assert.equal(row.reduction, 256);
    assert.equal(row.arithmetic, "4,096·8 + 8·4,096");
    assert.equal(row.paths.length, 32);
  });

  it("totals what PEFT prints for Llama-2-7B with rank 8 on q and v", () => {
    assert.equal(attention.trainable, 4_194_304);
    assert.equal(attention.frozen, 6_738_415_616);
    assert.equal(attention.total, 6_742_609_920);
    assert.equal((100 * attention.fraction).toFixed(4), "0.0622");
    assert.deepEqual(attention.adapterBytes, { float32: 16_777_216, float16: 8_388_608 });
  });

  it("totals 2,498,560 per rank on all linear layers", () => {
    assert.equal(parameterTable(bound(LLAMA_2_7B, lora({ rank: 2 }))).trainable, 2 * 2_498_560);
  });

  it("writes B's size d·r before A's r·k where a matrix is not square", () => {
    const { rows } = parameterTable(tinyModel().attach(lora({ rank: 2, targets: ["down_proj"] })));
    const row = rows.find(({ module }) => module === "down_proj")!;
    assert.deepEqual([row.shape, row.arithmetic, row.trainable], [[16, 24], "16·2 + 2·24", 80]);
  });

  it("tells trained layers from untrained ones of the same kind", () => {
    const { rows } = parameterTable(tinyModel().attach(lora({ rank: 2, targets: /.*layers\.1\..*q_proj/ })));
    const kinds = rows
      .filter(({ module }) => module === "q_proj")
      .map(({ paths, trainable }) => [paths, trainable]);
    assert.deepEqual(kinds, [
      [["model.layers.0.self_attn.q_proj"], 0],
      [["model.layers.1.self_attn.q_proj"], 64],
    ]);
  });

  it("spells out the scaling, for rsLoRA with its root", () => {
    assert.match(attention.text, /s = α\/r = 16\/8 = 2\./);
    const root = parameterTable(tinyModel().attach(lora({ rank: 4, alpha: 8, rsLoRA: true })));
    assert.match(root.text, /s = α\/√r = 8\/√4 = 4\./);
  });

  it("counts the frozen arrays that are saved with an adapter, VeRA's projections, as saved but not as trained", () => {
    const table = parameterTable(tinyModel().attach(vera({ rank: 4, targets: ["down_proj"] })));
    // Two layers of 24 → 16: b and d of each; A [4, 24] and B [16, 4] once.
    assert.equal(table.trainable, 2 * (16 + 4));
    assert.equal(table.adapterBytes.float32, 4 * (2 * (16 + 4) + 4 * 24 + 16 * 4));
    assert.match(table.text, /\(\(40 \+ 160 frozen\) × 4 or 2 bytes\)/);
  });

  it("names an adapter's settings, of long patterns the beginning", () => {
    const paths = [0, 1].flatMap((i) =>
      ["q", "k", "v", "o"].map((x) => `model.layers.${i}.self_attn.${x}_proj`),
    );
    const rankPattern = Object.fromEntries(paths.map((path) => [path, [true, false, true]]));
    const settings = { totalSteps: 9, initRank: 3, targetRank: 2, targets: "attention" as const };
    const { adapter } = tinyModel().attach(adalora({ ...settings, rankPattern }));
    assert.match(describeAdapter(adapter!), /rankPattern model\.layers\.0\.self_attn\.q_proj: 2 of 3, /);
    assert.doesNotMatch(describeAdapter(adapter!), / more/);
    const { adapter: long } = tinyModel().attach(lora({ targets: [...paths, "up_proj"] }));
    assert.match(describeAdapter(long!), /1\.self_attn\.o_proj and 1 more\)/);
  });

  it("says of full fine-tuning that everything is trained", () => {
    const model = tinyModel();
    const table = parameterTable(model.attach(full()));
    assert.equal(table.trainable, model.parameterCount);
    assert.equal(table.total, model.parameterCount);
    assert.equal(table.frozen, 0);
    assert.match(table.text, /Everything is trained/);
    assert.ok(table.rows.every(({ reduction, trainable, weights }) => !reduction && trainable === weights));
  });

  it("says of a base that nothing is trainable", () => {
    const table = parameterTable(tinyModel());
    assert.equal(table.trainable, 0);
    assert.match(table.text, /Nothing is trainable/);
  });

  it("serves any method: arrays of a module by their names, and arrays that belong to none", () => {
    const q = "model.layers.0.self_attn.q_proj";
    const arrays = new Map([
      [`${q}.lora_A.weight`, zeros(2, 16)],
      [`${q}.lora_B.weight`, zeros(16, 2)],
      [`${q}.lora_magnitude_vector`, zeros(16)],
      ["base_model.vera_A", zeros(4, 16)],
    ]);
    const adapter = {
      method: "other",
      settings: { rank: 2, decompose: true, dropout: 0 },
      parameters: new Parameters(arrays),
      layers: (base: never) => base,
      merged: () => new Map(),
    };
    const model = tinyModel();
    const table = parameterTable(model.withAdapter("default", adapter));
    const row = table.rows.find(({ module, trainable }) => module === "q_proj" && trainable > 0)!;
    assert.equal(row.trainable, 32 + 32 + 16);
    assert.equal(row.arithmetic, "16 + 16·2 + 2·16");
    assert.equal(table.rows.find(({ module }) => module === "vera_A")!.trainable, 64);
    assert.equal(table.total, model.parameterCount + 80 + 64);
    assert.match(table.text, /Adapter: other \(rank 2 · decompose\)/);
  });

  it("accounts for every parameter: rows add up to the totals", () => {
    for (const method of [lora({ rank: 3 }), full()]) {
      const model = tinyModel({ model_type: "qwen3", head_dim: 4, tie_word_embeddings: false });
      const table = parameterTable(model.attach(method));
      const sum = (key: "weights" | "trainable") =>
        table.rows.reduce((total, row) => total + row[key] * row.paths.length, 0);
      assert.equal(sum("weights"), model.parameterCount);
      assert.equal(sum("trainable"), table.trainable);
    }
  });

  it("lists every trained module in the HTML, folded", () => {
    const shown = parameterTable(tinyModel().attach(lora({ rank: 2, targets: ["q_proj"] })))[DISPLAY]();
    assert.match(shown["text/html"]!, /<details><summary>each of the 2 trained modules<\/summary>/);
    assert.match(shown["text/html"]!, /model\.layers\.1\.self_attn\.q_proj/);
  });
});
