/** From transformers' shards through fine-tuning back to a folder that transformers loads: the same logits, tokens, chat. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lora } from "../../src/adapters";
import type { HostArray } from "../../src/engine";
import { generator } from "../../src/engine";
import { type LanguageModel, loadModel, saveModel } from "../../src/model";
import { readSafetensors } from "../../src/model/safetensors";
import { relativeError, rowsOf } from "./compare";
import { reference } from "./python";

const FAMILIES = ["llama-3.2", "qwen2.5", "mistral"];
/** How the model is written, and what transformers then finds. */
const FORMS = [
  { format: "F32", dtype: "torch.float32" },
  { format: "F32", shardBytes: 3e5, dtype: "torch.float32" },
  { format: "F16", shardBytes: 2e5, dtype: "torch.float16" },
  { format: "BF16", dtype: "torch.bfloat16" },
] as const;
const TEXT = "The cat sat on 42 ships — naïve 日本.";

describe("merged models in transformers", function () {
  this.timeout(300_000);
  let folder: string;
  let ours: string;
  let theirs: string;
  const students = new Map<string, LanguageModel>();
  const written: { student: LanguageModel; path: string; form: (typeof FORMS)[number] }[] = [];

  before(async () => {
    folder = reference("merged_model_reference.py");
    ours = mkdtempSync(join(tmpdir(), "loralab-merged-"));
    for (const family of FAMILIES) {
      const base = await loadModel(join(folder, family));
      const student = base.attach(lora({ rank: 4, targets: "all-linear" }));
      // As if trained: B starts at zero.
      const random = generator(7);
      const { parameters } = student.adapter!;
      parameters.flat = parameters.flat.map(() => 0.2 * (random() - 0.5));
      students.set(family, student);
      for (const [i, form] of FORMS.entries()) {
        const path = join(ours, `${family}-${i}`);
        await saveModel(student, path, form);
        written.push({ student, path, form });
      }
    }
    theirs = reference("merged_model_load.py", TEXT, ...written.map(({ path }) => path));
  });
  after(() => {
    for (const path of [folder, ours, theirs]) if (path) rmSync(path, { recursive: true });
  });

  it("reads bases in shards of 16 bits, as transformers writes them", () => {
    for (const family of FAMILIES) {
      assert.ok(existsSync(join(folder, family, "model.safetensors.index.json")), family);
      assert.ok(!existsSync(join(folder, family, "model.safetensors")), family);
    }
  });

  it("changes what they compute, and keeps the tokens that end a text", async () => {
    for (const student of students.values()) {
      const ids = [student.tokenizer.encode(TEXT)];
      assert.ok(relativeError(await student.logits(ids), await student.detach().logits(ids)) > 0.05);
      assert.deepEqual(student.tokenizer.eosIds, [0, 1]);
    }
  });

  for (const [i, family] of FAMILIES.entries()) {
    it(`${family}: a folder in any form has our logits there`, async () => {
      const told = JSON.parse(readFileSync(join(theirs, "folders.json"), "utf8"));
      for (const [j, { student, path, form }] of written.entries()) {
        if (Math.floor(j / FORMS.length) !== i) continue;
        const what = `${family}, ${JSON.stringify(form)}`;
        const { tensors } = await readSafetensors(join(theirs, `${j}.safetensors`));
        const ids = tensors.get("ids") as HostArray;
        assert.deepEqual(rowsOf(ids)[0], student.tokenizer.encode(TEXT), what);
        // What is stored in 16 bits is another model, so that is read back; in float32 it is the student itself.
        const model = form.format === "F32" ? student : await loadModel(path);
        const error = relativeError(await model.logits(rowsOf(ids)), tensors.get("logits")!);
        assert.ok(error < 1e-4, `${what}: relative error ${error}`);
        const near = relativeError(await student.logits(rowsOf(ids)), tensors.get("logits")!);
        assert.ok(near < 0.05, `${what}: relative error ${near} by rounding`);
        assert.equal(existsSync(join(path, "model.safetensors.index.json")), "shardBytes" in form, what);
        assert.equal(told[j].dtype, form.dtype, what);
        assert.deepEqual(told[j].ends, [0, 1], what);
        assert.equal(told[j].chat, `user: ${TEXT}<|turn|>`, what);
      }
    });
  }
});
