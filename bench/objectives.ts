/**
 * What post-training reaches on `small` in minutes, three seeds each: conversations learned with and without the mask, DPO
 * on held-out pairs, and GRPO on held-out questions with rank 1, rank 8 and all weights. Not a race: figures are accuracies,
 * rewards and seconds, by seed.
 *
 * `npm run bench -- objectives --json`; BENCH_SEEDS and BENCH_PARTS (sft,dpo,grpo,ranks) choose some of it.
 */
import { full, lora } from "../src/adapters";
import type { Method } from "../src/model/adapter";
import { type LanguageModel, loadModel } from "../src/model/language-model";
import {
  accuracy,
  answerForm,
  capitals,
  dpo,
  grpo,
  largestDigit,
  type Run,
  rewardDigit,
  rewardModel,
  shortAnswers,
  train,
} from "../src/train";

const SEEDS = (process.env.BENCH_SEEDS ?? "0,1,2").split(",").map(Number);
const PARTS = (process.env.BENCH_PARTS ?? "sft,dpo,grpo,ranks").split(",");
const adapter = () => lora({ rank: 8, alpha: 16 });
const quiet = { display: false } as const;

type Figures = Record<string, number>;

/** Wall time and processor time of all cores, in seconds, beside what the work found. */
async function timed(work: () => Promise<Figures>): Promise<Figures> {
  const started = performance.now();
  const before = process.cpuUsage();
  const figures = await work();
  const { user, system } = process.cpuUsage(before);
  return { ...figures, seconds: (performance.now() - started) / 1000, cpuSeconds: (user + system) / 1e6 };
}

/** Capitals as conversations: how many of the held-out questions are answered right, and the loss on the answers alone. */
function sftMasked(base: LanguageModel, seed: number): Promise<Figures> {
  return timed(async () => {
    const task = capitals({ seed });
    const talk = ({ prompt, completion }: { prompt: string; completion: string }) => ({
      messages: [
        { role: "user", content: prompt },
        { role: "assistant", content: completion.trim() },
      ],
    });
    const asked = task.heldOut.map((question) => ({
      ...question,
      prompt: base.tokenizer.applyChatTemplate(talk(question).messages.slice(0, 1), {
        addGenerationPrompt: true,
      }),
    }));
    const figures: Figures = {};
    for (const [name, completionOnly] of [
      ["masked", true],
      ["unmasked", false],
    ] as const) {
      const student = base.attach(adapter(), { seed });
      const data = task.train.map(talk);
      const how = { steps: 100, batchSize: 8, learningRate: 2e-3, schedule: "linear", seed } as const;
      await train(student, { data, ...how, completionOnly, ...quiet });
      figures[name] = (await accuracy(student, asked)).fraction;
    }
    return figures;
  });
}

/** Preference for short answers, learned by DPO, and by a reward model, on countries and a wording that no pair has. */
function preferences(base: LanguageModel, seed: number): Promise<Figures> {
  return timed(async () => {
    const task = shortAnswers({ seed });
    const first = base.attach(adapter(), { seed });
    const how = { batchSize: 8, seed, ...quiet };
    await train(first, { data: task.examples, steps: 150, learningRate: 2e-3, schedule: "linear", ...how });
    const start = first.merge();
    const forms = async (model: LanguageModel) => {
      const prompts = task.heldOut.map(({ prompt }) => prompt);
      const answers = await model.generateBatch(prompts, { temperature: 1, maxTokens: 24, seed });
      const form = answers.map(({ text }, i) => answerForm(text, task.heldOut[i]!));
      const part = (which: string) => form.filter((f) => f === which).length / form.length;
      return { short: part("short"), wrong: part("wrong") };
    };
    // One pass: the reference is asked for every pair beforehand, so there are no more than will be used.
    const once = task.train.slice(0, 20 * how.batchSize);
    const student = start.attach(adapter(), { seed });
    const run = await train(student, {
      data: once,
      objective: dpo(),
      steps: 20,
      evaluate: { every: 20, data: task.heldOut },
      ...how,
    });
    const judge = start.attach(lora({ rank: 8, alpha: 16, modulesToSave: ["score"] }), { seed });
    const judged = await train(judge, {
      data: once,
      objective: rewardModel(),
      steps: 20,
      evaluate: { every: 20, data: task.heldOut },
      ...how,
    });
    const [before, after] = [await forms(start), await forms(student)];
    const [at0, at1] = run.evaluations.map(({ values }) => values);
    return {
      accuracyBefore: at0!["rewards/accuracies"]!,
      accuracyAfter: at1!["rewards/accuracies"]!,
      marginAfter: at1!["rewards/margins"]!,
      logpsChosenBefore: at0!["logps/chosen"]!,
      logpsChosenAfter: at1!["logps/chosen"]!,
      shortBefore: before.short,
      shortAfter: after.short,
      wrongBefore: before.wrong,
      wrongAfter: after.wrong,
      rewardModelAccuracy: judged.evaluations.at(-1)!.values.accuracy!,
    };
  });
}

const RANKS: Record<string, { method: () => Method; learningRate: number }> = {
  rank8: { method: adapter, learningRate: 5e-4 },
  rank1: { method: () => lora({ rank: 1, alpha: 16 }), learningRate: 5e-4 },
  full: { method: full, learningRate: 5e-5 },
};

/** The largest of three digits, by reward alone, after examples that are right in a third of the cases. */
function largest(base: LanguageModel, seed: number, which: string): Promise<Figures> {
  return timed(async () => {
    const task = largestDigit({ seed });
    const first = base.attach(adapter(), { seed });
    const how = { batchSize: 8, seed, ...quiet };
    await train(first, { data: task.examples, steps: 100, learningRate: 2e-3, schedule: "linear", ...how });
    const { method, learningRate } = RANKS[which]!;
    const student = first.merge().attach(method(), { seed });
    const run = await train(student, {
      data: task.train,
      objective: grpo({ reward: rewardDigit, maxTokens: 4 }),
      steps: 80,
      learningRate,
      evaluate: { every: 80, data: task.heldOut },
      ...how,
    });
    const [before, after] = run.evaluations.map(({ values }) => values.reward!);
    return {
      heldOutBefore: before!,
      heldOutAfter: after!,
      rewardFirst: rewardOf(run, 0, 10),
      rewardLast: rewardOf(run, -10),
      klLast: run.steps.at(-1)!.metrics.kl!,
      millisecondsPerStep: (1000 * run.seconds) / run.steps.length,
    };
  });
}

function rewardOf(run: Run, from: number, to?: number): number {
  const some = run.steps.slice(from, to).map(({ metrics }) => metrics.reward!);
  return some.reduce((sum, reward) => sum + reward, 0) / some.length;
}

export async function objectivesBench(): Promise<Record<string, unknown>> {
  const base = await loadModel(process.env.BENCH_MODEL ?? "small");
  const results: Record<string, number[]> = {};
  const keep = (part: string, figures: Figures) => {
    for (const [name, value] of Object.entries(figures)) {
      const key = `${part}.${name}`;
      results[key] = [...(results[key] ?? []), Number(value.toPrecision(4))];
    }
    console.error(part, JSON.stringify(figures));
  };
  for (const seed of SEEDS) {
    if (PARTS.includes("sft")) keep("sft", await sftMasked(base, seed));
    if (PARTS.includes("dpo")) keep("dpo", await preferences(base, seed));
    const ranks = [
      ...(PARTS.includes("grpo") ? ["rank8"] : []),
      ...(PARTS.includes("ranks") ? ["rank1", "full"] : []),
    ];
    for (const rank of ranks) keep(`grpo.${rank}`, await largest(base, seed, rank));
  }
  return results;
}
