import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { full, type LoraAdapter, loadAdapter, lora, saveAdapter } from "../../src/adapters";
import { loadModel, saveModel } from "../../src/model/language-model";
import { tinyModel } from "../train/tiny-model";
import { gradientOf, IDS, maxDifference, scramble } from "./support";

describe("LoRA", () => {
  const base = tinyModel();

  it("starts exactly at the base", async () => {
    const student = base.attach(lora({ rank: 4, alpha: 8 }));
    assert.deepEqual((await student.logits(IDS)).data, (await base.logits(IDS)).data);
  });

  it("leaves the base as it was, bit for bit, after training changed the adapter", async () => {
    const before = (await base.logits(IDS)).data;
    const student = scramble(base.attach(lora({ rank: 4 })));
    assert.notDeepEqual((await student.logits(IDS)).data, before);
    assert.deepEqual((await student.detach().logits(IDS)).data, before);
    assert.deepEqual((await student.use(null).logits(IDS)).data, before);
  });

  it("gives merged what it gives attached, and unmerges exactly", async () => {
    const student = scramble(base.attach(lora({ rank: 3, alpha: 7 })));
    const merged = student.merge();
    assert.equal(merged.trainableCount, 0);
    assert.ok(maxDifference((await merged.logits(IDS)).data, (await student.logits(IDS)).data) < 1e-4);
    assert.equal(merged.unmerge(), student);
    assert.equal(merged.attach(lora()).detach().unmerge(), student);
    // The merged weight is W + (α/r)·B·A, element by element.
    const adapter = student.adapter as LoraAdapter;
    const path = "model.layers.1.mlp.up_proj";
    const [a, b] = [
      adapter.parameters.get(`${path}.lora_A.weight`),
      adapter.parameters.get(`${path}.lora_B.weight`),
    ];
    const [row, column] = [5, 11];
    const inputs = a.shape[1]!;
    let sum = 0;
    for (let k = 0; k < 3; k++) sum += b.data[row * 3 + k]! * a.data[k * inputs + column]!;
    const at = row * inputs + column;
    const change =
      merged.weights.get(`${path}.weight`)!.data[at]! - base.weights.get(`${path}.weight`)!.data[at]!;
    assert.ok(Math.abs(change - (7 / 3) * sum) < 1e-6);
  });

  it("has r·(d + k) parameters for each target", () => {
    const adapter = base.attach(lora({ rank: 4, targets: ["q_proj", "v_proj"] })).adapter!;
    const { hiddenSize: d, kvHeads, headDim, heads, layers } = base.config;
    const expected = layers * 4 * (d + heads * headDim + d + kvHeads * headDim);
    assert.equal(adapter.parameters.size, expected);
  });

  it("draws A uniformly within ±1/√k and starts B at zero", () => {
    const adapter = base.attach(lora({ rank: 8 }), { seed: 3 }).adapter as LoraAdapter;
    for (const { a, b, in: inputs } of adapter.pairs) {
      assert.ok(adapter.parameters.get(b).data.every((x) => x === 0));
      const values = adapter.parameters.get(a).data;
      const bound = 1 / Math.sqrt(inputs);
      assert.ok(values.every((x) => Math.abs(x) <= bound));
      // A uniform distribution on ±b has variance b²/3; over hundreds of draws the estimate is within a quarter of it.
      const variance = Array.from(values).reduce((s, x) => s + x * x, 0) / values.length;
      assert.ok(Math.abs(variance / (bound ** 2 / 3) - 1) < 0.25);
    }
    const again = base.attach(lora({ rank: 8 }), { seed: 3 }).adapter!;
    assert.deepEqual(again.parameters.flat, adapter.parameters.flat);
    assert.notDeepEqual(
      base.attach(lora({ rank: 8 }), { seed: 4 }).adapter!.parameters.flat,
      adapter.parameters.flat,
    );
  });

  it("gives A no gradient at the first step, since B is zero", async () => {
    const student = base.attach(lora({ rank: 2 }));
    const gradient = await gradientOf(student);
    for (const { a, b } of (student.adapter as LoraAdapter).pairs) {
      assert.ok(gradient.get(a)!.data.every((x) => x === 0));
      assert.ok(gradient.get(b)!.data.some((x) => x !== 0));
    }
  });

  it("scales by α/r, and by α/√r with rsLoRA", () => {
    const scale = (settings: object) =>
      (base.attach(lora({ rank: 4, alpha: 12, ...settings })).adapter as LoraAdapter).scale;
    assert.equal(scale({}), 3);
    assert.equal(scale({ rsLoRA: true }), 6);
  });

  it("chooses targets by preset, by name, by path and by pattern", () => {
    const paths = (targets: Parameters<typeof lora>[0]) =>
      (base.attach(lora(targets)).adapter as LoraAdapter).pairs.map(({ path }) =>
        path.replace("model.layers.", ""),
      );
    const ofLayer = (...names: string[]) =>
      [0, 1].flatMap((layer) => names.map((name) => `${layer}.${name}`));
    const attention = ["q", "k", "v", "o"].map((x) => `self_attn.${x}_proj`);
    const mlp = ["gate", "up", "down"].map((x) => `mlp.${x}_proj`);
    assert.deepEqual(paths({ targets: "all-linear" }), ofLayer(...attention, ...mlp));
    assert.deepEqual(paths({ targets: "attention" }), ofLayer(...attention));
    assert.deepEqual(paths({ targets: "mlp" }), ofLayer(...mlp));
    assert.deepEqual(
      paths({ targets: ["v_proj", "q_proj"] }),
      ofLayer("self_attn.q_proj", "self_attn.v_proj"),
    );
    assert.deepEqual(paths({ targets: ["model.layers.1.mlp.up_proj"] }), ["1.mlp.up_proj"]);
    assert.deepEqual(
      paths({ targets: /model\.layers\.1\..*/ }),
      [...attention, ...mlp].map((name) => `1.${name}`),
    );
  });

  it("explains settings that cannot be", () => {
    const attach = (settings: object) => () => base.attach(lora(settings));
    assert.throws(
      attach({ rank: 33 }),
      /rank 33 is above what model\.layers\.0\.self_attn\.q_proj can have.*\[32, 32\]/,
    );
    assert.equal(
      base.attach(lora({ rank: 4, alpha: undefined, targets: undefined })).trainableCount,
      base.attach(lora({ rank: 4 })).trainableCount,
    );
    assert.throws(attach({ rank: 1.5 }), /rank must be a whole number from 1, got 1\.5/);
    assert.throws(attach({ dropout: 1 }), /dropout must be in \[0, 1\), got 1/);
    assert.throws(
      attach({ targets: ["wq"] }),
      /target wq matches no linear layer.*q_proj, k_proj, v_proj, o_proj/,
    );
    assert.throws(
      attach({ targets: "linear" }),
      /targets "linear" is not known: expected all-linear, attention, mlp/,
    );
    assert.throws(attach({ targets: [] }), /targets \[\] is not known/);
  });
});

describe("logits", () => {
  const base = tinyModel();

  it("are those of each text, whatever its length and company", async () => {
    const { vocabSize } = base.config;
    const whole = await base.logits([IDS, [...IDS].reverse()]);
    assert.deepEqual(whole.shape, [2, IDS.length, vocabSize]);
    for (const n of [1, 4]) {
      const part = await base.logits(IDS.slice(0, n));
      assert.deepEqual(part.shape, [1, n, vocabSize]);
      assert.ok(maxDifference(part.data, whole.data.subarray(0, n * vocabSize)) < 1e-4);
    }
    const second = await base.logits([...IDS].reverse());
    assert.ok(maxDifference(second.data, whole.data.subarray(IDS.length * vocabSize)) < 1e-4);
  });

  it("explain texts that the model cannot read", async () => {
    const full = Array(base.config.contextLength).fill(1);
    assert.equal((await base.logits(full)).shape[1], full.length);
    await assert.rejects(
      base.logits([...full, 1]),
      /expected 1 to 32 tokens \(the model's context\), got 33/,
    );
    await assert.rejects(base.logits([]), /got 0/);
    await assert.rejects(base.logits([1, 257]), /token id 257 is not in the vocabulary of 257/);
    await assert.rejects(base.logits([[1, 2], [3]]), /equal lengths, got 2, 1/);
  });
});

describe("several adapters on one model", () => {
  const base = tinyModel();

  it("switches between them, each keeping its own values", async () => {
    const first = scramble(base.attach(lora({ rank: 2 }), { name: "first" }));
    const both = first.attach(lora({ rank: 3 }), { name: "second" });
    assert.equal(both.active, "second");
    assert.deepEqual((await both.logits(IDS)).data, (await base.logits(IDS)).data);
    assert.deepEqual((await both.use("first").logits(IDS)).data, (await first.logits(IDS)).data);
    assert.deepEqual([...both.detach("second").adapters.keys()], ["first"]);
    assert.equal(both.detach("second").active, undefined);
    assert.equal(both.use("first").detach("second").active, "first");
  });

  it("explains names that are taken or missing", () => {
    const student = base.attach(lora());
    assert.throws(() => student.attach(lora()), /There is an adapter named "default" already/);
    assert.throws(() => student.use("other"), /There is no adapter "other"; attached are default/);
    assert.throws(() => base.merge(), /no adapter is in use/);
    assert.throws(() => base.unmerge(), /not a merged one/);
  });
});

describe("full fine-tuning as an adapter", () => {
  it("starts at the base, trains every weight, and detaches to the base", async () => {
    const base = tinyModel();
    const student = base.attach(full());
    assert.equal(student.trainableCount, base.parameterCount);
    assert.ok(maxDifference((await student.logits(IDS)).data, (await base.logits(IDS)).data) < 1e-5);
    scramble(student);
    assert.ok(
      maxDifference((await student.merge().logits(IDS)).data, (await student.logits(IDS)).data) < 1e-4,
    );
    assert.notDeepEqual((await student.logits(IDS)).data, (await base.logits(IDS)).data);
    assert.deepEqual((await student.detach().logits(IDS)).data, (await tinyModel().logits(IDS)).data);
  });
});

describe("a saved model", () => {
  it("comes back with the adapter folded in", async () => {
    const folder = await mkdtemp(join(tmpdir(), "loralab-model-"));
    try {
      const student = scramble(tinyModel().attach(lora({ rank: 2 })));
      await saveModel(student, folder);
      const loaded = await loadModel(folder);
      assert.equal(loaded.trainableCount, 0);
      assert.deepEqual((await loaded.logits(IDS)).data, (await student.merge().logits(IDS)).data);
      assert.equal(loaded.tokenizer.decode(IDS), student.tokenizer.decode(IDS));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("PEFT files", () => {
  const base = tinyModel();
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "loralab-peft-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("come back as they were written", async () => {
    const student = scramble(
      base.attach(lora({ rank: 3, alpha: 5, rsLoRA: true, targets: ["q_proj", "down_proj"] })),
    );
    await saveAdapter(student, folder);
    const config = JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));
    assert.deepEqual(
      [config.peft_type, config.r, config.lora_alpha, config.use_rslora],
      ["LORA", 3, 5, true],
    );
    const loaded = await loadAdapter(base, folder, { name: "loaded" });
    assert.equal(loaded.active, "loaded");
    assert.deepEqual(loaded.adapter!.parameters.flat, student.adapter!.parameters.flat);
    assert.deepEqual((await loaded.logits(IDS)).data, (await student.logits(IDS)).data);
  });

  it("are refused when they do not fit, with the reason", async () => {
    await assert.rejects(
      loadAdapter(base, folder),
      /no adapter_config\.json: expected a PEFT adapter folder/,
    );
    await saveAdapter(base.attach(lora({ rank: 2 })), folder);
    const path = join(folder, "adapter_config.json");
    const config = JSON.parse(await readFile(path, "utf8"));
    const withConfig = async (changes: object) => {
      await writeFile(path, JSON.stringify({ ...config, ...changes }));
      return loadAdapter(base, folder);
    };
    await assert.rejects(withConfig({ peft_type: "IA3" }), /peft_type "IA3"/);
    await assert.rejects(
      withConfig({ r: 4 }),
      /does not fit tiny: .*lora_A\.weight is \[2, ?32\], expected \[4, ?32\].* more/,
    );
    await assert.rejects(withConfig({ target_modules: ["q_proj"] }), /has no place in this model/);
    await assert.rejects(withConfig({ r: "two" }), /expected a number as "r"/);
    await assert.rejects(withConfig({ target_modules: null }), /expected a list.*"target_modules"/);
    await assert.rejects(
      withConfig({ init_lora_weights: "pissa_niter_4" }),
      /init_lora_weights "pissa_niter_4"/,
    );
    await writeFile(path, "{");
    await assert.rejects(loadAdapter(base, folder), /adapter_config\.json: not JSON/);
    await writeFile(path, JSON.stringify(config));
    await truncate(join(folder, "adapter_model.safetensors"), 200);
    await assert.rejects(loadAdapter(base, folder), /adapter_model\.safetensors/);
    await assert.rejects(saveAdapter(base.attach(full()), folder), /"full" adapter has no PEFT file/);
  });
});
