import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adalora, dora, loadAdapter, lora, saveAdapter, vera } from "../../src/adapters";
import type { Method } from "../../src/model/adapter";
import { LanguageModel } from "../../src/model/language-model";
import { randomWeights, tinyConfig } from "../model/tiny";
import { tinyModel } from "../train/tiny-model";
import { IDS, scramble } from "./support";

/** What people give by mistake: each is named, and the model stays what it was. */
describe("adapter files that cannot be read", () => {
  const base = tinyModel();
  const student = scramble(base.attach(lora({ rank: 2 }), { name: "first" }));
  const CONFIG = "adapter_config.json";
  const WEIGHTS = "adapter_model.safetensors";
  let folder: string;
  let before: ArrayLike<number>;
  before = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "loralab-peft-"));
    before = (await student.logits(IDS)).data;
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
    assert.deepEqual([...student.adapters.keys()], ["first"]);
    assert.deepEqual((await student.logits(IDS)).data, before);
  });

  const save = (method: Method) => saveAdapter(base.attach(method), folder);
  const refuses = (message: RegExp) => assert.rejects(loadAdapter(student, folder), message);
  const change = async (changes: object) => {
    const config = JSON.parse(await readFile(join(folder, CONFIG), "utf8"));
    await writeFile(join(folder, CONFIG), JSON.stringify({ ...config, ...changes }));
  };
  /** The file's bytes, changed. */
  const damage = async (how: (bytes: Buffer) => Buffer) =>
    writeFile(join(folder, WEIGHTS), how(await readFile(join(folder, WEIGHTS))));

  it("of an unknown type: the known ones are listed", async () => {
    await save(lora());
    await change({ peft_type: "PROMPT_TUNING" });
    await refuses(
      /adapter_config\.json: peft_type "PROMPT_TUNING" is not supported: expected one of "LORA", "VERA", "ADALORA"/,
    );
    await change({ peft_type: undefined });
    await refuses(/peft_type undefined is not supported/);
  });

  it("with fields that contradict each other or the arrays", async () => {
    await save(lora({ rank: 2, targets: ["q_proj"], modulesToSave: ["lm_head"] }));
    await change({ modules_to_save: ["q_proj"] });
    await refuses(/q_proj is a target and in modulesToSave/);
    await change({ modules_to_save: ["lm_head"], use_dora: true });
    await refuses(/lora_magnitude_vector is missing/);
    await change({ use_dora: false, r: 3 });
    await refuses(/lora_A\.weight is \[2,32\], expected \[3,32\]/);
    await change({ r: 2, rank_pattern: { q_proj: 0 } });
    await refuses(/adapter_config\.json: lora: rank must be a whole number from 1, got 0/);
    await change({ rank_pattern: {}, r: 40 });
    await refuses(/lora: rank 40 is above what .*q_proj can have: its matrix is \[32, 32\]/);
    await save(vera({ rank: 4 }));
    await change({ save_projection: false });
    await refuses(/not supported: save_projection false/);
    await save(adalora({ totalSteps: 10 }));
    await change({ tinit: 10 });
    await refuses(/adapter_config\.json: adalora: of 10 steps the first 10 \(tInit\)/);
  });

  it("made for another base: the first names and shapes that differ are listed", async () => {
    const config = tinyConfig({
      vocab_size: 257,
      num_hidden_layers: 3,
      hidden_size: 32,
      intermediate_size: 64,
    });
    const other = new LanguageModel({ name: "other", config, weights: randomWeights(config) });
    for (const method of [
      lora({ rank: 2 }),
      dora({ rank: 2 }),
      vera({ rank: 2 }),
      adalora({ totalSteps: 9 }),
    ]) {
      await saveAdapter(other.attach(method), folder);
      await refuses(
        /does not fit tiny: model\.layers\.2\.[^;]* has no place in this model; .*; .* and \d+ more\.$/,
      );
    }
    await saveAdapter(other.attach(lora({ rank: 2, targets: /.*[01]\.mlp.*/ })), folder);
    await refuses(/layers\.0\.mlp\.gate_proj\.lora_B\.weight is \[64,2\], expected \[48,2\]/);
  });

  it("with a file of arrays that is cut off, empty, or not one at all", async () => {
    await save(lora({ rank: 2 }));
    const whole = await readFile(join(folder, WEIGHTS));
    const size = whole.length;
    for (const damaged of [
      whole.subarray(0, size - 1),
      whole.subarray(0, size / 2),
      whole.subarray(0, 20),
      whole.subarray(0, 3),
      Buffer.alloc(0),
      Buffer.from("<html>404</html> and so on"),
      Buffer.concat([whole, Buffer.alloc(8)]),
    ]) {
      await damage(() => damaged);
      await refuses(/adapter_model\.safetensors/);
    }
    await damage(() => {
      const header = whole.toString("latin1", 0, 8 + Number(whole.readBigUInt64LE(0)));
      return Buffer.concat([
        Buffer.from(header.replace('"dtype":"F32"', '"dtype":"X32"'), "latin1"),
        whole.subarray(header.length),
      ]);
    });
    await refuses(/adapter_model\.safetensors.*X32/);
  });

  it("of a folder that is none, and a configuration that is no JSON object", async () => {
    await refuses(/no adapter_config\.json: expected a PEFT adapter folder with/);
    await save(lora());
    assert.deepEqual((await readdir(folder)).sort(), [CONFIG, WEIGHTS]);
    for (const text of ["", "{", "[]", "null", '"lora"']) {
      await writeFile(join(folder, CONFIG), text);
      await refuses(/adapter_config\.json/);
    }
  });
});
