/**
 * What a training step or a generated text takes in memory, term by term, from shapes alone. It is arithmetic about
 * transformers, PEFT and PyTorch's autograd, which is what people run on their GPUs: each term says its formula and the
 * numbers put in, so that it can be checked, doubted and redone by hand.
 *
 * Activations are what autograd keeps from the forward pass for the backward pass, in the manner of Korthikanti et al.
 * (arXiv:2205.05198), counted for RMSNorm and SwiGLU. A frozen matrix needs no gradient, so its input need not be kept; but
 * everything between the adapters and the loss is still kept. That is why LoRA does not remove activations.
 */
import { type LinearShape, linearLayers, selectTargets, type Targets } from "../adapters/targets";
import type { Architecture } from "./catalogue";
import { integer, short } from "./format";
import { countOf, sizeOf } from "./parameters";

export type PlanMethod = "full" | "lora" | "qlora" | "dora";

export interface PlanSettings {
  method: PlanMethod;
  /** Rank r of the adapters. */
  rank: number;
  targets: Targets;
  /** Sequences in one step, or generated at once. */
  batch: number;
  /** Tokens of one sequence; for inference prompt and answer together. */
  sequence: number;
  /**
   * - "float32": everything in 4 bytes
   * - "mixed": weights, gradients and activations in bfloat16; a float32 copy and float32 moments of what is trained
   * - "bfloat16": everything in 2 bytes, the optimizer's moments too
   */
  precision: "float32" | "mixed" | "bfloat16";
  /** "adamw" keeps two moments of each trained parameter, "sgd" none, "adamw-8bit" two of one byte (Dettmers et al., arXiv:2110.02861). */
  optimizer: "adamw" | "adamw-8bit" | "sgd";
  /** Whether attention's probabilities, [heads, sequence, sequence], are kept ("eager") or never stored ("fused"). */
  attention: "fused" | "eager";
  /** Gradient checkpointing (Chen et al., arXiv:1604.06174): only each layer's input is kept, the rest computed again. */
  recompute: boolean;
  /** QLoRA: the scales of blocks quantized as well. */
  doubleQuantization: boolean;
  use: "training" | "inference";
}

export interface MemoryTerm {
  name: string;
  bytes: number;
  /** In symbols: "batch · sequence · vocabulary · (4 + 4)". */
  formula: string;
  /** The same in numbers: "1 · 512 · 32,000 · 8". */
  numbers: string;
}

/** Trainable parameters: r·(k + d) for each target, d more for DoRA's magnitudes, all of them for full fine-tuning. */
export function trainableParameters(
  architecture: Architecture,
  { method, rank, targets }: Pick<PlanSettings, "method" | "rank" | "targets">,
): number {
  if (method === "full") return countOf(architecture.weights);
  const layers = targetsOf(architecture, targets);
  for (const { path, out, in: inputs } of layers) {
    if (rank > Math.min(out, inputs))
      throw new Error(`plan: rank ${rank} is above the smaller side of ${path}, ${out}×${inputs}`);
  }
  return layers.reduce(
    (sum, { out, in: inputs }) => sum + rank * (out + inputs) + (method === "dora" ? out : 0),
    0,
  );
}

const targetsOf = ({ weights }: Architecture, targets: Targets) => selectTargets({ weights }, targets);

/** The terms that are not zero. */
export function memoryTerms(architecture: Architecture, settings: PlanSettings): MemoryTerm[] {
  const terms =
    settings.use === "inference"
      ? [
          ...weightTerms(architecture, settings),
          adapterWeights(architecture, settings),
          kvCache(architecture, settings),
        ]
      : [
          ...weightTerms(architecture, settings),
          ...trainedTerms(architecture, settings),
          activations(architecture, settings),
          logits(architecture, settings),
        ];
  return [...terms, workspace(architecture, settings)].filter(
    (term) => term !== undefined && term.bytes > 0,
  ) as MemoryTerm[];
}

/** Bytes of a number that is computed with. */
const width = ({ precision }: PlanSettings) => (precision === "float32" ? 4 : 2);

function weightTerms(architecture: Architecture, settings: PlanSettings): MemoryTerm[] {
  const { weights } = architecture;
  const all = countOf(weights);
  const e = width(settings);
  if (settings.method !== "qlora") {
    return [
      { name: "weights", bytes: all * e, formula: "parameters · bytes", numbers: `${integer(all)} · ${e}` },
    ];
  }
  const linear = quantizable(architecture).reduce((sum, { out, in: inputs }) => sum + out * inputs, 0);
  const blocks = linear / 64;
  const double = settings.doubleQuantization;
  return [
    {
      name: "weights",
      bytes: linear / 2 + (all - linear) * e,
      formula: "linear · 4 bits + rest · bytes",
      numbers: `${integer(linear)} · 0.5 + ${integer(all - linear)} · ${e}`,
    },
    {
      name: "quantization constants",
      bytes: double ? blocks + (blocks / 256) * 4 : blocks * 4,
      formula: double ? "blocks of 64 · 1 + blocks / 256 · 4" : "blocks of 64 · 4",
      numbers: double ? `${integer(blocks)} · 1 + ${integer(blocks / 256)} · 4` : `${integer(blocks)} · 4`,
    },
  ];
}

/** All linear layers but the head, which 4-bit loaders leave alone. */
const quantizable = ({ weights }: Architecture): LinearShape[] =>
  linearLayers({ weights }).filter(({ path }) => path !== "lm_head");

function adapterWeights(architecture: Architecture, settings: PlanSettings): MemoryTerm | undefined {
  if (settings.method === "full") return undefined;
  const count = trainableParameters(architecture, settings);
  const e = width(settings);
  return {
    name: "adapter",
    bytes: count * e,
    formula: "trainable · bytes",
    numbers: `${integer(count)} · ${e}`,
  };
}

function trainedTerms(architecture: Architecture, settings: PlanSettings): (MemoryTerm | undefined)[] {
  const count = trainableParameters(architecture, settings);
  const e = width(settings);
  const moments = {
    adamw: settings.precision === "bfloat16" ? 4 : 8,
    "adamw-8bit": 2,
    sgd: 0,
  }[settings.optimizer];
  const term = (name: string, what: string, bytes: number): MemoryTerm => ({
    name,
    bytes: count * bytes,
    formula: `trainable · ${what}`,
    numbers: `${integer(count)} · ${bytes}`,
  });
  return [
    adapterWeights(architecture, settings),
    settings.precision === "mixed" ? term("float32 copy", "4 bytes", 4) : undefined,
    term("gradients", "bytes", e),
    term("optimizer", "bytes of its moments", moments),
  ];
}

/** What one layer keeps of one token, in bytes, with the words for it. */
function keptPerToken(
  architecture: Architecture,
  settings: PlanSettings,
): { bytes: number; formula: string } {
  const { hiddenSize: h, intermediateSize: m, heads, kvHeads, headDim, layers, gatedMlp } = architecture;
  const { method, rank, attention, sequence } = settings;
  const e = width(settings);
  const full = method === "full";
  const targets = full ? [] : targetsOf(architecture, settings.targets);
  const trained = (...modules: string[]) =>
    full || targets.some(({ path }) => modules.includes(path.split(".").at(-1)!));
  const query = heads * headDim;
  const parts: [what: string, bytes: number][] = [
    ["2 norms · 4h", 2 * 4 * h],
    ["norms' outputs", full ? 2 * e * h : 0],
    ["inputs of q, k, v", trained("q_proj", "k_proj", "v_proj") ? e * h : 0],
    ["q, k, v and attention's output", e * (2 * query + 2 * kvHeads * headDim)],
    ["its normaliser", attention === "fused" ? 4 * heads : 0],
    ["its probabilities", attention === "eager" ? (e === 4 ? 4 : 4 + e) * heads * sequence : 0],
    ["input of o", trained("o_proj", "dense") ? e * query : 0],
    ["input of the MLP", trained("gate_proj", "up_proj", "fc1") ? e * h : 0],
    [gatedMlp ? "gate, its SiLU, up" : "the activation's input", (gatedMlp ? 3 : 1) * e * m],
    ["input of down", trained("down_proj", "fc2") ? e * m : 0],
    ["x·Aᵀ of each target", (e * rank * targets.length) / layers],
    [
      "both outputs of each target",
      method === "dora" ? (2 * e * targets.reduce((sum, { out }) => sum + out, 0)) / layers : 0,
    ],
  ];
  const present = parts.filter(([, bytes]) => bytes > 0);
  return {
    bytes: present.reduce((sum, [, bytes]) => sum + bytes, 0),
    formula: present.map(([what, bytes]) => `${what} ${short(bytes)}`).join(" + "),
  };
}

function activations(architecture: Architecture, settings: PlanSettings): MemoryTerm {
  const { layers, hiddenSize: h } = architecture;
  const { batch, sequence, recompute } = settings;
  const tokens = batch * sequence;
  const e = width(settings);
  const { bytes, formula } = keptPerToken(architecture, settings);
  if (recompute) {
    return {
      name: "activations",
      bytes: tokens * (layers * e * h + bytes),
      formula: "batch · sequence · (layers · each one's input + one layer being computed again)",
      numbers: `${batch} · ${integer(sequence)} · (${layers} · ${integer(e * h)} + ${integer(bytes)})`,
    };
  }
  return {
    name: "activations",
    bytes: tokens * layers * bytes,
    formula: `batch · sequence · layers · (${formula})`,
    numbers: `${batch} · ${integer(sequence)} · ${layers} · ${integer(bytes)}`,
  };
}

/** The cross-entropy is computed in float32: the logits, and their gradient. */
function logits({ vocabSize }: Architecture, { batch, sequence }: PlanSettings): MemoryTerm {
  return {
    name: "logits",
    bytes: batch * sequence * vocabSize * 8,
    formula: "batch · sequence · vocabulary · (4 + 4)",
    numbers: `${batch} · ${integer(sequence)} · ${integer(vocabSize)} · 8`,
  };
}

function kvCache({ layers, kvHeads, headDim }: Architecture, settings: PlanSettings): MemoryTerm {
  const { batch, sequence } = settings;
  const e = width(settings);
  return {
    name: "KV cache",
    bytes: 2 * layers * kvHeads * headDim * e * batch * sequence,
    formula: "2 · layers · key/value heads · head size · bytes · batch · tokens",
    numbers: `2 · ${layers} · ${kvHeads} · ${headDim} · ${e} · ${batch} · ${integer(sequence)}`,
  };
}

/** One whole matrix at a time: QLoRA's, dequantized to be multiplied with; DoRA's W + s·B·A, whose rows' norms it needs. */
function workspace(architecture: Architecture, settings: PlanSettings): MemoryTerm | undefined {
  const { method, targets, use } = settings;
  const matrices =
    method === "qlora"
      ? quantizable(architecture)
      : method === "dora" && use === "training"
        ? targetsOf(architecture, targets)
        : [];
  if (matrices.length === 0) return undefined;
  const largest = matrices.reduce((a, b) => (a.out * a.in >= b.out * b.in ? a : b));
  const e = width(settings);
  return {
    name: "workspace",
    bytes: sizeOf([largest.out, largest.in]) * e,
    formula: method === "qlora" ? "largest matrix, dequantized · bytes" : "largest W + s·B·A · bytes",
    numbers: `${integer(largest.out)} · ${integer(largest.in)} · ${e}`,
  };
}
