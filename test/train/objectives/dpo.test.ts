import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lora } from "../../../src/adapters";
import { LanguageModel, Tokenizer } from "../../../src/model";
import { dpo, type Preference, type TrainOptions, train } from "../../../src/train";
import { completionLogProbabilities, encodeCompletion } from "../../../src/train/objectives/completions";
import { encodePairs } from "../../../src/train/objectives/pairs";
import { tinyModel } from "../tiny-model";

const PAIRS: Preference[] = [
  { prompt: "one and one?", chosen: " two", rejected: " it is two" },
  { prompt: "red and blue?", chosen: " violet", rejected: " red" },
  { prompt: "sky?", chosen: " blue", rejected: " the sky is blue" },
];
const base = tinyModel();
const student = () => base.attach(lora({ rank: 8, alpha: 16 }));
const options = (more: Partial<TrainOptions<Preference>> = {}) => ({
  data: PAIRS,
  objective: dpo(),
  steps: 6,
  batchSize: 3,
  learningRate: 1e-2,
  ...more,
});
const close = (a: number, b: number, within = 1e-5) => assert.ok(Math.abs(a - b) < within, `${a} and ${b}`);

/** log p of a text after another, from the model's logits alone. */
async function logProbability(model: LanguageModel, prompt: string, completion: string): Promise<number> {
  const { encode, eosIds } = model.tokenizer;
  const [before, after] = [
    encode.call(model.tokenizer, prompt),
    [...encode.call(model.tokenizer, completion), eosIds[0]!],
  ];
  const ids = [...before, ...after];
  const { data, shape } = await model.logits(ids);
  const vocab = shape[2]!;
  return after.reduce((sum, id, i) => {
    const at = (before.length + i - 1) * vocab;
    const row = Array.from(data.subarray(at, at + vocab));
    const most = Math.max(...row);
    return sum + row[id]! - most - Math.log(row.reduce((total, z) => total + Math.exp(z - most), 0));
  }, 0);
}

describe("log-probabilities of completions", () => {
  it("are those of the logits, in the order of the completions, however many there are", async () => {
    const texts = Array.from({ length: 19 }, (_, i) => "x".repeat(1 + ((i * 5) % 17)));
    const sequences = texts.map((text) =>
      encodeCompletion(base.tokenizer, "ab", text, "one", { context: 32 }),
    );
    const all = await completionLogProbabilities(base, sequences);
    for (const [i, text] of texts.entries()) {
      assert.equal(all[i]!.length, text.length + 1);
      const sum = all[i]!.reduce((total, logp) => total + logp, 0);
      close(sum, await logProbability(base, "ab", text), 1e-3);
    }
  });
});

describe("DPO", () => {
  it("starts at ln 2, where policy and reference are one, and reports log-probabilities", async () => {
    const { steps } = await train(student(), options({ steps: 1 }));
    const { loss, metrics } = steps[0]!;
    close(loss, Math.LN2);
    for (const name of ["chosen", "rejected", "margins"]) close(metrics[`rewards/${name}`]!, 0, 1e-4);
    for (const which of ["chosen", "rejected"] as const) {
      const each = PAIRS.map((pair) => logProbability(base, pair.prompt as string, pair[which] as string));
      const mean = (await Promise.all(each)).reduce((sum, x) => sum + x, 0) / PAIRS.length;
      close(metrics[`logps/${which}`]!, mean, 1e-3);
    }
  });

  it("comes to prefer what is chosen, by the difference in log-probability that its metrics state", async () => {
    const model = student();
    const run = await train(model, options({ steps: 30, evaluate: { every: 30, data: PAIRS } }));
    const { values } = run.evaluations.at(-1)!;
    assert.equal(values["rewards/accuracies"], 1);
    assert.ok(values.loss! < 0.3 && values["rewards/margins"]! > 1, JSON.stringify(values));
    const ratio = async (which: "chosen" | "rejected", { prompt, ...pair }: Preference) => {
      const [a, b] = await Promise.all(
        [model, base].map((m) => logProbability(m, prompt as string, pair[which] as string)),
      );
      return 0.1 * (a! - b!);
    };
    for (const which of ["chosen", "rejected"] as const) {
      const each = await Promise.all(PAIRS.map((pair) => ratio(which, pair)));
      close(values[`rewards/${which}`]!, each.reduce((sum, x) => sum + x, 0) / PAIRS.length, 1e-3);
    }
  });

  it("evaluates a last batch that is not full like the others", async () => {
    const evaluated = async (batchSize: number) => {
      const run = await train(
        student(),
        options({ steps: 1, batchSize, learningRate: 1e-9, evaluate: { every: 1, data: PAIRS } }),
      );
      return run.evaluations[0]!.values;
    };
    const [whole, parts] = [await evaluated(3), await evaluated(2)];
    for (const name of ["loss", "logps/chosen", "logps/rejected"]) close(whole[name]!, parts[name]!, 1e-4);
  });

  it("takes conversations, whose next turn the completion is", async () => {
    const template =
      "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}" +
      "{% endfor %}{% if add_generation_prompt %}a:{% endif %}";
    const files = new Map([...base.tokenizer.files, ["chat_template.jinja", template]]);
    const chatting = new LanguageModel({ ...base.files, name: "chatting", tokenizer: new Tokenizer(files) });
    const talk = [{ role: "user", content: "hi" }];
    const [asTexts] = encodePairs(chatting, [{ prompt: "u:hia:", chosen: "yo", rejected: "no" }]);
    const turn = (content: string) => [{ role: "assistant", content }];
    for (const data of [
      { prompt: talk, chosen: "yo", rejected: "no" },
      { prompt: talk, chosen: turn("yo"), rejected: turn("no") },
    ]) {
      const [pair] = encodePairs(chatting, [data]);
      for (const which of ["chosen", "rejected"] as const) {
        assert.deepEqual(pair![which].ids, asTexts![which].ids);
        assert.equal(pair![which].from, asTexts![which].from);
      }
    }
  });

  it("adds up gradients over batches to those of one large batch", async () => {
    const sgd = { optimizer: "sgd" as const, steps: 1, maxGradientNorm: Infinity };
    const [one, three] = [student(), student()];
    const large = await train(one, options({ ...sgd }));
    const small = await train(three, options({ ...sgd, batchSize: 1, accumulate: 3 }));
    close(large.losses[0]!, small.losses[0]!);
    close(large.steps[0]!.metrics["logps/chosen"]!, small.steps[0]!.metrics["logps/chosen"]!, 1e-3);
    const values = three.adapter!.parameters.flat;
    one.adapter!.parameters.flat.forEach((x, i) => {
      close(x, values[i]!);
    });
  });

  it("repeats with the same seed, and goes on from a checkpoint as if it had never stopped", async () => {
    const folder = await mkdtemp(join(tmpdir(), "loralab-dpo-"));
    try {
      const how = { batchSize: 2, seed: 3 };
      const whole = await train(student(), options(how));
      const controller = new AbortController();
      const stopped = await train(
        student(),
        options({
          ...how,
          checkpoint: { folder },
          signal: controller.signal,
          onStep: ({ steps }) => steps.length === 3 && controller.abort(),
        }),
      );
      assert.equal(stopped.status, "stopped");
      const rest = await train(student(), options({ ...how, resume: folder }));
      assert.deepEqual(rest.losses, whole.losses);
      assert.deepEqual(
        rest.steps.map(({ metrics }) => metrics),
        whole.steps.map(({ metrics }) => metrics),
      );
      const other = train(student(), options({ ...how, resume: folder, objective: dpo({ beta: 0.5 }) }));
      await assert.rejects(other, /another run: beta is 0\.5 now and was 0\.1/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("explains what cannot be preferred", async () => {
    const rejects = (data: unknown, message: RegExp) =>
      assert.rejects(train(student(), options({ data: data as Preference[] })), message);
    const pair = PAIRS[0]!;
    await rejects([], /preference data is empty: expected a list of at least one/);
    await rejects("pairs", /preference data is empty/);
    await rejects(
      [pair, { ...pair, rejected: pair.chosen }],
      /Pair 1: chosen and rejected are the same \(" two"\)/,
    );
    await rejects([{ prompt: "a", chosen: "b" }], /Pair 0 is .*: expected \{ prompt, chosen, rejected \}/);
    await rejects([null], /Pair 0 is null: expected/);
    await rejects([{ ...pair, chosen: 3 }], /Pair 0, chosen is .*: expected a text/);
    await rejects(
      [{ ...pair, prompt: "x".repeat(40) }],
      /Pair 0, chosen \("x+"…\) has 45 tokens; the model's context is 32/,
    );
    await rejects(
      [{ ...pair, prompt: [{ role: "user", content: "hi" }] }],
      /Pair 0, chosen: .*no chat template/,
    );
    assert.throws(() => dpo({ beta: 0 }), /beta must be above 0, got 0/);
  });
});
