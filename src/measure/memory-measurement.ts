/**
 * What training a loaded model really takes: the very program of a training step, run in a process of its own that has
 * nothing else in it, whose resident memory is watched.
 *
 * In the process that trains already, memory is no measure of anything: arrays of earlier cells wait for the garbage
 * collector, and freed native memory stays with the process.
 */
import { record } from "../engine";
import type { LanguageModel } from "../model/language-model";
import { languageLoss } from "../train/language-loss";
import { OPTIMIZERS, type OptimizerName } from "../train/optimizers";
import { stepFunction } from "../train/step";
import { type Resident, residentMemory } from "./fresh-process";
import { type Plan, plan } from "./plan";

export interface MeasureOptions {
  /** Sequences in one step, all full. Default 8. */
  batch?: number;
  /** Tokens of each. Default 128, or the whole context where that is shorter. */
  sequence?: number;
  /** Default "adamw". */
  optimizer?: OptimizerName;
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
  const resident = await residentMemory({ ...record(fn, inputs, "cpu"), inputs, steps: STEPS });
  const isPlanned = ["full", "lora", "dora"].includes(adapter.method);
  const planned = isPlanned ? plan(model, { batch, sequence, optimizer }) : undefined;
  return new MemoryMeasurement(model, { batch, sequence, optimizer }, resident, planned);
}
