import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { plan } from "../../src/measure";
import type { PlanSettings } from "../../src/measure/memory";
import { reference } from "./python";

const config = {
  model_type: "llama",
  vocab_size: 256,
  hidden_size: 192,
  intermediate_size: 512,
  num_hidden_layers: 6,
  num_attention_heads: 6,
  num_key_value_heads: 6,
  max_position_embeddings: 1024,
};
const queries = ["q_proj", "v_proj"];
const linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

interface Case {
  name: string;
  settings: Partial<PlanSettings>;
  peft?: Record<string, unknown>;
}

const CASES: Case[] = [
  { name: "full fine-tuning", settings: { method: "full" } },
  { name: "full fine-tuning, eager attention", settings: { method: "full", attention: "eager" } },
  { name: "LoRA on q and v", settings: { targets: queries }, peft: { r: 8, target_modules: queries } },
  { name: "LoRA on all linear layers", settings: {}, peft: { r: 8, target_modules: linear } },
  { name: "DoRA", settings: { method: "dora" }, peft: { r: 8, target_modules: linear, use_dora: true } },
];

describe("activations that autograd keeps", function () {
  this.timeout(300_000);
  let kept: { bytes: number; trainable: number }[];
  const shape = { batch: 2, sequence: 256 };

  before(() => {
    const cases = CASES.map(({ settings, peft }) => ({
      config,
      ...shape,
      attention: settings.attention ?? "fused",
      peft: peft ? { ...peft, lora_dropout: 0 } : null,
    }));
    const folder = reference("activations_reference.py", JSON.stringify(cases));
    kept = JSON.parse(readFileSync(join(folder, "kept.json"), "utf8"));
    rmSync(folder, { recursive: true });
  });

  for (const [i, { name, settings }] of CASES.entries()) {
    it(`are what plan says, within a tenth: ${name}`, () => {
      const planned = plan(config, { ...shape, precision: "float32", ...settings });
      const activations = planned.terms.find((term) => term.name === "activations")!;
      assert.equal(planned.trainable, kept[i]!.trainable);
      const ratio = activations.bytes / kept[i]!.bytes;
      assert.ok(ratio > 0.9 && ratio < 1.1, `planned ${activations.bytes}, kept ${kept[i]!.bytes}: ${ratio}`);
    });
  }
});
