/** A notebook that shows one of everything that can be shown: small models and short runs, for looking at and checking. */

/** Each cell shows what its name says; all in order make a notebook. */
export const GALLERY: readonly (readonly [name: string, code: string])[] = [
  [
    "model",
    `import { alignmentMap, capitals, check, compare, curves, dora, explore, forgetting, forgettingPlane, full, intruderCurve, intruderMeasures, intruders, loadModel, lora, matrixMap, mergeQuantized, outputErrors, parameterTable, plan, plans, runs, similarityMap, spectra, sweep, train, weightChangeMap } from "loralab";

const base = await loadModel("nano");
base`,
  ],
  ["check", `check("the base has an embedding", base.weights.has("model.embed_tokens.weight"))`],
  ["generation", `await base.generate("The capital of the Netherlands is", { maxTokens: 8 })`],
  [
    "adapter",
    `const student = base.attach(lora({ rank: 4, alpha: 8, targets: "all-linear" }));\nparameterTable(student)`,
  ],
  [
    "live-run",
    `const data = capitals({ seed: 0 }).train;
const options = { data, steps: 60, batchSize: 8, learningRate: 3e-3, seed: 0 };
const heldOut = capitals({ seed: 0 }).heldOut.slice(0, 16);
const measures = { ...forgetting({ tokens: 128, sentences: 8 }), ...intruderMeasures() };
const run = await train(student, { ...options, evaluate: { every: 20, data: heldOut, measures } });`,
  ],
  ["curves", "run"],
  [
    "live-runs",
    `const decomposed = await train(base.attach(dora({ rank: 4, alpha: 8 })), options);
const whole = await train(base.attach(full()), { ...options, learningRate: 3e-4 });`,
  ],
  ["curves-of-several", "curves([run, decomposed, whole])"],
  [
    "run-that-failed",
    `const wild = train(base.attach(full()), { ...options, steps: 20, learningRate: 1e18 });
await wild.catch(({ message }) => console.log(message));`,
  ],
  ["compare", "compare([run, decomposed, whole])"],
  ["forgetting", "run.forgetting"],
  ["forgetting-plane", "forgettingPlane([run])"],
  ["table", "run.table"],
  ["runs", "runs()"],
  [
    "sweep",
    `const grid = { rank: [2, 8], learningRate: [1e-3, 1e-2] };
const swept = await sweep(base, { method: lora, grid, data, steps: 8, batchSize: 8, seeds: 2 });
swept`,
  ],
  ["sweep-parallel", "swept.parallel"],
  ["plan", `plan("Llama-3.1-8B", { method: "qlora", rank: 16 })`],
  ["plans", `plans("Llama-2-7B")`],
  ["spectra", "const inside = spectra(student);\ninside"],
  ["energy", "inside.energyCurves"],
  ["intruders", "intruders(student)"],
  ["intruder-map", "intruders(student).map"],
  ["intruders-over-training", "intruderCurve(run)"],
  ["similarity", "similarityMap(intruders(student))"],
  ["alignment", "alignmentMap(student)"],
  ["weight-changes", "weightChangeMap(student)"],
  ["output-errors", "await outputErrors(student, student.merge().quantize(), heldOut)"],
  ["explore-rank", "await explore.rank(student, { data: heldOut })"],
  ["explore-plan", 'explore.plan("Llama-3.1-8B")'],
  ["matrix-B", `matrixMap(student, "layers.0.mlp.up_proj", "B")`],
  ["matrix-delta", `matrixMap(student, "layers.0.mlp.up_proj")`],
  [
    "weight-errors",
    `const rounded = base.quantize().attach(lora({ rank: 4 }));
await train(rounded, { ...options, steps: 10 });
mergeQuantized(rounded).errors`,
  ],
  [
    "tensor",
    `import * as tf from "@tensorflow/tfjs";
tf.randomNormal([24, 40], 0, 1, "float32", 7)`,
  ],
  [
    "frame",
    `import { DataFrame } from "danfojs-node";
new DataFrame({
  method: ["full", "lora", "dora with a name that is rather long for a column of a table"],
  trainable: [6738415616, 4194304, 4456448],
  loss: [1.23456789, 0.00012345, Number.NaN],
  "learning rate": [0.00001, 0.001, 0.001],
  accuracy: [0.5, 0.975, 1],
})`,
  ],
  [
    "progress",
    `for (const item of progress([1, 2, 3], { label: "epochs" })) await new Promise((done) => setTimeout(done, 20));`,
  ],
];
