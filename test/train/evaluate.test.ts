import assert from "node:assert/strict";
import { lora } from "../../src/adapters";
import { LanguageModel } from "../../src/model/language-model";
import { type Example, evaluateLoss } from "../../src/train";
import { byteTokenizer, randomWeights, tinyConfig } from "../model/tiny";

const END = 0;
const bytes = (text: string) => [...Buffer.from(text)].map((byte) => 1 + byte);

/** Of many lengths, so that batches have different shapes; seven, so that the last batch has room left. */
const EXAMPLES: Exclude<Example, { messages: unknown }>[] = [
  { prompt: "one and one?", completion: " two" },
  "short",
  { prompt: "q", completion: "" },
  { text: "a text of some forty characters or a little more" },
  { prompt: "p".repeat(50), completion: " is a prompt much longer than most" },
  { ids: [1, 2, 3, 4] },
  "x".repeat(90),
];

/** Nats and number of the predictions that count, from the logits of each example alone. */
async function direct(model: LanguageModel, completionOnly: boolean): Promise<number> {
  let [nats, count] = [0, 0];
  for (const example of EXAMPLES) {
    const [prompt, rest] =
      typeof example === "string"
        ? [[], [...bytes(example), END]]
        : "ids" in example
          ? [[], [...example.ids]]
          : "text" in example
            ? [[], [...bytes(example.text), END]]
            : [bytes(example.prompt), [...bytes(example.completion), END]];
    const ids = [...prompt, ...rest];
    const { data, shape } = await model.logits(ids);
    const vocab = shape[2]!;
    for (let i = completionOnly ? Math.max(0, prompt.length - 1) : 0; i + 1 < ids.length; i++) {
      const row = Array.from(data.subarray(i * vocab, (i + 1) * vocab));
      const most = Math.max(...row);
      const logSum = most + Math.log(row.reduce((sum, z) => sum + Math.exp(z - most), 0));
      nats += logSum - row[ids[i + 1]!]!;
      count++;
    }
  }
  return nats / count;
}

describe("evaluateLoss", () => {
  const config = tinyConfig({ vocab_size: 257, max_position_embeddings: 96 });
  const base = new LanguageModel({
    name: "tiny",
    config,
    weights: randomWeights(config),
    tokenizer: byteTokenizer(),
  });
  const student = base.attach(lora({ rank: 4, alpha: 8, dropout: 0.5 }));
  const { parameters } = student.adapter!;
  // B starts at zero, and the adapter with it.
  parameters.flat = parameters.flat.map((x, i) => x + 0.2 * Math.sin(i));
  after(() => Promise.all([base.dispose(), student.dispose()]));

  for (const completionOnly of [true, false]) {
    it(`is the mean over ${completionOnly ? "completions" : "whole texts"}, each text read alone`, async () => {
      const expected = await direct(base, completionOnly);
      for (const batchSize of [1, 3, 8]) {
        const loss = await evaluateLoss(base, EXAMPLES, { completionOnly, batchSize });
        assert.ok(
          Math.abs(loss - expected) < 1e-5 * expected,
          `batches of ${batchSize}: ${loss}, not ${expected}`,
        );
      }
    });
  }

  it("supervises completions alone unless told otherwise", async () => {
    const loss = await evaluateLoss(base, EXAMPLES);
    assert.equal(loss, await evaluateLoss(base, EXAMPLES, { completionOnly: true }));
    assert.notEqual(loss, await evaluateLoss(base, EXAMPLES, { completionOnly: false }));
  });

  it("measures the adapter in use, without dropout", async () => {
    const expected = await direct(student, true);
    assert.ok(Math.abs(expected - (await direct(base, true))) > 1e-2);
    assert.ok(Math.abs((await evaluateLoss(student, EXAMPLES)) - expected) < 1e-5 * expected);
    assert.ok(Math.abs((await evaluateLoss(student.merge(), EXAMPLES)) - expected) < 1e-4 * expected);
  });

  it("leaves the examples as they are", async () => {
    const before = structuredClone(EXAMPLES);
    await evaluateLoss(base, EXAMPLES);
    assert.deepEqual(EXAMPLES, before);
  });

  it("explains what it cannot measure", async () => {
    await assert.rejects(evaluateLoss(base, []), /empty/);
    await assert.rejects(evaluateLoss(base, ["x".repeat(97)]), /the model's context is 96/);
    for (const batchSize of [0, 1.5]) {
      await assert.rejects(
        evaluateLoss(base, ["x"], { batchSize }),
        /batchSize must be a whole number from 1/,
      );
    }
  });
});
