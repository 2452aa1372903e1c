import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { heldOutFactDocuments } from "../../models/recipe/tinyworld-facts";
import { glossDocuments, kindFacts } from "../../models/recipe/wordnet";
import { lora } from "../../src/adapters";
import { forgetting, sourceProbes } from "../../src/measure";
import { completed } from "../../src/measure/cloze";
import { type LanguageModel, loadModel } from "../../src/model";
import { train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";

const documents = (text: string) => text.split("\n\n");

describe("the source probes", () => {
  const { texts, cloze } = sourceProbes();

  it("are what pre-training held out", () => {
    const glosses = documents(texts.glosses!);
    assert.deepEqual(glosses, glossDocuments(1).slice(0, glosses.length));
    const statements = documents(texts.tinyworld!);
    assert.deepEqual(statements, heldOutFactDocuments(1).slice(0, statements.length));
    const kinds = new Map(kindFacts().map(({ word, kind }) => [word, kind]));
    for (const { prompt, completion } of cloze.kinds!) {
      const word = /^An? (\w+) is a kind of$/.exec(prompt)![1]!;
      assert.equal(completion, ` ${kinds.get(word)}`);
    }
  });

  it("are plain text, large enough to measure with and small enough to ship", () => {
    assert.deepEqual(Object.keys(texts), ["novels", "glosses", "tinyworld"]);
    for (const text of Object.values(texts)) {
      assert.match(text, /^[\n\x20-\x7e]+$/);
      assert.ok(text.length > 45_000 && text.length < 55_000, `${text.length}`);
    }
    assert.equal(cloze.capitals!.length, 199);
    assert.equal(cloze.kinds!.length, 400);
  });
});

describe("sentences to complete", function () {
  this.timeout(30_000);

  it("are completed where greedy decoding writes the completion", async () => {
    const nano = await loadModel("nano");
    const { capitals, kinds } = sourceProbes().cloze;
    const items = [...capitals!.slice(0, 30), ...kinds!.slice(0, 40)];
    const generations = await nano.generateBatch(
      items.map(({ prompt }) => prompt),
      { maxTokens: 12 },
    );
    const expected = items.map(({ completion }, i) => generations[i]!.text.startsWith(completion));
    // Both kinds of outcome, or the test would tell nothing.
    assert.ok(expected.includes(true) && expected.includes(false));
    assert.deepEqual(await completed(nano, items), expected);
  });

  it("need a beginning, an end and room", async () => {
    const tiny = tinyModel();
    await assert.rejects(
      completed(tiny, [{ prompt: "a", completion: "" }]),
      /Cloze 0: expected a prompt and a completion/,
    );
    await assert.rejects(
      completed(tiny, [{ prompt: "", completion: "b" }]),
      /Cloze 0: expected a prompt and a completion/,
    );
    await assert.rejects(
      completed(tiny, [{ prompt: "x".repeat(40), completion: "y" }]),
      /40 tokens; the model's context is 32/,
    );
    assert.deepEqual(await completed(tiny, []), []);
  });
});

describe("forgetting", function () {
  this.timeout(30_000);
  const TEXT =
    "one text of a domain that the base may know, or may not.\n\nand another one, as long as that.";
  const base = tinyModel();
  const student = base.attach(lora({ rank: 4 }));
  const moved = base.attach(lora({ rank: 4 }));
  moved.adapter!.parameters.flat = moved.adapter!.parameters.flat.map((x, i) => x + 0.3 * Math.sin(i));
  after(() => Promise.all([base.dispose(), student.dispose(), moved.dispose()]));

  /** Nats per token of windows of ids, from the logits. */
  async function direct(model: LanguageModel, windows: number[][]): Promise<number> {
    let [nats, count] = [0, 0];
    for (const ids of windows) {
      const { data, shape } = await model.logits(ids.slice(0, -1));
      const vocab = shape[2]!;
      for (let i = 0; i + 1 < ids.length; i++, count++) {
        const row = [...data.subarray(i * vocab, (i + 1) * vocab)];
        nats += Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) - row[ids[i + 1]!]!;
      }
    }
    return nats / count;
  }

  it("is the mean rise of the losses on windows of the texts over the base's", async () => {
    const { tokenizer } = base;
    // Documents are apart by end-of-text.
    const ids = TEXT.split("\n\n").flatMap((part) => [...tokenizer.encode(part), ...tokenizer.eosIds]);
    const first = [ids.slice(0, 33), ids.slice(32, 65)];
    const second = [ids.slice(0, 33)];
    const measure = forgetting({ texts: { both: TEXT, start: TEXT.slice(0, 40) }, tokens: 64 });
    const values = await measure.forgetting(moved);
    const rises: number[] = [];
    for (const [name, windows] of Object.entries({ both: first, start: second })) {
      const [before, now] = [await direct(base, windows), await direct(moved, windows)];
      assert.ok(Math.abs(values[`source/${name}`]! - now) < 1e-5 * now, name);
      rises.push(now - before);
    }
    const mean = (rises[0]! + rises[1]!) / 2;
    assert.ok(Math.abs(mean) > 0.01, `the rise ${mean} would not show`);
    assert.ok(Math.abs(values.forgetting! - mean) < 1e-4, `${values.forgetting}, not ${mean}`);
    assert.deepEqual(Object.keys(values), ["forgetting", "source/both", "source/start"]);
  });

  it("is counted from the base that is named, where the weights themselves have changed", async () => {
    const settings = { texts: { text: TEXT }, tokens: 64 };
    const { forgetting: expected } = await forgetting(settings).forgetting(moved);
    const merged = moved.merge();
    const again = merged.attach(lora({ rank: 1 }));
    assert.equal((await forgetting(settings).forgetting(again)).forgetting, 0);
    const { forgetting: got } = await forgetting({ ...settings, base }).forgetting(again);
    assert.ok(Math.abs(got! - expected!) < 1e-5 * Math.abs(expected!), `${got}, not ${expected}`);
    await Promise.all([again.dispose(), merged.dispose()]);
  });

  it("asks only for sentences that the base completes", async () => {
    const best = async (prompt: string) => {
      const { data, shape } = await base.logits(base.tokenizer.encode(prompt));
      const last = [...data.subarray((shape[1]! - 1) * shape[2]!)];
      return base.tokenizer.decode([last.indexOf(Math.max(...last))]);
    };
    const prompts = ["what does a random model", "say after a prompt", "like this one", "or like that"];
    const known = await Promise.all(
      prompts.map(async (prompt) => ({ prompt, completion: await best(prompt) })),
    );
    const usable = known.filter(({ completion }) => /^[\x20-\x7e]$/.test(completion));
    assert.ok(usable.length > 0, "the random model says nothing that can be written");
    const wrong = usable.map(({ prompt, completion }) => ({
      prompt,
      completion: completion === "a" ? "b" : "a",
    }));
    const measure = forgetting({
      texts: { text: TEXT },
      cloze: { mixed: [...wrong, ...usable], never: wrong },
      tokens: 32,
    });
    const values = await measure.forgetting(student);
    assert.equal(values["known/mixed"], 1);
    assert.ok(!("known/never" in values), "of a kind that the base does not know nothing can be forgotten");
    assert.equal(values.forgetting, 0);
  });

  it("is recorded beside training, from the base on", async () => {
    const run = await train(student, {
      data: ["zzzzzzzzzzzzzzzz"],
      steps: 8,
      learningRate: 0.05,
      evaluate: {
        every: 4,
        measures: { ...forgetting({ texts: { text: TEXT }, tokens: 64 }), half: () => 0.5 },
      },
      display: false,
    });
    assert.deepEqual(
      run.evaluations.map(({ step }) => step),
      [0, 4, 8],
    );
    const [start, , end] = run.evaluations.map(({ values }) => values);
    assert.equal(start!.forgetting, 0);
    assert.ok(end!.forgetting! > 0.01, `learning to say z, it forgot ${end!.forgetting}`);
    const rise = end!["source/text"]! - start!["source/text"]!;
    assert.ok(Math.abs(end!.forgetting! - rise) < 1e-6);
    assert.equal(end!.half, 0.5);
  });

  it("finds in nano what its card says of the larger probes", async () => {
    const nano = await loadModel("nano");
    const { validation } = JSON.parse(readFileSync("models/nano/metrics.json", "utf8"));
    const { glosses, tinyworld } = sourceProbes().texts;
    const values = await forgetting({
      texts: { glosses: glosses!, tinyworld: tinyworld! },
      tokens: 4096,
    }).forgetting(nano);
    for (const name of ["glosses", "tinyworld"]) {
      const [got, card] = [values[`source/${name}`]!, validation[name].nats_per_token];
      assert.ok(Math.abs(got - card) < 0.05 * card, `${name}: ${got}, the card says ${card}`);
    }
    assert.equal(values.forgetting, 0);
  });

  it("explains what it cannot measure", async () => {
    assert.throws(() => forgetting({ tokens: 0 }), /tokens must be a whole number from 1, got 0/);
    assert.throws(() => forgetting({ sentences: 1.5 }), /sentences must be a whole number from 1, got 1.5/);
    assert.throws(() => forgetting({ texts: {} }), /expected at least one text of what the base knows/);
    await assert.rejects(
      forgetting({ texts: { brief: "brief" } }).forgetting(base),
      /the text "brief" has 6 tokens; expected more than 32, for a window/,
    );
  });
});
