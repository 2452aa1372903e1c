import assert from "node:assert/strict";
import { lora, type MixtureAdapter, mixture, routing, saveAdapter } from "../../src/adapters";
import type { HostArray } from "../../src/engine";
import type { LanguageModel } from "../../src/model/language-model";
import { evaluateLoss, train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";
import { gradientOf, IDS, maxDifference, scramble } from "./support";

const adapterOf = (model: LanguageModel) => model.adapter as MixtureAdapter;
const rowsOf = ({ data, shape }: HostArray): number[][] =>
  Array.from({ length: shape[0]! }, (_, i) => [...data.subarray(i * shape[1]!, (i + 1) * shape[1]!)]);
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

describe("a mixture of LoRAs", () => {
  const base = tinyModel();

  it("starts exactly at the base", async () => {
    const student = base.attach(mixture({ targets: "all-linear" }));
    assert.deepEqual((await student.logits(IDS)).data, (await base.logits(IDS)).data);
  });

  it("is LoRA where there is one expert", async () => {
    const one = scramble(base.attach(mixture({ experts: 1, topK: 1, rank: 4, alpha: 6 })));
    const plain = base.attach(lora({ rank: 4, alpha: 6, targets: "mlp" }));
    for (const { path, a, b } of adapterOf(one).mixtures) {
      plain.adapter!.parameters.set(`${path}.lora_A.weight`, one.adapter!.parameters.get(a).data);
      plain.adapter!.parameters.set(`${path}.lora_B.weight`, one.adapter!.parameters.get(b).data);
    }
    assert.ok(maxDifference((await one.logits(IDS)).data, (await plain.logits(IDS)).data) < 1e-4);
  });

  it("has n experts of rank r and a gate for each target", () => {
    const { parameters, mixtures } = adapterOf(base.attach(mixture({ experts: 3, topK: 2, rank: 4 })));
    assert.equal(mixtures.length, 2 * 3);
    const [d, mlp] = [32, 48];
    assert.equal(parameters.size, 2 * 3 * 3 * (4 * (d + mlp)) + 2 * 3 * (d + d + mlp));
  });

  it("gives each token k experts, with weights that sum to 1", async () => {
    for (const topK of [1, 2, 5]) {
      const student = scramble(base.attach(mixture({ experts: 5, topK, rank: 2 })));
      const gates = await routing(student, IDS);
      assert.equal(gates.size, 6);
      for (const gate of gates.values()) {
        assert.deepEqual(gate.shape, [IDS.length, 5]);
        for (const weights of rowsOf(gate)) {
          assert.equal(weights.filter((w) => w > 0).length, topK);
          assert.ok(Math.abs(sum(weights) - 1) < 1e-5);
        }
      }
    }
  });

  it("trains of the experts only those that are asked, and the gate through all", async () => {
    const student = scramble(base.attach(mixture({ experts: 6, topK: 1, rank: 2, balance: 0 })));
    const { mixtures } = adapterOf(student);
    const gradient = await gradientOf(student);
    const text = [...IDS, 1, 2];
    const gates = await routing(student, text);
    let idle = 0;
    for (const { path, a } of mixtures) {
      const asked = new Set(rowsOf(gates.get(path)!).map((weights) => weights.indexOf(1)));
      const rows = rowsOf(gradient.get(a)!);
      for (let expert = 0; expert < 6; expert++) {
        const still = [...rows[2 * expert]!, ...rows[2 * expert + 1]!].every((x) => x === 0);
        assert.equal(still, !asked.has(expert), `${path}, expert ${expert}`);
        if (still) idle++;
      }
    }
    assert.ok(idle > 0);
  });

  it("is drawn by the balance from asking one expert always towards asking all alike", async () => {
    const data = ["abc", "def", "sky blue", "one and one"];
    const busiest = async (balance: number) => {
      const student = base.attach(mixture({ experts: 4, topK: 1, rank: 2, balance }));
      const { mixtures, parameters } = adapterOf(student);
      // A gate of zeros finds all equal, and of equal ones takes the first.
      for (const { gate } of mixtures)
        parameters.set(gate, new Float32Array(parameters.get(gate).data.length));
      const { steps } = await train(student, { data, steps: 40, batchSize: 4, learningRate: 1e-2 });
      const chosen = await Promise.all(data.map((text) => routing(student, student.tokenizer.encode(text))));
      const shares = mixtures.map(({ path }) => {
        const rows = chosen.flatMap((gates) => rowsOf(gates.get(path)!));
        return Math.max(...[0, 1, 2, 3].map((i) => sum(rows.map((weights) => weights[i]!)) / rows.length));
      });
      return { share: sum(shares) / shares.length, penalty: steps[0]!.metrics.penalty };
    };
    const [free, balanced] = [await busiest(0), await busiest(3)];
    // With one expert at a time the gate learns from the balance alone.
    assert.deepEqual(free, { share: 1, penalty: undefined });
    assert.ok(balanced.share < 0.7, `${balanced.share}`);
    // n·Σ Fᵢ·Pᵢ = 4·(1·¼)
    assert.ok(Math.abs(balanced.penalty! - 3) < 1e-5);
  });

  it("cannot be merged or saved as PEFT's", async () => {
    const student = base.attach(mixture());
    assert.throws(() => student.merge(), /merge: a mixture cannot be merged: which experts/);
    await assert.rejects(saveAdapter(student, "/nowhere"), /"mixture" adapter has no PEFT file/);
  });

  it("explains settings that cannot be", async () => {
    assert.throws(() => mixture({ topK: 9 }), /mixture: topK 9 is more than there are experts, 8/);
    assert.throws(() => mixture({ experts: 0 }), /experts must be a whole number from 1, got 0/);
    assert.throws(() => mixture({ balance: -1 }), /balance must be at least 0, got -1/);
    assert.throws(() => base.attach(mixture({ rank: 33 })), /mixture: rank 33 is above what .* can have/);
    await assert.rejects(routing(base, IDS), /expected a model with a mixture in use, got no adapter/);
    await assert.rejects(routing(base.attach(mixture()), []), /expected 1 to 32 tokens, got 0/);
  });
});

describe("two kinds of input: letters and digits", () => {
  const next = (of: string) =>
    [...of].slice(0, -1).map((from, i) => ({ prompt: `${from}>`, completion: of[i + 1]! }));
  const letters = next("abcdefghijk");
  const digits = next("0123456789");
  const base = tinyModel();
  const options = { steps: 150, batchSize: 10, learningRate: 1e-2, schedule: "linear" as const };
  const method = { rank: 4, targets: "mlp" as const };

  it("a LoRA for each and a fixed switch answer both, the wrong one of the two does not", async () => {
    const one = base.attach(lora(method), { name: "letters" });
    await train(one, { data: letters, ...options });
    const model = one.attach(lora(method), { name: "digits" });
    await train(model, { data: digits, ...options });
    const tests = [...letters, ...digits];
    const names = tests.map(({ prompt }) => (/\d/.test(prompt) ? "digits" : "letters"));
    const prompts = tests.map(({ prompt }) => prompt);
    const answers = await model.useByRow(names).generateBatch(prompts, { maxTokens: 1 });
    const right = answers.filter(({ text }, i) => text === tests[i]!.completion).length;
    const loss = async (name: string, data: typeof letters) => evaluateLoss(model.use(name), data);
    assert.ok(right >= tests.length - 1, `${right} of ${tests.length}`);
    assert.ok((await loss("letters", digits)) > 10 * (await loss("digits", digits)));
    // The switch leaves each as it was trained by itself.
    assert.deepEqual(await loss("letters", letters), await evaluateLoss(one, letters));
  });

  it("a mixture with a learned gate answers both, without being told which is which", async () => {
    const tests = [...letters, ...digits];
    const model = base.attach(mixture({ ...method, experts: 4 }));
    await train(model, { data: tests, ...options, steps: 300 });
    const answers = await model.generateBatch(
      tests.map(({ prompt }) => prompt),
      { maxTokens: 1 },
    );
    const right = answers.filter(({ text }, i) => text === tests[i]!.completion).length;
    assert.ok(right >= tests.length - 1, `${right} of ${tests.length}`);
    // More than two experts are in use, and not by all tokens alike.
    const gates = await Promise.all(
      tests.map(({ prompt }) => routing(model, model.tokenizer.encode(prompt))),
    );
    const { path } = adapterOf(model).mixtures[0]!;
    const pairs = gates.map((of) =>
      rowsOf(of.get(path)!)[0]!
        .flatMap((w, i) => (w > 0 ? [i] : []))
        .join(),
    );
    assert.ok(new Set(pairs).size > 2);
  });
});
