import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lora } from "../../../src/adapters";
import {
  type GrpoSettings,
  grpo,
  type Prompted,
  rewardModel,
  rewards,
  type TrainOptions,
  train,
} from "../../../src/train";
import { advantages } from "../../../src/train/objectives/rollouts";
import { tinyModel } from "../tiny-model";

const PROMPTS = ["one", "two", "three"].map((prompt) => ({ prompt }));
const base = tinyModel();
const student = () => base.attach(lora({ rank: 8, alpha: 16 }));
/** The part of a text that is lower-case letters: of a random model's bytes about a tenth. */
const letters = (_prompt: string, text: string) => text.replace(/[^a-z]/g, "").length / 4;
const options = (settings: Partial<GrpoSettings> = {}, more: Partial<TrainOptions<Prompted>> = {}) => ({
  data: PROMPTS,
  objective: grpo({ reward: letters, maxTokens: 4, groupSize: 4, ...settings }),
  steps: 4,
  batchSize: 2,
  learningRate: 1e-2,
  ...more,
});

describe("advantages", () => {
  it("are deviations from the group's mean in units of its sample standard deviation", () => {
    const [a, b, c, d] = advantages([1, 0, 0, 1, 5, 5], 2);
    // Of 1 and 0: mean ½, standard deviation √½.
    const unit = 0.5 / (Math.SQRT1_2 + 1e-4);
    for (const [got, want] of [
      [a, unit],
      [b, -unit],
      [c, -unit],
      [d, unit],
    ])
      assert.ok(Math.abs(got! - want!) < 1e-12);
    assert.deepEqual(advantages([5, 5], 2), [0, 0]);
  });
});

describe("GRPO", () => {
  it("raises the reward", async () => {
    const model = student();
    const run = await train(
      model,
      options({ groupSize: 8 }, { steps: 40, batchSize: 3, evaluate: { every: 40, data: PROMPTS } }),
    );
    const mean = (from: number, to?: number) => {
      const some = run.steps.slice(from, to).map(({ metrics }) => metrics.reward!);
      return some.reduce((sum, x) => sum + x, 0) / some.length;
    };
    assert.ok(mean(-5) > 2 * mean(0, 5) && mean(-5) > 0.5, `${mean(0, 5)} → ${mean(-5)}`);
    assert.ok(run.evaluations[1]!.values.reward! > run.evaluations[0]!.values.reward!);
    assert.ok(run.steps.at(-1)!.metrics.kl! > 0.01);
  });

  it("starts at the reference: no divergence, and a loss of zero, since advantages sum to zero", async () => {
    const { steps } = await train(student(), options({}, { steps: 1 }));
    const { loss, metrics } = steps[0]!;
    assert.ok(Math.abs(loss) < 1e-5 && Math.abs(metrics.kl!) < 1e-6, `${loss} ${metrics.kl}`);
    assert.ok(metrics.entropy! > 1 && metrics.entropy! < Math.log(257));
    assert.equal(metrics["clip_ratio/region_mean"], 0);
    assert.ok(metrics["completions/mean_length"]! <= 4);
  });

  it("needs no reference where the divergence has no weight", async () => {
    const { steps } = await train(student(), options({ beta: 0 }, { steps: 1 }));
    assert.equal("kl" in steps[0]!.metrics, false);
  });

  it("waits for rewards, and gives them the prompt, the completion and the example", async () => {
    const seen: unknown[] = [];
    const data = [{ prompt: "one", answer: 1 }];
    await train(student(), {
      ...options({}, { steps: 1, batchSize: 1 }),
      data,
      objective: grpo<{ prompt: string; answer: number }>({
        maxTokens: 4,
        groupSize: 2,
        reward: async (prompt, completion, example) => {
          await new Promise((resolve) => setTimeout(resolve, 1));
          seen.push([prompt, typeof completion, example]);
          return completion.length;
        },
      }),
    });
    assert.deepEqual(seen, Array(2).fill(["one", "string", data[0]]));
  });

  it("learns from a trained reward model", async () => {
    const judge = base.attach(lora({ rank: 4, modulesToSave: ["score"] }));
    const pairs = PROMPTS.map(({ prompt }) => ({ prompt, chosen: "aaaa", rejected: "ZZZZ" }));
    await train(judge, {
      data: pairs,
      objective: rewardModel(),
      steps: 30,
      batchSize: 3,
      learningRate: 1e-2,
    });
    const run = await train(student(), options({ reward: judge }, { steps: 2 }));
    const { reward } = run.steps[0]!.metrics;
    const [good, bad] = await rewards(
      judge,
      ["aaaa", "ZZZZ"].map((completion) => ({ prompt: "one", completion })),
    );
    assert.ok(reward! < good! && good! > bad!, `${bad} ${reward} ${good}`);
  });

  it("takes several steps on the same completions, which then clip", async () => {
    let asked = 0;
    const reward = (prompt: string, text: string) => {
      asked++;
      return letters(prompt, text);
    };
    const run = await train(
      student(),
      options({ reward, iterations: 3, clip: 0.01 }, { steps: 6, learningRate: 3e-2 }),
    );
    assert.equal(asked, 2 * 2 * 4);
    const clipped = run.steps.map(({ metrics }) => metrics["clip_ratio/region_mean"]!);
    assert.ok(clipped[0] === 0 && clipped[3] === 0 && clipped[2]! > 0.05, `${clipped}`);
    const rewardsSeen = run.steps.map(({ metrics }) => metrics.reward);
    assert.equal(new Set(rewardsSeen.slice(0, 3)).size, 1);
  });

  it("repeats with the same seed, and goes on from a checkpoint, even between steps on the same completions", async () => {
    const folder = await mkdtemp(join(tmpdir(), "loralab-grpo-"));
    try {
      const how = { steps: 6, accumulate: 2 };
      const run = (more: Partial<TrainOptions<Prompted>>, seed = 1) =>
        train(student(), options({ iterations: 2 }, { ...how, seed, ...more }));
      const whole = await run({});
      const controller = new AbortController();
      await run({
        checkpoint: { folder },
        signal: controller.signal,
        onStep: ({ steps }) => steps.length === 3 && controller.abort(),
      });
      const rest = await run({ resume: folder });
      const course = ({ steps }: typeof whole) => steps.map(({ loss, metrics }) => ({ loss, ...metrics }));
      assert.deepEqual(course(rest), course(whole));
      assert.notDeepEqual((await run({}, 2)).losses, whole.losses);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("stops in the midst of sampling, without a step on half of the completions", async () => {
    const controller = new AbortController();
    let asked = 0;
    const model = student();
    const run = await train(
      model,
      options(
        {
          reward: () => {
            asked++;
            return asked;
          },
        },
        {
          steps: 50,
          signal: controller.signal,
          // The second step's sampling has begun when this comes.
          onStep: () => void setTimeout(() => controller.abort(), 0),
        },
      ),
    );
    assert.equal(run.status, "stopped");
    assert.ok(run.steps.length <= 2 && asked <= 2 * 8, `${run.steps.length} steps, ${asked} rewards`);
  });

  it("keeps the weights of the last step when a reward fails, and names the completion", async () => {
    const failing = async (reward: unknown, message: RegExp) => {
      const model = student();
      let calls = 0;
      const later = (...args: [string, string]) =>
        ++calls <= 8 ? letters(...args) : (reward as (...args: [string, string]) => number)(...args);
      await assert.rejects(train(model, options({ reward: later })), message);
      const same = student();
      await train(same, options({}, { steps: 1 }));
      assert.deepEqual(model.adapter!.parameters.flat, same.adapter!.parameters.flat);
    };
    await failing(() => {
      throw new Error("no judge at home");
    }, /reward function failed on the completion ".*" of "(one|two|three)": no judge at home/s);
    await failing(() => Number.NaN, /reward of the completion .* is NaN: expected one finite number/s);
    await failing(() => [1, 2], /is \[1,2\]: expected one finite number/);
    await failing(() => undefined, /is undefined: expected one finite number/);
  });

  it("explains settings and prompts that cannot be", async () => {
    const reward = letters;
    assert.throws(() => grpo({ reward, groupSize: 1 }), /groupSize must be a whole number from 2, got 1/);
    assert.throws(() => grpo({ reward, temperature: 0 }), /temperature must be above 0/);
    assert.throws(() => grpo({ reward, beta: -1 }), /beta must be at least 0/);
    assert.throws(() => grpo({ reward, clip: 1 }), /clip must be between 0 and 1/);
    assert.throws(() => grpo({ reward, maxTokens: 0 }), /maxTokens must be a whole number from 1/);
    assert.throws(() => grpo({ reward, iterations: 1.5 }), /iterations must be a whole number from 1/);
    assert.throws(() => grpo({} as never), /reward must be a function/);
    const rejects = (data: unknown, message: RegExp) =>
      assert.rejects(train(student(), options({}, { data: data as Prompted[] })), message);
    await rejects([], /no prompts: expected a list of at least one/);
    await rejects([{ question: "a" }], /Prompt 0 is .*: expected \{ prompt \}/);
    await rejects([{ prompt: "" }], /Prompt 0 is empty/);
    await rejects(
      [{ prompt: "one" }, { prompt: "x".repeat(32) }],
      /Prompt 1 .* has 32 tokens; the model's context is 32, which leaves no room/,
    );
    await rejects([{ prompt: [{ role: "user", content: "hi" }] }], /no chat template/);
  });
});
