import assert from "node:assert/strict";
import { loralab } from "./command";

describe("loralab plan", function () {
  this.timeout(60_000);

  it("prints trainable and total parameters and each term's bytes as JSON", () => {
    const { status, stdout } = loralab([
      "plan",
      "Llama-2-7B",
      "--method",
      "lora",
      "--rank",
      "8",
      "--targets",
      "q_proj,v_proj",
      "--json",
    ]);
    assert.equal(status, 0);
    const { trainable, total, bytes, totalBytes } = JSON.parse(stdout);
    assert.equal(trainable, 4_194_304);
    assert.equal(total, 6_738_415_616 + 4_194_304);
    assert.equal(bytes.weights, 2 * 6_738_415_616);
    const sum = Object.values<number>(bytes).reduce((a, b) => a + b, 0);
    assert.equal(totalBytes, sum);
  });

  it("prints the same for people, with formulas, and all methods side by side on request", () => {
    const one = loralab(["plan", "Llama-3.1-8B", "--method", "qlora", "--rank", "16"]);
    assert.match(one.stdout, /^QLoRA of Llama-3.1-8B: \d+\.\d GB\nTrainable: 41,943,040 of /);
    assert.match(one.stdout, /KV|logits .*batch · sequence · vocabulary/);
    const all = loralab(["plan", "Llama-3.1-8B", "--compare"]);
    for (const method of ["full, mixed", "full, bfloat16", "LoRA", "DoRA", "QLoRA"])
      assert.match(all.stdout, new RegExp(`^${method} `, "m"));
  });

  it("ends with status 2 for a wrong option and 1 for a model that it does not know", () => {
    const wrong = loralab(["plan", "Llama-2-7B", "--rank", "eight"]);
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /'eight' is invalid. expected a whole number/);
    const unknown = loralab(["plan", "GPT-9"]);
    assert.equal(unknown.status, 1);
    assert.match(unknown.stderr, /^error: no model "GPT-9": .*plan also knows SmolLM2-135M/m);
  });
});
