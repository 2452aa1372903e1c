import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { full, lora } from "../../src/adapters";
import { LanguageModel } from "../../src/model/language-model";
import { evaluateLoss, observeRuns, type Run, sft, type TrainOptions, train } from "../../src/train";
import { tinyModel } from "./tiny-model";

const DATA = [
  { prompt: "one and one?", completion: " two" },
  { prompt: "two and one?", completion: " three" },
  { prompt: "red and blue?", completion: " violet" },
  { prompt: "sky?", completion: " blue" },
];
const base = tinyModel();
/** Largest |a − b|. */
const difference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((worst, x, i) => Math.max(worst, Math.abs(x - b[i]!)), 0);
const student = (settings = {}) => base.attach(lora({ rank: 8, alpha: 16, ...settings }));
const options = (more: Partial<TrainOptions> = {}): TrainOptions => ({
  data: DATA,
  steps: 6,
  batchSize: 2,
  learningRate: 1e-2,
  ...more,
});

describe("train", () => {
  it("learns what it is shown, with LoRA and with full fine-tuning", async () => {
    for (const method of [lora({ rank: 8, alpha: 16 }), full()]) {
      const model = base.attach(method);
      const before = await evaluateLoss(model, DATA);
      const run = await train(
        model,
        options({ steps: 150, batchSize: 4, learningRate: 5e-3, schedule: "linear" }),
      );
      const after = await evaluateLoss(model, DATA);
      assert.equal(run.status, "finished");
      // LoRA leaves the output head alone, and a random head of 32 dimensions cannot single out every byte.
      assert.ok(after < before / 10, `${method.method}: ${before} → ${after}`);
      assert.equal((await model.generate("sky?", { maxTokens: 8 })).text, " blue");
      assert.notEqual((await model.detach().generate("sky?", { maxTokens: 8 })).text, " blue");
    }
  });

  it("reports each step", async () => {
    const seen: number[] = [];
    const run = await train(
      student(),
      options({ schedule: "linear", warmup: 2, onStep: (r) => seen.push(r.steps.length) }),
    );
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6]);
    const rates = run.steps.map(({ learningRate }) => learningRate);
    // Warm-up: ½ and all of the peak; then down by a quarter each, to end at zero after the last.
    assert.ok(difference(rates, [0.5e-2, 1e-2, 1e-2, 0.75e-2, 0.5e-2, 0.25e-2]) < 1e-9);
    assert.ok(
      run.steps.every(({ loss, gradientNorm, tokens }) => loss > 0 && gradientNorm > 0 && tokens > 0),
    );
    assert.equal(run.epoch, 3);
  });

  it("repeats with the same seed and differs with another, dropout included", async () => {
    const losses = async (seed: number) => (await train(student({ dropout: 0.3 }), options({ seed }))).losses;
    const first = await losses(1);
    assert.deepEqual(await losses(1), first);
    assert.notDeepEqual(await losses(2), first);
  });

  it("drops other elements at every step", async () => {
    const data = [DATA[0]!];
    const still = (dropout: number) =>
      train(student({ dropout }), { data, steps: 3, batchSize: 1, learningRate: 1e-12, optimizer: "sgd" });
    // At a learning rate of almost zero the loss moves with the mask alone; B must not be zero for the mask to matter.
    const warm = student({ dropout: 0.5 });
    await train(warm, options());
    const { losses } = await train(warm, {
      data,
      steps: 3,
      batchSize: 1,
      learningRate: 1e-12,
      optimizer: "sgd",
    });
    assert.equal(new Set(losses).size, 3);
    assert.equal(new Set((await still(0)).losses).size, 1);
  });

  it("adds up gradients over batches to those of one large batch", async () => {
    const sgd = { optimizer: "sgd" as const, steps: 1, maxGradientNorm: Infinity };
    const [one, four] = [student(), student()];
    const large = await train(one, options({ ...sgd, batchSize: 4 }));
    const small = await train(four, options({ ...sgd, batchSize: 1, accumulate: 4 }));
    assert.ok(Math.abs(large.losses[0]! - small.losses[0]!) < 1e-5);
    assert.ok(difference(one.adapter!.parameters.flat, four.adapter!.parameters.flat) < 1e-5);
  });

  it("learns from packed rows the same as from padded ones", async () => {
    const sgd = { optimizer: "sgd" as const, steps: 1, maxGradientNorm: Infinity, completionOnly: false };
    const data = DATA.slice(2);
    const [padded, packed] = [student(), student()];
    const a = await train(padded, options({ ...sgd, data, batchSize: 2 }));
    // Both texts fit one row of the context.
    const b = await train(packed, options({ ...sgd, data, batchSize: 1, packing: true }));
    assert.ok(Math.abs(a.losses[0]! - b.losses[0]!) < 1e-5);
    assert.ok(difference(padded.adapter!.parameters.flat, packed.adapter!.parameters.flat) < 1e-5);
  });

  it("clips the gradient to the norm that is allowed", async () => {
    const model = student();
    const before = model.adapter!.parameters.flat.slice();
    const run = await train(
      model,
      options({ steps: 1, optimizer: "sgd", learningRate: 1, maxGradientNorm: 0.01 }),
    );
    assert.ok(run.steps[0]!.gradientNorm > 0.01);
    const moved = model.adapter!.parameters.flat.reduce((sum, x, i) => sum + (x - before[i]!) ** 2, 0);
    assert.ok(Math.abs(Math.sqrt(moved) - 0.01) < 1e-4);
  });

  it("shrinks matrices by weight decay", async () => {
    const model = student();
    const before = model.adapter!.parameters.flat.slice();
    // Without a gradient to speak of (clipped to nothing), one step multiplies by 1 − η·λ.
    await train(
      model,
      options({ steps: 1, optimizer: "sgd", learningRate: 0.1, weightDecay: 0.5, maxGradientNorm: 1e-12 }),
    );
    const shrunk = before.map((x) => 0.95 * x);
    assert.ok(difference(model.adapter!.parameters.flat, shrunk) < 1e-6);
  });

  it("learns prompts too when asked to", async () => {
    const tokens = async (completionOnly: boolean) => {
      const model = student();
      await train(model, options({ steps: 40, completionOnly }));
      return evaluateLoss(model, DATA, { completionOnly: false });
    };
    assert.ok((await tokens(false)) < (await tokens(true)) - 0.5);
  });

  it("evaluates before, during and after", async () => {
    const run = await train(
      student(),
      options({ evaluate: { every: 3, data: DATA, measures: { answer: (model) => model.trainableCount } } }),
    );
    assert.deepEqual(
      run.evaluations.map(({ step }) => step),
      [0, 3, 6],
    );
    assert.ok(run.evaluations[2]!.values.loss! < run.evaluations[0]!.values.loss!);
    assert.equal(run.evaluations[0]!.values.answer, run.origin.trainable);
  });

  it("records how the model continued prompts at each evaluation, whole also where it is stopped then", async () => {
    const prompts = ["sky?", "one and one?"];
    const model = student();
    const stop = new AbortController();
    const halt = () => {
      stop.abort();
      return 0;
    };
    const before = await model.generateBatch(prompts);
    const stopped = await train(
      model,
      options({ evaluate: { every: 6, prompts, measures: { halt } }, signal: stop.signal }),
    );
    assert.equal(stopped.status, "stopped");
    assert.deepEqual(
      stopped.samples,
      before.map(({ text }, i) => ({ step: 0, prompt: prompts[i], text })),
    );
    const { samples, evaluations } = await train(model, options({ evaluate: { every: 6, prompts } }));
    const after = await model.generateBatch(prompts);
    assert.deepEqual(
      samples.filter(({ step }) => step === 6).map(({ text }) => text),
      after.map(({ text }) => text),
    );
    assert.equal(samples.length, 4);
    assert.deepEqual(evaluations[0]!.values, {});
  });

  it("stops within a step when its signal aborts, and keeps the weights", async () => {
    const controller = new AbortController();
    const model = student();
    const run = await train(
      model,
      options({
        steps: 1000,
        signal: controller.signal,
        onStep: ({ steps }) => steps.length === 3 && controller.abort(),
      }),
    );
    assert.equal(run.status, "stopped");
    assert.equal(run.steps.length, 3);
    const same = student();
    await train(same, options({ steps: 3 }));
    assert.deepEqual(model.adapter!.parameters.flat, same.adapter!.parameters.flat);
  });

  it("honours the signal of a notebook cell", async () => {
    const controller = new AbortController();
    const cell = globalThis as Record<symbol, unknown>;
    cell[Symbol.for("Jupyter.signal")] = controller.signal;
    try {
      const run = await train(student(), options({ onStep: () => controller.abort() }));
      assert.equal(run.steps.length, 1);
    } finally {
      delete cell[Symbol.for("Jupyter.signal")];
    }
  });

  it("restores the last good weights when the loss is no number, and says at which step", async () => {
    const model = student();
    const losses: number[] = [];
    const diverge = train(
      model,
      options({
        steps: 50,
        optimizer: "sgd",
        learningRate: 1e30,
        maxGradientNorm: Infinity,
        onStep: (run) => losses.push(run.losses.at(-1)!),
      }),
    );
    await assert.rejects(
      diverge,
      /the (loss|gradient) at step \d+ is (NaN|Infinity)[\s\S]*have been put back[\s\S]*learning rate/,
    );
    assert.ok(Number.isFinite(await evaluateLoss(model, DATA)));
  });

  it("has room for the longest example where it ends one pass over the data and begins the next", async () => {
    const short = Array.from({ length: 4 }, (_, i) => ({ prompt: `number ${i} is`, completion: "" }));
    const data = [...short, { prompt: "count", completion: " one two three four" }];
    // Five examples in batches of four: sooner or later the long one occurs twice in a batch.
    const run = await train(student(), options({ data, steps: 20, batchSize: 4 }));
    const twice = 2 * "count one two three four".length + 2 * "number 0 is".length;
    assert.ok(run.steps.some(({ tokens }) => tokens === twice));
  });

  it("explains what it cannot train on", async () => {
    const rejects = (changes: Partial<TrainOptions>, message: RegExp) =>
      assert.rejects(train(student(), options(changes)), message);
    await rejects({ data: [] }, /training data is empty/);
    await rejects({ data: ["x".repeat(40)] }, /Example 0 \("x+"…\) has 41 tokens; the model's context is 32/);
    await rejects({ data: [""] }, /has no token to predict/);
    await rejects({ steps: 0 }, /steps must be a whole number from 1, got 0/);
    await rejects({ learningRate: -1 }, /learningRate must be above 0/);
    await rejects({ sequenceLength: 4 }, /sequenceLength is 4: expected a whole number from \d\d/);
    await rejects({ sequenceLength: 30.5 }, /sequenceLength is 30\.5: expected a whole number/);
    await rejects(
      { schedule: "step" as never },
      /schedule "step" is not known: expected constant, linear, cosine/,
    );
    await rejects({ maxGradientNorm: 0 }, /maxGradientNorm must be above 0/);
    await rejects({ beta1: 1 }, /beta1 must be in \[0, 1\), got 1/);
    await rejects(
      { data: [{ question: "sky?" } as never] },
      /Example 0 is \{"question":"sky\?"\}: expected a text/,
    );
    await rejects({ optimizer: "lion" as never }, /optimizer "lion" is not known: expected adamw, sgd/);
    await assert.rejects(train(base, options()), /no adapter in use[\s\S]*attach\(lora/);
  });

  it("trains on token ids, and evaluates on them, without a tokenizer", async () => {
    const { tokenizer: _tokenizer, ...files } = base.files;
    const model = new LanguageModel({ name: "mute", ...files }).attach(lora({ rank: 4 }));
    const data = [{ ids: [5, 6, 7] }];
    const run = await train(model, { data, steps: 2, evaluate: { every: 2, data } });
    assert.equal(run.status, "finished");
    assert.equal(run.evaluations.at(-1)!.values.loss, await evaluateLoss(model, data));
    await assert.rejects(train(model, { data: ["text"], steps: 2 }), /has no tokenizer/);
  });

  it("refuses settings of the default objective beside another one", async () => {
    const other = { ...sft(), name: "other" };
    await assert.rejects(
      train(student(), { data: DATA, steps: 1, objective: other, packing: true }),
      /packing belongs to the default objective; here the objective is other/,
    );
  });

  it("lets displays follow and asks none when told not to", async () => {
    const events: string[] = [];
    const stop = observeRuns({
      begin: () => ({
        step: (run: Run) => void events.push(`${run.steps.length}`),
        end: (run: Run) => void events.push(run.status),
      }),
    });
    try {
      await train(student(), options({ steps: 2 }));
      await train(student(), options({ steps: 2, display: false }));
    } finally {
      stop();
    }
    assert.deepEqual(events, ["1", "2", "finished"]);
  });
});

describe("checkpoints", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "loralab-run-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("let a run go on as if it had never stopped", async () => {
    const whole = student({ dropout: 0.2 });
    const uninterrupted = await train(whole, options({ evaluate: { every: 2, data: DATA } }));

    const path = join(folder, "run");
    const controller = new AbortController();
    await train(
      student({ dropout: 0.2 }),
      options({
        evaluate: { every: 2, data: DATA },
        checkpoint: { folder: path, every: 2 },
        signal: controller.signal,
        onStep: ({ steps }) => steps.length === 3 && controller.abort(),
      }),
    );
    const resumed = student({ dropout: 0.2 });
    const run = await train(resumed, options({ evaluate: { every: 2, data: DATA }, resume: path }));
    assert.deepEqual(run.losses, uninterrupted.losses);
    assert.deepEqual(
      run.evaluations.map(({ values }) => values),
      uninterrupted.evaluations.map(({ values }) => values),
    );
    assert.deepEqual(resumed.adapter!.parameters.flat, whole.adapter!.parameters.flat);
  });

  it("leave alone what else is in their folder", async () => {
    await writeFile(join(folder, "notes.txt"), "mine");
    for (const steps of [1, 2]) await train(student(), options({ steps, checkpoint: { folder } }));
    assert.equal(await readFile(join(folder, "notes.txt"), "utf8"), "mine");
    assert.equal((await train(student(), options({ steps: 3, resume: folder }))).steps.length, 3);
  });

  it("are refused by a run with other settings", async () => {
    const path = join(folder, "run");
    await train(student(), options({ checkpoint: { folder: path } }));
    const resume = (changes: Partial<TrainOptions>, settings = {}) =>
      train(student(settings), options({ resume: path, ...changes }));
    await assert.rejects(
      resume({ learningRate: 1e-3 }),
      /another run: learningRate is 0\.001 now and was 0\.01/,
    );
    await assert.rejects(
      resume({}, { rank: 4 }),
      /another run: .*lora_A\.weight is \[4,32\] now and was \[8,32\]/,
    );
    await assert.rejects(resume({ resume: folder }), /holds no checkpoint/);
    await assert.rejects(resume({}, { alpha: 4 }), /another run: adapter\.alpha is 4 now and was 16/);
    const longer = await resume({ steps: 8 });
    assert.equal(longer.steps.length, 8);
  });
});
