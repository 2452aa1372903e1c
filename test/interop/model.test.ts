/**
 * Models, files and tokenizers against Hugging Face's own packages. Needs an interpreter in PYTHON (or python3) with
 * torch, transformers and tokenizers; model_reference.py makes what is compared here. Not part of `npm test`.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Decoder } from "../../src/model/decoder";
import { LanguageModel, loadModel } from "../../src/model/language-model";
import { readModelFolder, writeModelFolder } from "../../src/model/load";
import { readSafetensors } from "../../src/model/safetensors";
import { argmax } from "../../src/model/sample";
import { Tokenizer } from "../../src/model/tokenizer";

const PYTHON = process.env.PYTHON ?? "python3";
/** Largest |Δ| of a logit that float32 sums in another order may leave. */
const TOLERANCE = 1e-4;

const shipped = ["nano", "small"].map((name) => path.join(__dirname, "../../models", name));
const present = shipped.filter((folder) => fs.existsSync(path.join(folder, "model.safetensors")));
let out: string;

/** Runs Python; returns its output. */
function python(...args: string[]): string {
  const environment = { ...process.env, HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error" };
  const { status, stdout, stderr, error } = spawnSync(PYTHON, args, { encoding: "utf8", env: environment });
  assert.equal(status, 0, error?.message ?? stderr);
  return stdout;
}

/** Largest difference between our logits and those in a reference file. */
async function difference(model: LanguageModel, reference: string): Promise<number> {
  const { tensors } = await readSafetensors(reference);
  const { data, shape } = tensors.get("ids")!;
  const rows = Array.from({ length: shape[0] }, (_, i) => [...data.slice(i * shape[1], (i + 1) * shape[1])]);
  const got = await model.logits(rows);
  const want = tensors.get("logits")!;
  assert.deepEqual(got.shape, want.shape);
  let worst = 0;
  for (const [i, x] of want.data.entries()) worst = Math.max(worst, Math.abs(x - got.data[i]));
  return worst;
}

describe("models as transformers computes them", function () {
  this.timeout(300_000);

  before(function () {
    const script = "import torch, transformers, tokenizers";
    const { status, stderr } = spawnSync(PYTHON, ["-c", script], { encoding: "utf8" });
    if (status !== 0) {
      if (process.env.PYTHON) assert.fail(`PYTHON=${PYTHON} cannot import what is needed: ${stderr}`);
      console.log("    skipped: set PYTHON to an interpreter with torch, transformers and tokenizers");
      this.skip();
    }
    out = fs.mkdtempSync(path.join(os.tmpdir(), "loralab-interop-"));
    python(path.join(__dirname, "model_reference.py"), out, ...present);
  });
  after(() => {
    if (out) fs.rmSync(out, { recursive: true });
  });

  const families = ["smollm2", "qwen2.5", "llama3.2", "llama-biased", "mistral", "qwen3"];
  for (const name of [...families, "float16", "bfloat16"]) {
    it(`has the logits of ${name}, randomly initialised`, async () => {
      const model = await loadModel(path.join(out, name));
      const worst = await difference(model, path.join(out, name, "reference.safetensors"));
      await model.dispose();
      assert.ok(worst <= TOLERANCE, `max |Δ| is ${worst}`);
    });
  }

  it("reads the shards that transformers writes", async () => {
    const single = await readModelFolder(path.join(out, "smollm2"));
    const sharded = await readModelFolder(path.join(out, "sharded"));
    assert.ok(!fs.existsSync(path.join(out, "sharded", "model.safetensors")));
    assert.deepEqual([...sharded.weights], [...single.weights]);
  });

  it("would notice if rotary frequencies were not stretched or biases were left out", async () => {
    const { config, weights } = await readModelFolder(path.join(out, "llama3.2"));
    const plain = new LanguageModel({
      name: "plain",
      config: { ...config, ropeScaling: undefined },
      weights,
    });
    const unstretched = await difference(plain, path.join(out, "llama3.2", "reference.safetensors"));
    await plain.dispose();
    assert.ok(unstretched > 100 * TOLERANCE, `max |Δ| is ${unstretched}`);

    const qwen = await readModelFolder(path.join(out, "qwen2.5"));
    const llama = new LanguageModel({ ...qwen, name: "llama", config: { ...qwen.config, qkvBias: false } });
    const unbiased = await difference(llama, path.join(out, "qwen2.5", "reference.safetensors"));
    await llama.dispose();
    assert.ok(unbiased > 100 * TOLERANCE, `max |Δ| is ${unbiased}`);
  });

  for (const name of ["smollm2", "qwen2.5", "llama3.2", "qwen3"]) {
    it(`continues greedily as transformers does: ${name}`, async () => {
      const model = await loadModel(path.join(out, name));
      const { tensors } = await readSafetensors(path.join(out, name, "reference.safetensors"), ["greedy"]);
      const want = [...tensors.get("greedy")!.data];
      const decoder = new Decoder(model, 1, 64);
      const got = want.slice(0, 7);
      let [logits] = await decoder.feed([got]);
      while (got.length < want.length) {
        got.push(argmax(logits!));
        [logits] = await decoder.feed([got.slice(-1)]);
      }
      await model.dispose();
      assert.deepEqual(got, want);
    });
  }

  it("writes folders that transformers loads, to the same logits: one file, shards and 16 bits", async () => {
    const script = `
import sys, torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
for folder, reference in zip(sys.argv[1::2], sys.argv[2::2]):
    expected = load_file(reference)
    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    with torch.no_grad():
        print((model(expected["ids"]).logits - expected["logits"]).abs().max().item())
`;
    const args: string[] = [];
    const copy = async (name: string, options: object) => {
      const folder = path.join(out, `copy-${args.length}`);
      await writeModelFolder(folder, await readModelFolder(path.join(out, name)), options);
      args.push(folder, path.join(out, name, "reference.safetensors"));
    };
    for (const name of families) await copy(name, {});
    await copy("smollm2", { shardBytes: 2e6 });
    await copy("float16", { format: "F16" });
    await copy("bfloat16", { format: "BF16" });
    const differences = python("-c", script, ...args)
      .trim()
      .split("\n")
      .map(Number);
    assert.equal(differences.length, 9);
    for (const worst of differences) assert.ok(worst <= 1e-6, `max |Δ| of each: ${differences}`);
  });

  for (const folder of shipped) {
    const name = path.basename(folder);
    it(`has the logits of ${name}`, async function () {
      if (!present.includes(folder)) this.skip();
      const model = await loadModel(name);
      const worst = await difference(model, path.join(out, `${name}.safetensors`));
      await model.dispose();
      assert.ok(worst <= TOLERANCE, `max |Δ| is ${worst}`);
    });
  }

  it("splits texts into tokens and joins them as tokenizers does", () => {
    const cases = JSON.parse(fs.readFileSync(path.join(out, "tokenizers.json"), "utf8"));
    assert.ok(cases.length >= 5);
    for (const { name, tokenizer: json, vocabSize, texts } of cases) {
      const tokenizer = new Tokenizer(new Map([["tokenizer.json", json]]));
      assert.equal(tokenizer.vocabSize, vocabSize);
      for (const { text, ids, plain, decoded, verbatim } of texts) {
        const what = `${name}: ${JSON.stringify(text)}`;
        assert.deepEqual(tokenizer.encode(text), ids, what);
        assert.deepEqual(tokenizer.encode(text, { special: false }), plain, what);
        assert.equal(tokenizer.decode(ids, { special: false }), decoded, what);
        assert.equal(tokenizer.decode(ids), verbatim, what);
      }
    }
  });
});
