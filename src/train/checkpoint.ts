/**
 * A training run on disk, so that it can go on later: the trainable parameters and the optimizer's state as tensors, the
 * rest as JSON in the same file's metadata. One file, written beside the old one and then renamed: a crash leaves the
 * old checkpoint or the new one, and never parts of both.
 */
import type { HostArray } from "../engine";
import { existsSync, join, mkdir } from "../model/disk";
import { readSafetensors, writeSafetensors } from "../model/safetensors";
import type { EvaluationRecord, StepRecord } from "./run";

export interface TrainingState {
  /** Steps taken. */
  step: number;
  /** "parameters", the optimizer's vectors and those of the method, by name. */
  vectors: Record<string, Float32Array>;
  /** What the vectors mean: parameter name → shape, in order. */
  layout: Record<string, number[]>;
  /** Settings that must be the same for the run to go on. */
  fixed: Record<string, unknown>;
  steps: StepRecord[];
  evaluations: EvaluationRecord[];
  /** What the objective goes on from, as JSON. */
  lesson?: unknown;
}

/** The checkpoint's file in its folder; whatever else is there stays. */
const FILE = "training-state.safetensors";

export async function writeTrainingState(
  folder: string,
  { vectors, ...record }: TrainingState,
): Promise<void> {
  const arrays = new Map<string, HostArray>(
    Object.entries(vectors).map(([name, data]) => [name, { data, shape: [data.length], dtype: "float32" }]),
  );
  await mkdir(folder, { recursive: true });
  await writeSafetensors(join(folder, FILE), arrays, { metadata: { record: JSON.stringify(record) } });
}

/**
 * @throws when the folder holds no checkpoint, a malformed one, or one of another run: of other parameters or other
 *   fixed settings
 */
export async function readTrainingState(
  folder: string,
  expected: Pick<TrainingState, "layout" | "fixed">,
): Promise<TrainingState> {
  const path = join(folder, FILE);
  if (!existsSync(path)) throw new Error(`resume: ${folder} holds no checkpoint: expected ${FILE} in it.`);
  const { tensors, metadata } = await readSafetensors(path);
  if (metadata.record === undefined) throw new Error(`resume: ${path} has no record of a training run.`);
  const record = JSON.parse(metadata.record) as Omit<TrainingState, "vectors">;
  for (const part of ["layout", "fixed"] as const) {
    const [want, got] = [expected[part], record[part]] as Record<string, unknown>[];
    const names = [...new Set([...Object.keys(want!), ...Object.keys(got!)])];
    const different = names.filter((name) => JSON.stringify(want![name]) !== JSON.stringify(got![name]));
    if (different.length > 0) {
      const shown = different
        .slice(0, 3)
        .map((name) => `${name} is ${JSON.stringify(want![name])} now and was ${JSON.stringify(got![name])}`);
      throw new Error(`resume: ${folder} is a checkpoint of another run: ${shown.join("; ")}.`);
    }
  }
  const vectors = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data as Float32Array]));
  return { ...record, vectors };
}
