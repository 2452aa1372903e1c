/** Post-training objectives against TRL on adapters of PEFT: the same loss, metrics and gradients on the same data. */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadAdapter } from "../../src/adapters";
import type { HostArray, TypedArray } from "../../src/engine";
import { LanguageModel, loadModel } from "../../src/model/language-model";
import { Parameters } from "../../src/model/parameters";
import { readSafetensors } from "../../src/model/safetensors";
import { dpo, type Objective, rewardModel, rewards } from "../../src/train";
import {
  completionLogProbabilities,
  encodeCompletion,
  shapeFor,
} from "../../src/train/objectives/completions";
import { grpoLoss, rolloutInputs } from "../../src/train/objectives/grpo";
import type { Preference } from "../../src/train/objectives/pairs";
import { advantages } from "../../src/train/objectives/rollouts";
import { gradientProgram, type Loss, metricsOf } from "../../src/train/step";
import { byteTokenizer } from "../model/tiny";
import { relativeError } from "./compare";
import { reference } from "./python";

type Pair = Record<keyof Preference, string>;

describe("post-training objectives against TRL", function () {
  this.timeout(300_000);
  let folder: string;
  let expected: Map<string, HostArray>;
  let pairs: Pair[];
  let groups: { prompt: string; completions: string[]; rewards: number[] }[];
  let base: LanguageModel;

  before(async () => {
    folder = reference("objectives_reference.py");
    expected = (await readSafetensors(join(folder, "reference.safetensors"))).tensors;
    ({ pairs, groups } = JSON.parse(readFileSync(join(folder, "data.json"), "utf8")));
    const { config, weights } = await loadModel(join(folder, "model"));
    base = new LanguageModel({ name: "tiny", config, weights, tokenizer: byteTokenizer() });
  });
  after(() => rmSync(folder, { recursive: true }));

  /** Compares one batch with the reference of that name. */
  async function agrees(
    name: string,
    model: LanguageModel,
    loss: Loss,
    inputs: Record<string, TypedArray>,
    metrics: string[],
  ) {
    const program = await gradientProgram(model, loss);
    const { parameters } = model.adapter!;
    const out = await program.run({
      ...inputs,
      parameters: parameters.flat,
      earlier: new Float32Array(parameters.size),
      seed: Int32Array.of(1, 1),
      share: Float32Array.of(1),
    });
    await program.dispose();
    const close = (what: string, got: number, want: number) =>
      assert.ok(
        Math.abs(got - want) < 1e-5 * Math.max(1, Math.abs(want)),
        `${what}: ${got}, TRL has ${want}`,
      );
    close("loss", out.loss!.data[0]!, expected.get(`${name}.loss`)!.data[0]!);
    const got = metricsOf(out);
    for (const metric of metrics)
      close(metric, got[metric]!, expected.get(`${name}.metric.${metric}`)!.data[0]!);
    const gradient = new Parameters(new Map(parameters.entries()));
    gradient.flat = out.gradient!.data as Float32Array;
    const prefix = `${name}.gradient.`;
    const trained = [...expected.keys()].filter((key) => key.startsWith(prefix));
    assert.equal(trained.length, parameters.names.length);
    for (const key of trained) {
      const error = relativeError(gradient.get(key.slice(prefix.length)), expected.get(key)!);
      assert.ok(error < 1e-4, `${key}: relative error ${error}`);
    }
  }

  /** The whole of the data as one batch. */
  async function batchOf(objective: Objective<Preference>, model: LanguageModel) {
    const lesson = await objective.prepare(model, pairs, { batchSize: pairs.length, seed: 0 });
    const [made] = (await lesson.next(1))!;
    return { loss: lesson.loss, inputs: made!.inputs(made!.count) };
  }

  it("gives DPO's loss, metrics and gradients", async () => {
    const model = await loadAdapter(base, join(folder, "dpo"));
    const { loss, inputs } = await batchOf(dpo(), model);
    const names = ["chosen", "rejected", "accuracies", "margins"].map((name) => `rewards/${name}`);
    await agrees("dpo", model, loss, inputs, [...names, "logps/chosen", "logps/rejected"]);
  });

  it("gives the reward model's loss, metrics, gradients and rewards, on an adapter with PEFT's head", async () => {
    const model = await loadAdapter(base, join(folder, "reward"));
    const { loss, inputs } = await batchOf(rewardModel(), model);
    await agrees("reward", model, loss, inputs, ["accuracy", "margin", "mean_reward"]);
    const completions = (["chosen", "rejected"] as const).flatMap((which) =>
      pairs.map(({ prompt, [which]: completion }) => ({ prompt, completion })),
    );
    const got = await rewards(model, completions);
    const want = expected.get("rewards")!;
    assert.ok(relativeError({ ...want, data: Float32Array.from(got) }, want) < 1e-4);
  });

  for (const [name, iterations] of [
    ["onpolicy", 1],
    ["grpo", 2],
  ] as const) {
    it(`gives GRPO's loss, metrics and gradients ${iterations > 1 ? "off" : "on"} policy`, async () => {
      const model = await loadAdapter(base, join(folder, "dpo"));
      const sequences = groups.flatMap(({ prompt, completions }) =>
        completions.map((text, i) =>
          encodeCompletion(base.tokenizer, prompt, text, `Completion ${i}`, { context: 64 }),
        ),
      );
      const all = groups.flatMap(({ rewards }) => rewards);
      const advantage = advantages(all, 4);
      const want = expected.get("advantages")!;
      assert.ok(relativeError({ ...want, data: Float32Array.from(advantage) }, want) < 1e-5);

      const referenceLogp = await completionLogProbabilities(model.use(null), sequences);
      const row = ({ data, shape }: HostArray, i: number, length: number) =>
        Array.from((data as Float32Array).slice(i * shape[1]!, i * shape[1]! + length));
      const rollouts = sequences.map((sequence, i) => {
        const length = referenceLogp[i]!.length;
        for (const [t, logp] of row(expected.get("reference")!, i, length).entries())
          assert.ok(Math.abs(referenceLogp[i]![t]! - logp) < 1e-4);
        return {
          sequence,
          advantage: advantage[i]!,
          reference: Array.from(referenceLogp[i]!),
          ...(iterations > 1 && { old: row(expected.get("old")!, i, length) }),
        };
      });
      const shape = shapeFor(sequences, sequences.length);
      const loss = grpoLoss(model, shape, { beta: 0.04, clip: 0.2, temperature: 1, iterations });
      const clipped = expected.get(`${name}.metric.clip_ratio/region_mean`)!.data[0]!;
      assert.ok(iterations > 1 ? clipped > 0.1 && clipped < 0.9 : clipped === 0, `clip ratio ${clipped}`);
      const inputs = rolloutInputs(rollouts, shape, rollouts.length);
      await agrees(name, model, loss, inputs, ["kl", "entropy", "clip_ratio/region_mean"]);
    });
  }
});
