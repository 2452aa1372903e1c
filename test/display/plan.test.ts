import assert from "node:assert/strict";
import { DISPLAY } from "../../src/display";
import { Plans, plan, plans } from "../../src/measure";

describe("a plan on screen", () => {
  it("says what is trained, each term with its arithmetic, and where it fits", () => {
    const bundle = plan("Llama-2-7B", { targets: ["q_proj", "v_proj"] })[DISPLAY]();
    const text = bundle["text/plain"];
    assert.match(
      text,
      /^LoRA of Llama-2-7B: 16\.0 GB\nTrainable: 4,194,304 of 6,742,609,920 parameters, 0\.0622 %/,
    );
    assert.match(text, /\nweights +13\.5 GB .* parameters · bytes = 6,738,415,616 · 2\n/);
    assert.match(text, /\nFits: .*RTX 3090.*\nDoes not fit: .*RTX 3060\.\n/);
    assert.match(bundle["text/html"]!, /<td align="left">activations<\/td>|activations/);
  });

  it("speaks of a model that only runs without training", () => {
    const text = plan("Llama-2-7B", { method: "qlora", use: "inference" })[DISPLAY]()["text/plain"];
    assert.match(text, /^Running Llama-2-7B in 4 bits: /);
    assert.match(text, /KV cache/);
    assert.doesNotMatch(text, /Trainable|optimizer|adamw/);
  });

  it("compares methods as stacked bars that add up to each plan's memory", () => {
    const compared = plans("Llama-2-7B");
    const { data } = compared.figure;
    for (const [i, { bytes }] of compared.all.entries()) {
      const sum = data.reduce((total, { x }) => total + (x as number[])[i]!, 0);
      assert.ok(Math.abs(sum * 1e9 - bytes) < 1);
    }
    assert.deepEqual(data[0]!.y, ["full, mixed", "full, bfloat16", "LoRA", "DoRA", "QLoRA"]);
    assert.match(
      compared[DISPLAY]()["text/plain"],
      /^Llama-2-7B: full fine-tuning takes 111\.\d GB, QLoRA \d\.\d GB\n/,
    );
  });
});

describe("plans of one's own", () => {
  it("are told apart by the settings in which they differ: the article's 50 GB and 20 GB, and what they rest on", () => {
    const full = { method: "full", precision: "bfloat16", recompute: true } as const;
    const all = new Plans([
      plan("Llama-2-7B", { ...full, precision: "mixed" }),
      plan("Llama-2-7B", full),
      plan("Llama-2-7B", { targets: ["q_proj", "v_proj"], precision: "bfloat16", sequence: 1304 }),
      plan("Llama-2-7B", { targets: ["q_proj", "v_proj"], precision: "bfloat16" }),
    ]);
    const text = all[DISPLAY]()["text/plain"];
    assert.match(text, /^full, mixed +108\.\d GB/m);
    assert.match(text, /^full, bfloat16 +54\.\d GB/m);
    assert.match(text, /^LoRA, sequence 1304 +(19|20)\.\d GB/m);
    assert.match(text, /^LoRA, sequence 512 +1\d\.\d GB/m);
  });
});
