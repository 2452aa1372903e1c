/**
 * Merged models as GGUF: llama.cpp's own script takes the folder that we wrote. It is in no package, so a clone of the
 * repository is needed: LLAMA_CPP names its folder.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { lora } from "../../src/adapters";
import { generator, type HostArray } from "../../src/engine";
import { type LanguageModel, loadModel, saveModel } from "../../src/model";
import { readSafetensors } from "../../src/model/safetensors";
import { relativeError } from "./compare";
import { reference } from "./python";

const { LLAMA_CPP, PYTHON } = process.env;

(LLAMA_CPP ? describe : describe.skip)("merged models in GGUF", function () {
  this.timeout(300_000);
  const folders: string[] = [];
  let student: LanguageModel;
  let read: string;

  before(async () => {
    const folder = reference("gguf_reference.py");
    folders.push(folder);
    const base = await loadModel(join(folder, "base"));
    student = base.attach(lora({ rank: 4, targets: "all-linear" }));
    const random = generator(7); // as if trained: B starts at zero
    const { parameters } = student.adapter!;
    parameters.flat = parameters.flat.map(() => 0.2 * (random() - 0.5));
    await saveModel(student, join(folder, "merged"), { format: "F16" });
    const script = join(LLAMA_CPP!, "convert_hf_to_gguf.py");
    execFileSync(PYTHON!, [script, "merged", "--outfile", "merged.gguf"], { cwd: folder, stdio: "pipe" });
    read = reference("gguf_reference.py", LLAMA_CPP!, join(folder, "merged.gguf"));
    folders.push(read);
  });
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  it("have the weights of the merged model, in 16 bits", async () => {
    const { tensors } = await readSafetensors(join(read, "tensors.safetensors"));
    const { weights } = student.merge();
    assert.deepEqual([...tensors.keys()].sort(), [...weights.keys()].sort());
    for (const [name, weight] of weights) {
      const error = relativeError(weight as HostArray, tensors.get(name)!);
      assert.ok(error < 5e-4, `${name}: relative error ${error}`);
    }
  });

  it("have the tokens of its tokenizer", () => {
    const tokens: string[] = JSON.parse(readFileSync(join(read, "tokens.json"), "utf8"));
    assert.equal(tokens.length, student.tokenizer.vocabSize);
    const ids = student.tokenizer.encode("The cat sat on the mat, 日.");
    assert.equal(ids.map((id) => tokens[id]).join(""), "<s>▁The▁cat▁sat▁on▁the▁mat,▁<0xE6><0x97><0xA5>.");
  });
});
