/**
 * Recipes, run with the real TRL, PEFT and transformers on the CPU: the losses follow the run's step by step, and what was
 * trained there is worth the same here.
 *
 * Both sides compute in float32 and sum in other orders: one step's loss differs by about 1e-6 of itself. Each step carries
 * the difference on and Adam divides small gradients by their own size, so over a dozen steps it has been seen to
 * grow to 1e-5; 1e-3 is well above that and far below what one other batch, mask or learning rate would do.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { dora, lora, pissa } from "../../src/adapters";
import { compare } from "../../src/display";
import { type LanguageModel, loadModel } from "../../src/model";
import { exportRecipe, importRun } from "../../src/recipe";
import {
  capitals,
  dpo,
  type Example,
  evaluateLoss,
  grpo,
  largestDigit,
  type Run,
  rewardDigit,
  shortAnswers,
  train,
} from "../../src/train";

const FOLLOWS = 1e-3;
const TRAIN = ["train.py"];
const QUIET = { display: false, record: false } as const;

describe("recipes under TRL and PEFT", function () {
  this.timeout(600_000);
  const folder = mkdtempSync(join(tmpdir(), "loralab-recipe-"));
  const place = (name: string) => join(folder, name);
  const runs: Record<string, Run> = {};
  const bases: Record<string, LanguageModel> = {};
  const task = capitals({ countries: 10 });
  const heldOut = task.heldOut.slice(0, 10);

  before(async () => {
    const base = await loadModel("nano");
    const pairs = shortAnswers({ countries: 10 });
    const digits = largestDigit();
    const taught = base.attach(lora({ rank: 8 }));
    await train(taught, { data: digits.examples, steps: 60, batchSize: 16, learningRate: 1e-2, ...QUIET });
    Object.assign(bases, { sft: base, packed: base, dpo: base, grpo: taught.merge() });

    runs.sft = await train(base.attach(lora({ rank: 4, alpha: 8 }), { seed: 3 }), {
      data: task.train,
      steps: 12,
      batchSize: 4,
      accumulate: 2,
      learningRate: 5e-3,
      schedule: "cosine",
      warmup: 3,
      weightDecay: 0.1,
      maxGradientNorm: 0.5,
      seed: 5,
      evaluate: { every: 5, data: heldOut },
      ...QUIET,
    });
    await exportRecipe(runs.sft, place("sft"));
    const method = lora({ rank: 4, targets: ["q_proj", "v_proj"], init: pissa, loraPlusRatio: 4 });
    const conversation = (question: string, answer: string) => ({
      messages: [
        { role: "user" as const, content: question },
        { role: "assistant" as const, content: answer.trim() },
      ],
    });
    const mixed = task.train.map(
      ({ prompt, completion }, i): Example =>
        i % 2 ? conversation(prompt, completion) : { text: prompt + completion },
    );
    runs.packed = await train(base.attach(method), {
      data: mixed,
      steps: 8,
      batchSize: 2,
      packing: true,
      sequenceLength: 64,
      learningRate: 2e-3,
      schedule: "linear",
      ...QUIET,
    });
    await exportRecipe(runs.packed, place("packed"));
    runs.dpo = await train(base.attach(dora({ rank: 4 })), {
      objective: dpo(),
      data: pairs.train,
      steps: 8,
      batchSize: 4,
      learningRate: 5e-3,
      weightDecay: 0.1,
      evaluate: { every: 4, data: pairs.heldOut.slice(0, 8) },
      ...QUIET,
    });
    await exportRecipe(runs.dpo, place("dpo"));
    runs.grpo = await train(bases.grpo!.attach(lora({ rank: 4 })), {
      objective: grpo({ reward: rewardDigit, groupSize: 4, maxTokens: 6 }),
      data: digits.train,
      steps: 3,
      batchSize: 4,
      learningRate: 1e-3,
      evaluate: { every: 2, data: digits.heldOut },
      ...QUIET,
    });
    await exportRecipe(runs.grpo, place("grpo"));
    // Two at a time, a thread for each.
    const [a, b, c, d] = Object.keys(runs);
    await Promise.all([
      trainInPython(a!).then(() => trainInPython(b!)),
      trainInPython(c!).then(() => trainInPython(d!)),
    ]);
    await trainInPython(
      "sft",
      "-m",
      "torch.distributed.run",
      "--nproc_per_node",
      "2",
      ...TRAIN,
      "--output",
      "two",
    );
  });
  after(() => rmSync(folder, { recursive: true }));

  async function trainInPython(name: string, ...given: string[]): Promise<void> {
    const { PYTHON } = process.env;
    if (!PYTHON) throw new Error("Set PYTHON to an interpreter that has torch, transformers, peft and trl.");
    const env = {
      ...process.env,
      HF_HUB_OFFLINE: "1",
      OMP_NUM_THREADS: "1",
      ACCELERATE_USE_CPU: "true",
      HF_DATASETS_CACHE: place("cache"),
    };
    await promisify(execFile)(PYTHON, given.length > 0 ? given : TRAIN, {
      cwd: place(name),
      env,
      maxBuffer: 2 ** 26,
    });
  }

  function close(what: string, got: number, want: number, tolerance = FOLLOWS) {
    const error = Math.abs(got - want) / Math.max(Math.abs(want), 1e-12);
    assert.ok(error < tolerance, `${what}: ${got} in Python, ${want} here: they differ by ${error} of it`);
  }

  for (const [title, name, output] of [
    ["sft", "sft", "output"],
    ["sft on two processes", "sft", "two"],
    ["sft of packed rows, LoRA+ from PiSSA's start", "packed", "output"],
    ["dpo of DoRA", "dpo", "output"],
  ] as const) {
    it(`${title}: losses, gradients and learning rates follow the run's`, async () => {
      const [mine, { run }] = [runs[name]!, await importRun(join(place(name), output))];
      assert.equal(run.status, "finished");
      assert.equal(run.steps.length, mine.steps.length);
      for (const [i, step] of run.steps.entries()) {
        const want = mine.steps[i]!;
        close(`loss of step ${step.step}`, step.loss, want.loss);
        close(`gradient of step ${step.step}`, step.gradientNorm, want.gradientNorm, 5 * FOLLOWS);
        close(`learning rate of step ${step.step}`, step.learningRate, want.learningRate, 1e-6);
      }
      assert.deepEqual(
        run.evaluations.map(({ step }) => step),
        mine.evaluations.map(({ step }) => step),
      );
      for (const [i, { step, values }] of run.evaluations.entries())
        close(`held-out loss at ${step}`, values.loss!, mine.evaluations[i]!.values.loss!);
    });
  }

  it("what was trained there has the same held-out loss here", async () => {
    const { run, student } = await importRun(place("sft"), bases.sft!);
    const here = await evaluateLoss(student, heldOut);
    close("held-out loss", run.outcome["held-out loss"]!, here, 1e-5);
    assert.match(await compareText({ here: runs.sft!, "in TRL": run }), /in TRL/);
  });

  const compareText = async (of: Record<string, Run>) =>
    String(
      (compare(of)[Symbol.for("Jupyter.display") as never] as () => Record<string, unknown>)()["text/plain"],
    );

  it("an adapter that begins in PEFT's own start comes back with it", async () => {
    const { run, student } = await importRun(place("packed"), bases.packed!);
    assert.equal(student.adapter!.settings.init, "pissa");
    // Training goes on from there as from one's own: the loss is below that of the last step's batch at most by chance.
    const mine = await evaluateLoss(bases.packed!, heldOut);
    const theirs = await evaluateLoss(student, heldOut);
    assert.ok(theirs < mine && run.losses.at(-1)! < run.losses[0]!, `${theirs} after, ${mine} before`);
  });

  it("grpo: samples, is rewarded alike, and its adapter loads", async () => {
    const { run, student } = await importRun(place("grpo"), bases.grpo!);
    assert.equal(run.steps.length, 3);
    const [mine] = runs.grpo!.evaluations;
    assert.deepEqual(
      run.evaluations.map(({ step }) => step),
      [0, 2, 3],
    );
    // Greedy answers of the same model to the same questions: the same reward.
    assert.equal(run.evaluations[0]!.values.reward, mine!.values.reward);
    assert.ok(run.steps.some(({ metrics, loss }) => metrics.reward! > 0 && loss !== 0));
    const { text } = await student.generate(largestDigit().heldOut[0]!.prompt, { maxTokens: 4 });
    assert.match(text, /\d/);
  });

  it("grpo: the reward in Python is the run's", () => {
    const answers = [" 7.", "7", " 7", "7.0", " 7..", " 8.", "", " 7. 7.", "\n7.\n"];
    const code =
      "import json, sys; from reward import reward; " +
      "print(json.dumps([reward('', a, {'answer': 7}) for a in json.loads(sys.argv[1])]))";
    const out = execFileSync(process.env.PYTHON!, ["-c", code, JSON.stringify(answers)], {
      cwd: place("grpo"),
    });
    const question = { prompt: "", answer: 7, digits: [7, 1, 2] as [number, number, number] };
    assert.deepEqual(
      JSON.parse(String(out)),
      answers.map((answer) => rewardDigit("", answer, question)),
    );
  });
});
