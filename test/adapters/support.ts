/** What tests of all methods need: something to read, values other than the initial ones, a gradient. */
import { generator, type HostArray } from "../../src/engine";
import type { LanguageModel } from "../../src/model/language-model";
import { Parameters } from "../../src/model/parameters";
import { batch } from "../../src/train/data";
import { batchInputs, languageLoss } from "../../src/train/language-loss";
import { gradientProgram } from "../../src/train/step";

/** A text of the tiny model's tokens. */
export const IDS = [5, 99, 140, 7, 201, 33];

/** Moves every parameter by up to `by`, as training would: B is zero no longer. */
export function scramble(model: LanguageModel, by = 0.1): LanguageModel {
  const random = generator(9);
  const { parameters } = model.adapter!;
  parameters.flat = parameters.flat.map((x) => x + (2 * random() - 1) * by);
  return model;
}

export const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((worst, x, i) => Math.max(worst, Math.abs(x - b[i]!)), 0);

/** The gradient of the loss on one text, by parameter. */
export async function gradientOf(model: LanguageModel): Promise<Map<string, HostArray>> {
  const shape = { rows: 1, length: 8, capacity: 8, packed: false };
  const program = await gradientProgram(model, languageLoss(model.config, shape));
  const made = batch([[{ ids: [...IDS, 1, 2, 3], from: 0 }]], 8, 8, false);
  const { parameters } = model.adapter!;
  const out = await program.run({
    ...batchInputs(made, made.count),
    parameters: parameters.flat,
    earlier: new Float32Array(parameters.size),
    share: Float32Array.of(1),
    seed: Int32Array.of(1, 1),
  });
  await program.dispose();
  const gradient = new Parameters(new Map(parameters.entries()));
  gradient.flat = out.gradient!.data as Float32Array;
  return new Map(gradient.entries());
}
