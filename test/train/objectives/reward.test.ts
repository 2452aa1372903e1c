import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadAdapter, lora, saveAdapter } from "../../../src/adapters";
import { rewardModel, rewards, train } from "../../../src/train";
import { tinyModel } from "../tiny-model";

const PAIRS = ["one", "two", "red", "blue", "sky"].map((word) => ({
  prompt: `${word}?`,
  chosen: ` ${word}`,
  rejected: ` it is ${word}`,
}));
const base = tinyModel();
const judge = () => base.attach(lora({ rank: 4, modulesToSave: ["score"] }));
const options = { data: PAIRS, objective: rewardModel(), steps: 40, batchSize: 5, learningRate: 1e-2 };

describe("a reward model", () => {
  it("starts undecided, at ln 2, and learns which of two is preferred", async () => {
    const model = judge();
    const run = await train(model, { ...options, evaluate: { every: 40, data: PAIRS } });
    assert.ok(Math.abs(run.losses[0]! - Math.LN2) < 1e-6, `${run.losses[0]}`);
    const { values } = run.evaluations.at(-1)!;
    assert.equal(values.accuracy, 1);
    assert.ok(values.loss! < 0.1 && values.margin! > 1, JSON.stringify(values));
  });

  it("gives the rewards whose difference its margin states, to any number of completions", async () => {
    const model = judge();
    const run = await train(model, { ...options, evaluate: { every: 40, data: PAIRS } });
    const many = Array.from({ length: 4 }, () => PAIRS).flat();
    const [chosen, rejected] = await Promise.all(
      (["chosen", "rejected"] as const).map((which) =>
        rewards(
          model,
          many.map(({ prompt, [which]: completion }) => ({ prompt, completion })),
        ),
      ),
    );
    const margin = chosen!.reduce((sum, r, i) => sum + r - rejected![i]!, 0) / many.length;
    assert.ok(Math.abs(margin - run.evaluations.at(-1)!.values.margin!) < 1e-3);
    assert.deepEqual(await rewards(model, []), []);
  });

  it("comes back from PEFT's files as it was", async () => {
    const model = judge();
    await train(model, { ...options, steps: 5 });
    const folder = await mkdtemp(join(tmpdir(), "loralab-reward-"));
    try {
      await saveAdapter(model, folder);
      const loaded = await loadAdapter(base, folder);
      const asked = [{ prompt: "one?", completion: " one" }];
      assert.deepEqual(await rewards(loaded, asked), await rewards(model, asked));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("leaves the language model as able to write as it was", async () => {
    const model = judge();
    const ids = [5, 6, 7];
    const { data } = await model.logits(ids);
    assert.deepEqual(data, (await base.logits(ids)).data);
  });

  it("says what it needs", async () => {
    const plain = base.attach(lora({ rank: 4 }));
    const message = /needs the layer "score"[\s\S]*modulesToSave: \["score"\]/;
    await assert.rejects(train(plain, options), message);
    await assert.rejects(rewards(plain, [{ prompt: "a", completion: "b" }]), message);
    const long = [{ prompt: "x".repeat(31), completion: "y" }];
    await assert.rejects(rewards(judge(), long), /Completion 0 .* has 33 tokens/);
    await assert.rejects(train(judge(), { ...options, data: [] }), /preference data is empty/);
  });
});
