/** Loss and gradients as PyTorch defines them, and how far two arrays are apart. */
import assert from "node:assert/strict";
import type { HostArray } from "../../src/engine";
import type { LanguageModel } from "../../src/model/language-model";
import { Parameters } from "../../src/model/parameters";
import { batchInputs, languageLoss } from "../../src/train/language-loss";
import { gradientProgram, metricsOf } from "../../src/train/step";

/** Largest |a − b| over the largest |b|. */
export function relativeError(a: HostArray, b: HostArray): number {
  assert.deepEqual(a.shape, b.shape);
  let difference = 0;
  let scale = 0;
  a.data.forEach((x, i) => {
    difference = Math.max(difference, Math.abs(x - b.data[i]!));
    scale = Math.max(scale, Math.abs(b.data[i]!));
  });
  return difference / scale;
}

/** int32 [rows, columns] as lists. */
export const rowsOf = ({ data, shape }: HostArray): number[][] =>
  Array.from({ length: shape[0]! }, (_, r) => [...data.subarray(r * shape[1]!, (r + 1) * shape[1]!)]);

/**
 * Mean loss of the labels, −100 where there is none, with what the adapter adds to it, and its gradient by parameter.
 * PyTorch compares the prediction at position i with the label at i + 1.
 */
export async function lossAndGradient(
  model: LanguageModel,
  ids: HostArray,
  labels: HostArray,
): Promise<{ loss: number; gradient: Map<string, HostArray> }> {
  const [rows, length] = ids.shape as [number, number];
  const places: number[] = [];
  const targets: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i + 1 < length; i++) {
      const label = labels.data[row * length + i + 1]!;
      if (label < 0) continue;
      places.push(row * length + i);
      targets.push(label);
    }
  }
  const shape = { rows, length, capacity: places.length, packed: false };
  const program = await gradientProgram(model, languageLoss(model.config, shape));
  const inputs = batchInputs(
    {
      ids: ids.data as Int32Array,
      places: Int32Array.from(places),
      targets: Int32Array.from(targets),
      mask: new Float32Array(places.length).fill(1),
      count: places.length,
      tokens: rows * length,
    },
    places.length,
  );
  const { parameters } = model.adapter!;
  const out = await program.run({
    ...inputs,
    parameters: parameters.flat,
    earlier: new Float32Array(parameters.size),
    share: Float32Array.of(1),
    seed: Int32Array.of(1, 1),
  });
  await program.dispose();
  const gradient = new Parameters(new Map(parameters.entries()));
  gradient.flat = out.gradient!.data as Float32Array;
  const loss = out.loss!.data[0]! + (metricsOf(out).penalty ?? 0);
  return { loss, gradient: new Map(gradient.entries()) };
}
