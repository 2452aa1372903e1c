/**
 * Whether a base model is fit for the tutorials: it knows the capitals, does not answer questions about them, and
 * learns to within minutes. `npm run gates [-- MODEL]`; exits with 1 when a gate is not met.
 */
import { lora } from "../../src/adapters";
import { type LanguageModel, loadModel } from "../../src/model";
import { accuracy, capitals, train } from "../../src/train";
import { COUNTRIES } from "../../src/train/tasks/countries";

const SPLITS = [0, 1, 2];

/** The fraction of all countries whose capital follows "The capital of … is". */
async function cloze(model: LanguageModel): Promise<number> {
  const prompts = COUNTRIES.map(({ name }) => `The capital of ${name} is`);
  const generations = await model.generateBatch(prompts, { maxTokens: 12 });
  const right = generations.filter(({ text }, i) => text.startsWith(` ${COUNTRIES[i]!.capital}`));
  return right.length / COUNTRIES.length;
}

async function main(): Promise<void> {
  const base = await loadModel(process.argv[2] ?? "small");
  let met = true;
  const gate = (what: string, value: number, holds: boolean) => {
    console.log(`${holds ? "✓" : "✗"} ${what}: ${(100 * value).toFixed(1)} %`);
    met &&= holds;
  };

  const known = await cloze(base);
  gate("capitals completed from a statement, at least 95 %", known, known >= 0.95);
  for (const seed of SPLITS) {
    const task = capitals({ seed });
    const before = await accuracy(base, task.heldOut);
    gate(`split ${seed}: the base answers questions, at most 2 %`, before.fraction, before.fraction <= 0.02);
    const student = base.attach(lora({ rank: 8, alpha: 16 }), { seed });
    const run = await train(student, {
      data: task.train,
      steps: 100,
      batchSize: 16,
      learningRate: 1e-3,
      seed,
    });
    const after = await accuracy(student, task.heldOut);
    const what = `split ${seed}: held-out countries in an unseen wording after ${run.seconds.toFixed(0)} s of LoRA`;
    gate(`${what}, at least 90 %`, after.fraction, after.fraction >= 0.9);
    await student.dispose();
  }

  console.log("\nTo be read, not measured: are these locally grammatical?");
  for (const [seed, prompt] of ["Once upon a time there was a", "The old woman", "In the forest"].entries()) {
    const { text } = await base.generate(prompt, { maxTokens: 60, temperature: 0.7, topP: 0.9, seed });
    console.log(`  ${prompt}${text.replaceAll("\n", " ")}`);
  }
  if (!met) process.exitCode = 1;
}

void main();
