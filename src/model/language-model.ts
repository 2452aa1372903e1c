/**
 * A language model as users hold it: frozen weights, a tokenizer, and any number of named adapters of which at most one
 * is in use.
 *
 * Models are values: `attach`, `use`, `detach` and `merge` return another model and change none. They share the weights,
 * which nothing ever writes to, and the adapters, which `train` updates; so a base stays the base, bit for bit.
 */
import * as tf from "@tensorflow/tfjs";
import {
  computeThread,
  eager,
  type HostArray,
  type InputSpec,
  sizeOf,
  type Tensors,
  type TraceOptions,
  type TypedArray,
  trace,
} from "../engine";
import type { Adapter, AdapterContext, Method } from "./adapter";
import type { ModelConfig } from "./config";
import { capacityFor } from "./decoder";
import {
  checkTokens,
  type GenerateOptions,
  type Generation,
  generate,
  generateBatch,
  type Prompt,
  stream,
} from "./generate";
import { readModelFolder, writeModelFolder } from "./load";
import { locate, type ModelSource } from "./places";
import { ProgramCache } from "./programs";
import { type QuantizationSettings, QuantizedWeight, quantizeInside } from "./quantized";
import { rowwise } from "./rowwise";
import type { FloatFormat } from "./safetensors";
import type { Tokenizer } from "./tokenizer";
import { baseLayers, hiddenStates, type Layers, logits } from "./transformer";

interface Contents {
  name: string;
  config: ModelConfig;
  weights: ReadonlyMap<string, HostArray>;
  tokenizer?: Tokenizer;
  /** What `loadModel` finds it by in another process, as long as its weights are those that were read. */
  source?: ModelSource;
  /** Of merged weights: the model that they were merged from. */
  unmerged?: LanguageModel;
}

type Training = Pick<AdapterContext, "random" | "penalize">;

/** About what a base and a student need that generate, are evaluated and looked into. */
const cache = new ProgramCache(16);

/** A number for each object, for the ids of programs. */
const numbers = new WeakMap<object, number>();
let lastNumber = 0;
function numberOf(object: object): number {
  if (!numbers.has(object)) numbers.set(object, ++lastNumber);
  return numbers.get(object)!;
}

/** How adapters can be had again as they were when they were attached. */
const beginnings = new WeakMap<Adapter, () => Adapter>();

/** An adapter as it was when it was attached, before any training; undefined for one that came another way. */
export const beginningOf = (adapter: Adapter): Adapter | undefined => beginnings.get(adapter)?.();

export class LanguageModel {
  readonly name: string;
  readonly config: ModelConfig;
  /** Name → float32 weight, frozen; a quantized one is dequantized whenever its data is asked for. */
  readonly weights: ReadonlyMap<string, HostArray>;
  constructor(
    private readonly contents: Contents,
    /** All adapters by name. */
    readonly adapters: ReadonlyMap<string, Adapter> = new Map(),
    /** The name of the adapter in use. */
    readonly active?: string,
    /** The names of the adapters in use by the row of a batch, null for the base; absent where all rows have the same. */
    readonly rows?: readonly (string | null)[],
  ) {
    ({ name: this.name, config: this.config, weights: this.weights } = contents);
  }

  /** The adapter in use, if any. */
  get adapter(): Adapter | undefined {
    return this.named(this.active);
  }

  private named(name: string | null | undefined): Adapter | undefined {
    return typeof name === "string" ? this.adapters.get(name) : undefined;
  }

  /** What `saveModel` writes; the tokenizer only where there is one. */
  get files(): Pick<Contents, "config" | "weights" | "tokenizer"> {
    return this.contents;
  }

  /**
   * What `loadModel` finds the base by, also in another process: the name of a model, or a folder. Undefined where its
   * weights are no longer those that were read; a quantized model counts as read, since the codes follow from the weights.
   */
  get source(): ModelSource | undefined {
    return this.contents.source;
  }

  get tokenizer(): Tokenizer {
    if (!this.contents.tokenizer) {
      throw new Error(
        `${this.name} has no tokenizer: its folder has no tokenizer.json. Work with token ids instead.`,
      );
    }
    return this.contents.tokenizer;
  }

  /** Number of weights of the base, adapters not counted. */
  get parameterCount(): number {
    return [...this.weights.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  }

  /** Number of weights that training would change. */
  get trainableCount(): number {
    return this.adapter?.parameters.size ?? 0;
  }

  /**
   * This model with a new adapter, in use.
   * @param seed of the adapter's initial values
   * @throws when the name is taken and when the method's settings do not fit the model
   */
  attach(
    method: Method,
    { name = "default", seed = 0 }: { name?: string; seed?: number } = {},
  ): LanguageModel {
    if (this.adapters.has(name)) {
      throw new Error(
        `There is an adapter named "${name}" already; give the new one another name: attach(…, { name: "…" }).`,
      );
    }
    const adapter = method.bind(this, seed);
    beginnings.set(adapter, () => method.bind(this, seed));
    return this.withAdapter(name, adapter);
  }

  /** This model with an adapter that exists already, for instance one read from a file. */
  withAdapter(name: string, adapter: Adapter): LanguageModel {
    return new LanguageModel(this.contents, new Map([...this.adapters, [name, adapter]]), name);
  }

  /**
   * This model with another of its adapters in use, or none for `null`. All stay attached. PEFT: `set_adapter`.
   * @throws for a name that is not attached
   */
  use(name: string | null): LanguageModel {
    if (name !== null && !this.adapters.has(name)) {
      throw new Error(
        `There is no adapter "${name}"; attached are ${[...this.adapters.keys()].join(", ") || "none"}.`,
      );
    }
    return new LanguageModel(this.contents, this.adapters, name ?? undefined);
  }

  /**
   * This model with an adapter for each row of a batch, so that texts with different adapters are read and continued
   * together: `model.useByRow(["letters", null]).generateBatch([…, …])`. Batches have as many rows as there are names.
   * Such a model is neither trained nor merged. PEFT: `adapter_names`.
   * @param names of attached adapters, null for the base
   * @throws for no names, and for one that is not attached
   */
  useByRow(names: readonly (string | null)[]): LanguageModel {
    if (names.length === 0) throw new Error("useByRow: expected a name, or null, for each row; got none.");
    for (const name of names) this.use(name); // for its error
    return new LanguageModel(this.contents, this.adapters, undefined, [...names]);
  }

  /**
   * This model without an adapter; without any when no name is given, which is the base.
   * @throws for a name that is not attached
   */
  detach(name?: string): LanguageModel {
    if (name === undefined) return new LanguageModel(this.contents);
    this.use(name); // for its error
    const rest = new Map([...this.adapters].filter(([key]) => key !== name));
    return new LanguageModel(this.contents, rest, this.active === name ? undefined : this.active);
  }

  /**
   * This model with the matrices of its layers in 4 bits; embedding, head, norms and biases stay as they are. The codes
   * are what is in memory, forward and backward, so an adapter attached to it is trained as in QLoRA (Dettmers et al.,
   * arXiv:2305.14314). NF4 in blocks of 64 unless the settings say otherwise; `{ type: "int4" }` for the group-wise
   * integers of QA-LoRA. transformers: `BitsAndBytesConfig`.
   * @throws when adapters are attached: they belong to the weights as they are
   */
  quantize(settings: QuantizationSettings = {}): LanguageModel {
    if (this.adapters.size > 0) {
      throw new Error(
        `quantize: ${[...this.adapters.keys()].join(", ")} would belong to other weights; merge() or detach() first.`,
      );
    }
    const weights = new Map(
      [...this.weights].map(([name, weight]) => [name, quantizeInside(name, weight, settings)]),
    );
    return new LanguageModel({ ...this.contents, weights, unmerged: undefined });
  }

  /**
   * The adapter in use folded into the weights: W + ΔW, an ordinary model without adapters that costs nothing extra to
   * run. Weights that do not change are shared with this model. PEFT: `merge_and_unload`, but this model stays.
   * Quantized weights that change become float32; quantizing them again rounds ΔW too and loses some of what was learnt.
   * @throws when no adapter is in use
   */
  merge(): LanguageModel {
    const { adapter } = this;
    if (!adapter) throw new Error("merge: no adapter is in use; attach one first, or choose one with use().");
    const changed = adapter.merged(this);
    const weights = new Map([...this.weights, ...changed]);
    // A head with weights of its own is tied to the embedding no longer.
    const tiedEmbeddings = this.config.tiedEmbeddings && !changed.has("lm_head.weight");
    const config = { ...this.config, tiedEmbeddings };
    return new LanguageModel({ ...this.contents, config, weights, source: undefined, unmerged: this });
  }

  /**
   * The model that this one was merged from: exactly, since merging changed nothing of it. Adapters attached since then
   * belong to the merged weights and stay behind.
   */
  unmerge(): LanguageModel {
    const { unmerged } = this.contents;
    if (!unmerged) throw new Error("unmerge: this model is not a merged one.");
    return unmerged;
  }

  /**
   * The layers with the adapter in use, for code that is being traced.
   * @param trainable the adapter's arrays in the order of `adapter.parameters.names`; its current values by default
   * @param training given while training: what dropout draws from, and what takes terms of the loss
   */
  layers(trainable?: tf.Tensor[], training?: Training): Layers {
    return this.layersAtWork(
      ({ parameters }) => trainable ?? parameters.split(tf.tensor1d(parameters.flat, "float32")),
      training,
    );
  }

  /** The adapter of each row of a batch, or that of all; undefined for the base. */
  private get byRow(): (Adapter | undefined)[] {
    return (this.rows ?? [this.active]).map((name) => this.named(name));
  }

  /** @param values of an adapter's arrays, in the order of their names */
  private layersAtWork(values: (adapter: Adapter) => tf.Tensor[], training?: Training): Layers {
    const { byRow } = this;
    const kinds = [...new Set(byRow)];
    const layers = kinds.map((adapter) => this.layersWith(adapter, values, training));
    return layers.length === 1
      ? layers[0]!
      : rowwise(
          layers,
          byRow.map((adapter) => kinds.indexOf(adapter)),
        );
  }

  private layersWith(
    adapter: Adapter | undefined,
    values: (adapter: Adapter) => tf.Tensor[],
    training?: Training,
  ): Layers {
    const { config } = this;
    const held = (name: string) => adapter?.replaced?.get(name) ?? this.weights.get(name);
    const weight = (name: string) => {
      const array = held(name);
      if (!array) throw new Error(`${this.name} has no weight ${name}`);
      return tf.tensor(array.data, array.shape, array.dtype);
    };
    const base = baseLayers(config, weight, (name, x) => {
      const array = held(name);
      if (array instanceof QuantizedWeight) return array.product(x);
      return tf.matMul(x, weight(name) as tf.Tensor2D, false, true);
    });
    if (!adapter) return base;
    const tensors = values(adapter);
    const byName = new Map(adapter.parameters.names.map((name, i) => [name, tensors[i]!]));
    return adapter.layers(base, { config, weight, parameter: (name) => byName.get(name)!, ...training });
  }

  /** What the ids of this model's programs begin with: its weights and the adapters in use, or what these have of their own. */
  private get programs(): string {
    const { byRow } = this;
    const kinds = [...new Set(byRow)];
    // Of one form, but not one adapter: which rows share theirs is recorded in a program.
    const numbers = byRow.map((adapter) =>
      adapter ? `${adapter.form ?? numberOf(adapter)} ${kinds.indexOf(adapter)}` : "base",
    );
    return `${numberOf(this.contents)}/${numbers} `;
  }

  /**
   * Runs a program of this model. `body` is traced once for each key, specs and options, and the program is kept for the
   * next time. It gets the layers, with the adapter's trainable values as an input, so that training does not make the
   * program stale.
   * @param specs of the inputs, by name
   */
  run(
    key: string,
    body: (layers: Layers, inputs: Tensors) => Tensors,
    specs: Record<string, InputSpec>,
    inputs: Record<string, TypedArray>,
    options?: TraceOptions,
  ): Promise<Record<string, HostArray>> {
    const { rows, byRow } = this;
    const batch = specs.ids?.shape[0];
    if (rows && batch !== undefined && batch !== rows.length) {
      throw new Error(
        `useByRow gave adapters for ${rows.length} rows, but the batch has ${batch}: give one name for each text.`,
      );
    }
    const atWork = [...new Set(byRow.flatMap((adapter) => adapter ?? []))];
    const input = (adapter: Adapter) => `parameters ${atWork.indexOf(adapter)}`;
    const shapes = atWork.map((adapter): [string, InputSpec] => [
      input(adapter),
      { shape: [adapter.parameters.size], dtype: "float32" },
    ]);
    const values = atWork.map((adapter) => [input(adapter), adapter.parameters.flat]);
    return cache.use(
      `${this.programs}${key} ${JSON.stringify([specs, options, computeThread()])}`,
      () =>
        trace(
          (x) =>
            body(
              this.layersAtWork((a) => a.parameters.split(x[input(a)] as tf.Tensor1D)),
              x,
            ),
          { ...specs, ...Object.fromEntries(shapes) },
          options,
        ),
      (program) => program.run({ ...inputs, ...Object.fromEntries(values) }),
    );
  }

  /**
   * Next-token logits at every position, before softmax.
   * @param ids token ids of one text, or of several of equal length
   * @returns float32 [batch, seq, vocabSize]
   * @throws for texts of unequal lengths, without tokens or longer than the context, and for ids that are no tokens
   */
  async logits(ids: number[] | number[][], options?: TraceOptions): Promise<HostArray> {
    const rows = Array.isArray(ids[0]) ? (ids as number[][]) : [ids as number[]];
    const seq = rows[0]!.length;
    if (rows.some((row) => row.length !== seq)) {
      throw new Error(
        `logits: texts must have equal lengths, got ${rows.map((row) => row.length).join(", ")}`,
      );
    }
    const { config } = this;
    const { contextLength, vocabSize } = config;
    if (seq < 1 || seq > contextLength) {
      throw new Error(`logits: expected 1 to ${contextLength} tokens (the model's context), got ${seq}`);
    }
    for (const row of rows) checkTokens(row, vocabSize);
    // Few programs for all lengths: no token looks ahead, so what fills up the rows changes nothing before it.
    const padded = capacityFor(seq, contextLength);
    const grid = new Int32Array(rows.length * padded);
    for (const [r, row] of rows.entries()) grid.set(row, r * padded);
    const out = await this.run(
      "logits",
      (layers, x) => ({
        logits: logits(layers, hiddenStates(config, layers, x.ids as tf.Tensor2D).hidden),
      }),
      { ids: { shape: [rows.length, padded], dtype: "int32" } },
      { ids: grid },
      options,
    );
    const all = out.logits!.data as Float32Array;
    const data = new Float32Array(rows.length * seq * vocabSize);
    for (const r of rows.keys()) {
      const from = r * padded * vocabSize;
      data.set(all.subarray(from, from + seq * vocabSize), r * seq * vocabSize);
    }
    return { data, shape: [rows.length, seq, vocabSize], dtype: "float32" };
  }

  /** Continues a text or a conversation. See `GenerateOptions`; the defaults are greedy. */
  generate(prompt: Prompt, options: GenerateOptions = {}): Promise<Generation> {
    return generate(this, prompt, options);
  }

  /** Continues several texts at once, each as `generate` would: much faster than one by one. */
  generateBatch(
    prompts: readonly Prompt[],
    options: Omit<GenerateOptions, "onText"> = {},
  ): Promise<Generation[]> {
    return generateBatch(this, prompts, options);
  }

  /** Continues a text piece by piece: `for await (const piece of model.stream("Once upon a time")) …` */
  stream(prompt: Prompt, options: GenerateOptions = {}): AsyncGenerator<string, Generation> {
    return stream(this, prompt, options);
  }

  /**
   * Frees the native memory of this model's programs, those with the adapter in use; they are built again when needed.
   * Of all models together the last few programs are kept, so this is seldom called for.
   */
  dispose(): Promise<void> {
    return cache.drop(this.programs);
  }
}

export interface LoadOptions {
  /** Of a model on the hub: a branch, a tag or a commit; "main" by default. */
  revision?: string;
  /**
   * Holds the matrices of the layers in 4 bits, as `quantize` does, each as soon as it is read: the whole model is never in
   * memory in another form. `{ type: "nf4" }` is QLoRA's.
   */
  quantize?: QuantizationSettings;
}

/**
 * Reads a model: the name of one that comes with loralab ("small", "nano"), a folder in Hugging Face's layout, or the
 * name of one on the Hugging Face hub, "HuggingFaceTB/SmolLM2-135M". That is fetched on first use, into the cache that
 * transformers has (`HF_HOME`), with the token in `HF_TOKEN` or where "hf auth login" leaves it; `HF_HUB_OFFLINE=1` asks
 * the cache only. Also makes tfjs's fastest eager backend current, for what cells do with its tensors.
 * @throws naming what is missing or does not fit; for a model that cannot be fetched, with what to do
 */
export async function loadModel(
  nameOrPath: string,
  { revision, quantize }: LoadOptions = {},
): Promise<LanguageModel> {
  const { folder, name, source } = await locate(nameOrPath, revision);
  const form = quantize && ((name: string, weight: HostArray) => quantizeInside(name, weight, quantize));
  const [files] = await Promise.all([readModelFolder(folder, form), eager()]);
  return new LanguageModel({ name, ...files, source });
}

/**
 * Writes a model as a folder in Hugging Face's layout, which `loadModel` and transformers read. With an adapter in use,
 * that is folded into the weights first: to keep it apart, use `saveAdapter`.
 * @param format how weights are stored: "F32" by default, "F16" or "BF16" for half the size
 * @param shardBytes weights of more than this many bytes are written as several files; 5 GB by default
 */
export async function saveModel(
  model: LanguageModel,
  folder: string,
  { format, shardBytes }: { format?: FloatFormat; shardBytes?: number } = {},
): Promise<void> {
  const { config, weights, tokenizer } = model.adapter ? model.merge().files : model.files;
  await writeModelFolder(folder, { config, weights: new Map(weights), tokenizer }, { format, shardBytes });
}
