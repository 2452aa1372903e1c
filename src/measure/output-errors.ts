/**
 * What errors of weights do to what a model says: two models read the same texts, and their hidden states after each layer,
 * their predictions and their losses are compared. For a base and its form in 4 bits, or an adapter beside the weights and
 * merged into them, where the numbers of matrices (`WeightErrors`) leave open whether anything is lost.
 *
 * Hidden states are seen where the next norm reads them, so a method needs to know nothing of it.
 */
import type * as tf from "@tensorflow/tfjs";
import { WeightErrors } from "../adapters/weight-errors";
import type { HostArray } from "../engine";
import { capacityFor } from "../model/decoder";
import { LanguageModel } from "../model/language-model";
import { hiddenStates, type Layers, logits } from "../model/transformer";
import { type Example, encode, isSupervised, type Sequence } from "../train/data";

export interface LayerError {
  /** "embedding", or the layer's number from 0. */
  layer: string;
  /** RMS(h′ − h) / RMS(h) of the hidden states after it, over all tokens of the texts. */
  hidden: number;
  /** The same of the layer's own matrices together; absent where an adapter cannot be expressed as weights. */
  weights?: number;
  /** Where asked for: mean KL in nats per token when the other's weights stand in this layer alone. */
  alone?: number;
}

/** Importing the display shows it as a figure. */
export class OutputErrors {
  constructor(
    readonly layers: readonly LayerError[],
    /** Over the predictions of the texts. */
    readonly outputs: {
      /** RMS(z′ − z) / RMS(z) of the logits, without their mean, which softmax does not see. */
      logits: number;
      /** Mean KL(p ‖ p′) = Σ p·ln(p/p′) of the next-token distributions, in nats per token. */
      divergence: number;
      /** The part of the predictions whose most probable token is the same. */
      agreement: number;
      /** Mean losses in nats per token, of the exact model and of the other. */
      loss: { exact: number; other: number };
    },
    /** Predictions. */
    readonly tokens: number,
    /** Matrix by matrix; absent where an adapter cannot be expressed as weights. */
    readonly weights?: WeightErrors,
  ) {}
}

/**
 * How far `other` is from `exact` on some texts, layer by layer and in the output. The adapters in use count, without
 * dropout.
 * @param texts as `evaluateLoss` takes them; of one with a prompt the completion's predictions are compared
 * @param options.alone whether to ask of each layer what its weights alone do to the predictions: one more model to build
 *   and run for each
 * @throws for models of different shapes, for no texts, and for a text longer than the context; with `alone`, where an
 *   adapter cannot be expressed as weights
 */
export async function outputErrors(
  exact: LanguageModel,
  other: LanguageModel,
  texts: readonly Example[],
  { alone = false }: { alone?: boolean } = {},
): Promise<OutputErrors> {
  checkShapes(exact, other);
  const { contextLength, vocabSize } = exact.config;
  const sequences = encode(exact.files.tokenizer, texts, { context: contextLength, vocabSize });
  const { hidden, outputs, tokens } = await compareOutputs(exact, other, sequences);
  const weights = weightErrors(exact, other);
  const layers: LayerError[] = hidden.map((quotient, i) => {
    const layer = i === 0 ? "embedding" : String(i - 1);
    const own = weights?.byLayer.get(layer);
    return { layer, hidden: quotient, ...(own !== undefined && { weights: own }) };
  });
  if (alone) {
    for (const one of layers) {
      const mixed = mix(exact, other, one.layer);
      one.alone = (await compareOutputs(exact, mixed, sequences)).outputs.divergence;
      await mixed.dispose();
    }
  }
  return new OutputErrors(layers, outputs, tokens, weights?.all);
}

/** What two models make of the same texts. */
async function compareOutputs(exact: LanguageModel, other: LanguageModel, sequences: readonly Sequence[]) {
  const { layers, vocabSize } = exact.config;
  const hidden = Array.from({ length: layers + 1 }, () => new Quotient());
  const logits = new Quotient();
  let [divergence, same, lossExact, lossOther, tokens] = [0, 0, 0, 0, 0];
  for (const sequence of sequences) {
    const [states, otherStates] = [await read(exact, sequence), await read(other, sequence)];
    const seen = sequence.ids.length - 1;
    for (const [i, quotient] of hidden.entries()) {
      const width = states.hidden[i]!.shape[1]!;
      const rows = ({ data }: HostArray) => (data as Float32Array).subarray(0, seen * width);
      quotient.add(rows(states.hidden[i]!), rows(otherStates.hidden[i]!));
    }
    for (let at = 0; at < seen; at++) {
      if (!isSupervised(sequence, at)) continue;
      const row = ({ logits: { data } }: States) =>
        centred((data as Float32Array).subarray(at * vocabSize, (at + 1) * vocabSize));
      const [z, zOther] = [row(states), row(otherStates)];
      logits.add(z, zOther);
      const [p, q] = [logProbabilities(z), logProbabilities(zOther)];
      for (let token = 0; token < vocabSize; token++)
        divergence += Math.exp(p[token]!) * (p[token]! - q[token]!);
      if (largest(p) === largest(q)) same++;
      lossExact -= p[sequence.ids[at + 1]!]!;
      lossOther -= q[sequence.ids[at + 1]!]!;
      tokens++;
    }
  }
  return {
    hidden: hidden.map(({ value }) => value),
    outputs: {
      logits: logits.value,
      divergence: divergence / tokens,
      agreement: same / tokens,
      loss: { exact: lossExact / tokens, other: lossOther / tokens },
    },
    tokens,
  };
}

/** The exact model with the other's weights in one layer. */
function mix(exact: LanguageModel, other: LanguageModel, layer: string): LanguageModel {
  const [before, after] = [effective(exact), effective(other)];
  if (!before || !after) {
    const method = (before ? other : exact).adapter?.method ?? "an adapter for each row";
    throw new Error(
      `outputErrors: alone needs weights to put into one layer, and no weights can stand for "${method}".`,
    );
  }
  const prefix = layer === "embedding" ? "model.embed_tokens." : `model.layers.${layer}.`;
  const own = [...after].filter(([name]) => name.startsWith(prefix));
  const { config, tokenizer } = exact.adapter ? exact.merge().files : exact.files;
  return new LanguageModel({ name: exact.name, config, tokenizer, weights: new Map([...before, ...own]) });
}

function checkShapes(exact: LanguageModel, other: LanguageModel): void {
  const shape = ({ config: { layers, hiddenSize, vocabSize } }: LanguageModel) =>
    `${layers} layers of width ${hiddenSize} and a vocabulary of ${vocabSize}`;
  if (shape(exact) !== shape(other)) {
    throw new Error(
      `outputErrors: expected two forms of one model, got ${shape(exact)} beside ${shape(other)}.`,
    );
  }
}

interface States {
  /** After the embedding and after each layer, [padded, hiddenSize]. */
  hidden: HostArray[];
  /** [padded, vocabSize] */
  logits: HostArray;
}

/** What a model makes of a text alone in its batch. */
async function read(model: LanguageModel, { ids }: Sequence): Promise<States> {
  const { config } = model;
  const length = capacityFor(ids.length - 1, config.contextLength);
  const padded = new Int32Array(length);
  padded.set(ids.slice(0, -1));
  const out = await model.run(
    "states",
    (layers, x) => {
      const seen: tf.Tensor[] = [];
      const observed = observing(layers, (state) => seen.push(state));
      const { hidden } = hiddenStates(config, observed, x.ids as tf.Tensor2D);
      const named = seen.map((state, i) => [`hidden ${i}`, state]);
      return { ...Object.fromEntries(named), logits: logits(layers, hidden) };
    },
    { ids: { shape: [1, length], dtype: "int32" } },
    { ids: padded },
  );
  return {
    hidden: Array.from({ length: config.layers + 1 }, (_, i) => out[`hidden ${i}`]!),
    logits: out.logits!,
  };
}

/** Layers that show what comes out of the embedding and of each layer: what the first norm after it reads. */
function observing(layers: Layers, see: (state: tf.Tensor) => void): Layers {
  return {
    linear: (path, x) => layers.linear(path, x),
    embedding: (path, ids) => layers.embedding(path, ids),
    norm(path, x) {
      if (/^model\.(layers\.\d+\.input_layernorm|norm)$/.test(path)) see(x);
      return layers.norm(path, x);
    },
  };
}

/** RMS of differences over RMS of values, added up. */
class Quotient {
  private error = 0;
  private size = 0;

  add(exact: ArrayLike<number>, got: ArrayLike<number>): void {
    for (let i = 0; i < exact.length; i++) {
      this.error += (got[i]! - exact[i]!) ** 2;
      this.size += exact[i]! ** 2;
    }
  }

  get value(): number {
    return this.error === 0 ? 0 : Math.sqrt(this.error / this.size);
  }
}

function centred(values: Float32Array): Float64Array {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return Float64Array.from(values, (x) => x - mean);
}

/** z − ln Σ exp z */
function logProbabilities(z: Float64Array): Float64Array {
  const most = z.reduce((a, b) => Math.max(a, b));
  const normalizer = most + Math.log(z.reduce((sum, x) => sum + Math.exp(x - most), 0));
  return z.map((x) => x - normalizer);
}

const largest = (values: Float64Array): number =>
  values.reduce((best, x, i) => (x > values[best]! ? i : best), 0);

/** Errors of the weights of two models of one shape, of all matrices and of each layer's together. */
function weightErrors(
  exact: LanguageModel,
  other: LanguageModel,
): { all: WeightErrors; byLayer: Map<string, number> } | undefined {
  const [before, after] = [effective(exact), effective(other)];
  if (!before || !after) return undefined;
  const layers = new Map<string, Quotient>();
  function* matrices() {
    for (const [name, weight] of before!) {
      const other = after!.get(name);
      if (weight.shape.length !== 2 || !other) continue;
      const [exact, got] = [weight.data, other.data];
      const layer = name === "model.embed_tokens.weight" ? "embedding" : /\.layers\.(\d+)\./.exec(name)?.[1];
      if (layer !== undefined) {
        if (!layers.has(layer)) layers.set(layer, new Quotient());
        layers.get(layer)!.add(exact, got);
      }
      yield { path: name.replace(/\.weight$/, ""), exact, got };
    }
  }
  const all = new WeightErrors("the weights", matrices());
  return { all, byLayer: new Map([...layers].map(([layer, { value }]) => [layer, value])) };
}

/** Weights that stand for the model with the adapter in use, where there are any. */
function effective(model: LanguageModel): ReadonlyMap<string, HostArray> | undefined {
  if (model.rows) return undefined;
  try {
    return model.adapter ? model.merge().weights : model.weights;
  } catch {
    return undefined; // an adapter that no weights can stand for says so here
  }
}
