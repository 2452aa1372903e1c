/**
 * What training a loaded model really takes: the very program of a training step, run in a process of its own that has
 * nothing else in it, whose resident memory is watched.
 *
 * In the process that trains already, memory is no measure of anything: arrays of earlier cells wait for the garbage
 * collector, and freed native memory stays with the process.
 */
import { fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { type InputSpec, record } from "../engine";
import type { LanguageModel } from "../model/language-model";
import { languageLoss } from "../train/language-loss";
import { OPTIMIZERS, type OptimizerName } from "../train/optimizers";
import { stepFunction } from "../train/step";
import { type Plan, plan } from "./plan";

export interface MeasureOptions {
  /** Sequences in one step, all full. Default 8. */
  batch?: number;
  /** Tokens of each. Default 128, or the whole context where that is shorter. */
  sequence?: number;
  /** Default "adamw". */
  optimizer?: OptimizerName;
}

/** What the other process is given: a file with the model, one with the constants, and where they are in it. */
export interface Job {
  model: string;
  constants: string;
  places: { path: string; offset: number; length: number }[];
  inputs: Record<string, InputSpec>;
  steps: number;
}

/** Resident memory in bytes, above that of the process before it was given anything. */
export interface Resident {
  /** With the frozen weights read. */
  weights: number;
  /** With the session made. */
  session: number;
  /** The highest while it was training. */
  peak: number;
}

export class MemoryMeasurement {
  constructor(
    readonly model: LanguageModel,
    readonly settings: Required<MeasureOptions>,
    readonly resident: Resident,
    /** The prediction, for the methods that `plan` knows. */
    readonly planned?: Plan,
  ) {}

  /** The most that was resident, in bytes. */
  get bytes(): number {
    return this.resident.peak;
  }

  /** Measured over planned. */
  get ratio(): number | undefined {
    return this.planned && this.bytes / this.planned.bytes;
  }
}

/** Enough for ONNX Runtime's arena to have its final size. */
const STEPS = 4;

/**
 * Takes a few training steps in a fresh process and measures what they take, beside what `plan` predicts.
 *
 * Measured is the resident memory of that process above what it has at its start (Node.js and ONNX Runtime loaded): the
 * frozen weights as arrays, ONNX Runtime's session with its own packed copy of each matrix, the adapter and the
 * optimizer's moments going in and coming out, activations, logits, gradients, and the gaps between them in ONNX
 * Runtime's arena. Not in it: tokenizer, data, and what a notebook holds besides. It is measured on the CPU, where
 * everything is float32 but what is quantized.
 * @throws without an adapter in use, for a batch or sequence out of range, and for an optimizer that is not known
 */
export async function measureMemory(
  model: LanguageModel,
  {
    batch = 8,
    sequence = Math.min(128, model.config.contextLength),
    optimizer = "adamw",
  }: MeasureOptions = {},
): Promise<MemoryMeasurement> {
  const { adapter, config } = model;
  if (!adapter) throw new Error("measureMemory: nothing is trained without an adapter; attach one first.");
  for (const [name, value] of Object.entries({ batch, sequence })) {
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`measureMemory: ${name} must be a whole number from 1, got ${value}.`);
  }
  if (sequence > config.contextLength) {
    throw new Error(
      `measureMemory: a sequence of ${sequence} tokens is longer than the context of ${model.name}, ${config.contextLength}.`,
    );
  }
  const rule = OPTIMIZERS[optimizer];
  if (!rule) {
    const known = Object.keys(OPTIMIZERS).join(", ");
    throw new Error(`measureMemory: optimizer must be one of ${known}, got ${optimizer}.`);
  }
  const shape = { rows: batch, length: sequence, capacity: batch * sequence, packed: false };
  const { fn, inputs } = stepFunction(model, languageLoss(config, shape), {
    optimizer: rule,
    settings: rule.defaults,
    maxGradientNorm: 1,
  });
  const { model: bytes, externalData } = record(fn, inputs, "cpu");
  const folder = mkdtempSync(join(tmpdir(), "loralab-memory-"));
  try {
    let offset = 0;
    const places = externalData.map(({ path, data }) => {
      const place = { path, offset, length: data.byteLength };
      offset += data.byteLength;
      return place;
    });
    const [file, constants] = [join(folder, "step.onnx"), join(folder, "constants")];
    writeFileSync(file, bytes);
    writeFileSync(constants, "");
    for (const { data } of externalData) writeFileSync(constants, data, { flag: "a" });
    const resident = await run({ model: file, constants, places, inputs, steps: STEPS });
    const isPlanned = ["full", "lora", "dora"].includes(adapter.method);
    const planned = isPlanned ? plan(model, { batch, sequence, optimizer }) : undefined;
    return new MemoryMeasurement(model, { batch, sequence, optimizer }, resident, planned);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the job in a process of its own; from TypeScript, as tests do, with the loader that this process has. */
function run(job: Job): Promise<Resident> {
  const extension = extname(__filename);
  return new Promise((resolve, reject) => {
    const child = fork(join(__dirname, `memory-measurement.child${extension}`), [], {
      execArgv: ["--expose-gc", ...(extension === ".ts" ? ["--require", require.resolve("tsx/cjs")] : [])],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    let said = "";
    child.stderr!.on("data", (text) => {
      said += text;
    });
    child.on("message", (resident) => resolve(resident as Resident));
    child.on("error", reject);
    child.on("exit", (code, signal) =>
      reject(new Error(`measureMemory: the measuring process ended (${signal ?? code}): ${said}`)),
    );
    child.send(job);
  });
}
