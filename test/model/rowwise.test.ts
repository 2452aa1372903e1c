import assert from "node:assert/strict";
import { dora, houlsby, lora } from "../../src/adapters";
import { train } from "../../src/train";
import { IDS, maxDifference, scramble } from "../adapters/support";
import { tinyModel } from "../train/tiny-model";

describe("an adapter for each row of a batch", () => {
  const base = tinyModel();
  const one = scramble(base.attach(lora({ rank: 4 }), { name: "one" }), 0.3);
  const two = scramble(one.attach(dora({ rank: 2, targets: ["v_proj"] }), { name: "two" }), 0.3);
  const model = scramble(two.attach(houlsby({ bottleneck: 4 }), { name: "three" }), 0.3);
  const names = ["two", null, "one", "three", "one"];
  const rows = names.map((_, i) => IDS.map((id) => (id + 31 * i) % 257));

  it("gives each the logits that its adapter alone gives it", async () => {
    const { vocabSize } = base.config;
    const mixed = (await model.useByRow(names).logits(rows)).data;
    for (const [i, name] of names.entries()) {
      const alone = (await model.use(name).logits(rows[i]!)).data;
      const at = i * IDS.length * vocabSize;
      assert.ok(maxDifference(alone, mixed.subarray(at, at + alone.length)) < 1e-4, `row ${i}`);
    }
    // The adapters make a difference.
    assert.ok(maxDifference(mixed, (await base.logits(rows)).data) > 0.1);
  });

  it("continues each text as its adapter alone does, prompts of several lengths together", async () => {
    const prompts = rows.map((row, i) => row.slice(0, 2 + i));
    const together = await model.useByRow(names).generateBatch(prompts, { maxTokens: 8 });
    for (const [i, name] of names.entries()) {
      const alone = await model.use(name).generate(prompts[i]!, { maxTokens: 8 });
      assert.deepEqual(together[i]!.ids, alone.ids, `row ${i}`);
    }
  });

  it("takes the adapters' values as they are when it is used", async () => {
    const student = base.attach(lora({ rank: 2 }), { name: "later" });
    const mixed = student.useByRow(["later", null]);
    const before = (await mixed.logits([IDS, IDS])).data;
    await train(student, { data: ["sky blue"], steps: 3, learningRate: 1e-2 });
    const after = (await mixed.logits([IDS, IDS])).data;
    const half = after.length / 2;
    assert.ok(maxDifference(after.subarray(0, half), before.subarray(0, half)) > 1e-3);
    assert.deepEqual(after.subarray(half), before.subarray(half));
  });

  it("tells adapters of one form apart, though they share programs", async () => {
    const a = scramble(base.attach(lora({ rank: 2 }), { name: "a" }), 0.3);
    const b = a.attach(lora({ rank: 2 }), { name: "b", seed: 1 });
    scramble(b, 0.2);
    const [ofA, ofB] = [(await b.use("a").logits(IDS)).data, (await b.use("b").logits(IDS)).data];
    assert.ok(maxDifference(ofA, ofB) > 0.01);
    for (const order of ["ab", "ba", "aa", "bb", "aab", "aba", "baa"]) {
      const rows = [...order];
      const { data } = await b.useByRow(rows).logits(rows.map(() => IDS));
      rows.forEach((name, i) => {
        const row = data.subarray(i * ofA.length, (i + 1) * ofA.length);
        assert.ok(maxDifference(row, name === "a" ? ofA : ofB) < 1e-4, `${order}, row ${i}`);
      });
    }
  });

  it("explains batches and names that do not fit, and what such a model cannot do", async () => {
    const mixed = model.useByRow(["one", null]);
    await assert.rejects(
      mixed.logits([IDS, IDS, IDS]),
      /adapters for 2 rows, but the batch has 3: give one name for each text/,
    );
    assert.throws(() => model.useByRow(["one", "four"]), /no adapter "four"; attached are one, two, three/);
    assert.throws(() => model.useByRow([]), /expected a name, or null, for each row; got none/);
    assert.throws(() => mixed.merge(), /no adapter is in use/);
    await assert.rejects(train(mixed, { data: ["sky"], steps: 1 }), /no adapter in use/);
    assert.equal(mixed.use("one").active, "one");
    assert.equal(mixed.use("one").rows, undefined);
  });
});
