/**
 * A training run on disk, so that it can go on later: the trainable parameters and the optimizer's state as safetensors,
 * the rest as JSON. Written beside the old one and then renamed: a crash leaves the old checkpoint or the new one.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { HostArray } from "../engine";
import { readSafetensors, writeSafetensors } from "../model/safetensors";
import type { EvaluationRecord, StepRecord } from "./run";

export interface TrainingState {
  /** Steps taken. */
  step: number;
  /** "parameters" and the optimizer's vectors, by name. */
  vectors: Record<string, Float32Array>;
  /** What the vectors mean: parameter name → shape, in order. */
  layout: Record<string, number[]>;
  /** Settings that must be the same for the run to go on. */
  fixed: Record<string, unknown>;
  steps: StepRecord[];
  evaluations: EvaluationRecord[];
}

const ARRAYS = "state.safetensors";
const RECORD = "state.json";

export async function writeTrainingState(
  folder: string,
  { vectors, ...record }: TrainingState,
): Promise<void> {
  const arrays = new Map<string, HostArray>(
    Object.entries(vectors).map(([name, data]) => [name, { data, shape: [data.length], dtype: "float32" }]),
  );
  const fresh = `${folder}.new`;
  const old = `${folder}.old`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true });
  await writeSafetensors(join(fresh, ARRAYS), arrays);
  await writeFile(join(fresh, RECORD), JSON.stringify(record));
  await rm(old, { recursive: true, force: true });
  if (existsSync(folder)) await rename(folder, old);
  await rename(fresh, folder);
  await rm(old, { recursive: true, force: true });
}

/** @throws when the folder holds no checkpoint, or one of another run: of other parameters or other fixed settings */
export async function readTrainingState(
  folder: string,
  expected: Pick<TrainingState, "layout" | "fixed">,
): Promise<TrainingState> {
  const found = [folder, `${folder}.old`].find((path) => existsSync(join(path, RECORD)));
  if (!found) {
    throw new Error(`resume: ${folder} holds no checkpoint: expected ${RECORD} and ${ARRAYS} in it.`);
  }
  const record = JSON.parse(await readFile(join(found, RECORD), "utf8")) as Omit<TrainingState, "vectors">;
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
  const { tensors } = await readSafetensors(join(found, ARRAYS));
  const vectors = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data as Float32Array]));
  return { ...record, vectors };
}
