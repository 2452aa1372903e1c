import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { checkpointShapes, writeCheckpoint } from "../../src/model/checkpoint";
import { readModelFolder, writeModelFolder } from "../../src/model/load";
import { resolveModelFolder } from "../../src/model/places";
import { readSafetensors, writeSafetensors } from "../../src/model/safetensors";
import { byteTokenizer, randomWeights, tinyConfig, tinyJson } from "./tiny";

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "loralab-model-"));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const config = tinyConfig({ vocab_size: 258 });
const weights = randomWeights(config);
const inFolder = (file: string) => path.join(folder, file);
const writeConfig = (changes: object = {}) =>
  fs.writeFileSync(inFolder("config.json"), JSON.stringify(tinyJson({ vocab_size: 258, ...changes })));

describe("a model folder", () => {
  it("is read as it was written: configuration, weights and tokenizer", async () => {
    const tokenizer = byteTokenizer([["t", "h"]]);
    await writeModelFolder(folder, { config, weights, tokenizer });
    const back = await readModelFolder(folder);
    assert.deepEqual({ ...back.config, source: {} }, { ...config, source: {} });
    assert.deepEqual([...back.weights], [...weights]);
    assert.deepEqual(back.tokenizer!.files, tokenizer.files);
    assert.equal(back.tokenizer!.decode(back.tokenizer!.encode("the")), "the");
  });

  it("is read from shards, each holding no more than it may", async () => {
    await writeModelFolder(folder, { config, weights });
    assert.ok(fs.existsSync(inFolder("model.safetensors")));
    await writeModelFolder(folder, { config, weights }, { shardBytes: 6000 });
    const index = JSON.parse(fs.readFileSync(inFolder("model.safetensors.index.json"), "utf8"));
    assert.equal(
      index.metadata.total_size,
      4 * [...weights.values()].reduce((n, { data }) => n + data.length, 0),
    );
    assert.ok(new Set(Object.values(index.weight_map)).size > 2);
    assert.ok(!fs.existsSync(inFolder("model.safetensors")), "readers would prefer the single file");
    assert.deepEqual([...(await readModelFolder(folder)).weights], [...weights]);
    await writeModelFolder(folder, { config, weights });
    assert.ok(!fs.existsSync(inFolder("model.safetensors.index.json")));
  });

  it("is stored in 16 bits on request, and says so", async () => {
    await writeModelFolder(folder, { config, weights }, { format: "BF16" });
    assert.equal(JSON.parse(fs.readFileSync(inFolder("config.json"), "utf8")).dtype, "bfloat16");
    for (const [name, { data, dtype }] of (await readModelFolder(folder)).weights) {
      assert.equal(dtype, "float32");
      // Eight bits of precision: relative error at most 2⁻⁸.
      for (const [i, x] of data.entries()) {
        const want = weights.get(name)!.data[i];
        assert.ok(Math.abs(x - want) <= Math.abs(want) / 256);
      }
    }
  });

  it("may store a tied head and rotary frequencies as well", async () => {
    const extra = new Map([...weights, ["lm_head.weight", weights.get("model.embed_tokens.weight")!]]);
    extra.set("model.layers.0.self_attn.rotary_emb.inv_freq", {
      data: Float32Array.of(1),
      shape: [1],
      dtype: "float32",
    });
    writeConfig();
    await writeCheckpoint(folder, extra);
    assert.deepEqual([...(await readModelFolder(folder)).weights], [...weights]);
  });

  it("is refused when weights are missing, unexpected or of another shape, naming the first of each", async () => {
    await writeCheckpoint(folder, weights);
    writeConfig({ num_hidden_layers: 3 });
    await assert.rejects(
      readModelFolder(folder),
      /do not fit config\.json: 9 missing: model\.layers\.2\.input_layernorm\.weight, .*, …$/,
    );
    writeConfig({ num_hidden_layers: 1 });
    await assert.rejects(readModelFolder(folder), /: 9 unexpected: model\.layers\.1\..*, …$/);
    writeConfig({ intermediate_size: 32 });
    await assert.rejects(
      readModelFolder(folder),
      /6 ill-shaped: .*gate_proj\.weight is \[24,16\], expected \[32,16\]/,
    );
    const integers = new Map(weights).set("model.norm.weight", {
      data: new Int32Array(16),
      shape: [16],
      dtype: "int32",
    });
    await writeCheckpoint(folder, integers);
    writeConfig();
    await assert.rejects(
      readModelFolder(folder),
      /model\.norm\.weight: expected a floating-point tensor, got int32/,
    );
  });

  it("is not written with weights that do not fit", async () => {
    const lacking = new Map([...weights].slice(1));
    const target = inFolder("new");
    await assert.rejects(
      writeModelFolder(target, { config, weights: lacking }),
      /1 missing: model\.embed_tokens\.weight/,
    );
    assert.ok(!fs.existsSync(target));
  });

  it("is refused when the tokenizer has more tokens than the embedding rows", async () => {
    const small = tinyConfig({ vocab_size: 200 });
    await writeModelFolder(folder, {
      config: small,
      weights: randomWeights(small),
      tokenizer: byteTokenizer(),
    });
    await assert.rejects(
      readModelFolder(folder),
      /tokenizer\.json has 257 tokens, the embedding only 200 rows/,
    );
  });

  it("is refused with a broken index, naming what is wrong", async () => {
    const index = (value: unknown) =>
      fs.writeFileSync(
        inFolder("model.safetensors.index.json"),
        typeof value === "string" ? value : JSON.stringify(value),
      );
    await assert.rejects(
      checkpointShapes(folder),
      /expected model\.safetensors or model\.safetensors\.index\.json, found neither/,
    );
    index("{");
    await assert.rejects(checkpointShapes(folder), /index\.json: not JSON/);
    index({});
    await assert.rejects(checkpointShapes(folder), /expected weight_map/);
    index({ weight_map: { a: "../../etc/passwd" } });
    await assert.rejects(
      checkpointShapes(folder),
      /tensor a: expected the name of a file in this folder, got "\.\.\/\.\./,
    );
    index({ weight_map: { a: "one.safetensors" } });
    await assert.rejects(checkpointShapes(folder), /shard one\.safetensors is missing/);
    await writeSafetensors(inFolder("one.safetensors"), new Map([["b", weights.get("model.norm.weight")!]]));
    await assert.rejects(
      checkpointShapes(folder),
      /tensor a should be in one\.safetensors, which has not got it/,
    );
  });

  it("carries the metadata that transformers asks for", async () => {
    await writeModelFolder(folder, { config, weights });
    assert.deepEqual((await readSafetensors(inFolder("model.safetensors"), [])).metadata, { format: "pt" });
  });
});

describe("a model's name", () => {
  it("is a folder, or one of the models that come with the package", async () => {
    await writeModelFolder(folder, { config, weights });
    assert.equal(resolveModelFolder(folder), folder);
    assert.throws(
      () => resolveModelFolder("no-such-model"),
      /no model "no-such-model": expected a folder with config\.json.* come with loralab: /,
    );
  });
});
