import assert from "node:assert/strict";
import { lora } from "../../src/adapters";
import { DISPLAY } from "../../src/display";
import { architecture } from "../../src/display/model-card";
import { LanguageModel } from "../../src/model/language-model";
import { randomWeights, tinyConfig } from "../model/tiny";
import { LLAMA_2_7B, tinyModel } from "./models";

describe("the card of a model", () => {
  it("shows name, parameters, memory and that nothing is trainable", () => {
    const model = tinyModel();
    // 257 × 16 embedding; 2 × (2·16² + 2·8·16) attention; 2 × 3·16·24 MLP; 5 × 16 norms.
    assert.equal(model.parameterCount, 4112 + 1536 + 2304 + 80);
    const shown = model[DISPLAY]();
    const text = shown["text/plain"];
    assert.match(text, /^tiny — 8,032 parameters\n/);
    assert.match(text, /embedding +4,112 +51\.2 % +257×16/);
    assert.match(text, /float32 \(as held now\) +32\.1 kB +8,032 × 4 bytes/);
    assert.match(text, /No adapter/);
    assert.match(shown["text/html"]!, /<b>tiny — 8,032 parameters<\/b>/);
  });

  it("tells grouped, multi-query and plain attention apart, and a tied head from one of its own", () => {
    assert.match(
      architecture(tinyConfig()),
      /4 query heads of 4 on 2 key\/value heads \(grouped-query\).*head tied to/,
    );
    assert.match(
      architecture(tinyConfig({ num_key_value_heads: 1 })),
      /on 1 key\/value head \(multi-query\)/,
    );
    assert.match(architecture(LLAMA_2_7B), /attention with 32 heads of 128,.*head not tied/);
    assert.match(architecture(LLAMA_2_7B), /Context 4,096 tokens, vocabulary 32,000/);
  });

  it("lists the adapters, marks the one in use, and goes on with its parameter table", () => {
    const model = tinyModel()
      .attach(lora({ rank: 2 }), { name: "first" })
      .attach(lora({ rank: 4, alpha: 8 }), { name: "second" });
    const text = model[DISPLAY]()["text/plain"];
    assert.match(text, /first +lora \(rank 2 · alpha 2 · targets all-linear\) +\d[\d,]*\n/);
    assert.match(text, /second +lora \(rank 4 · alpha 8 · targets all-linear\) +\d[\d,]* +in use\n/);
    assert.match(text, /Adapter: lora \(rank 4/);
    assert.doesNotMatch(model.use(null)[DISPLAY]()["text/plain"], /in use|Adapter:/);
  });

  it("escapes what comes from files", () => {
    const config = tinyConfig();
    const model = new LanguageModel({ name: "<img src=x>", config, weights: randomWeights(config) });
    assert.doesNotMatch(model[DISPLAY]()["text/html"]!, /<img/);
  });
});
