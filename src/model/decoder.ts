/**
 * Reading and continuing texts token by token with a cache of keys and values, so that each token passes the model once.
 *
 * Shapes in a compiled program are fixed. So the cache has a capacity, of which a first part is filled, and there are two
 * programs for it: one takes a single new token per row, the other a stretch of them, to read prompts quickly. Both get
 * the cache as input and return the new keys and values, which are copied into it here.
 */
import * as tf from "@tensorflow/tfjs";
import type { HostArray, InputSpec, TypedArray } from "../engine";
import type { ModelConfig } from "./config";
import { hiddenStates, type Layers, logits } from "./transformer";

/** What decoding needs of a model. */
export interface Decodable {
  readonly config: ModelConfig;
  /** Runs a program of this model, built once for each key and specs. */
  run(
    key: string,
    body: (layers: Layers, inputs: Record<string, tf.Tensor>) => Record<string, tf.Tensor>,
    specs: Record<string, InputSpec>,
    inputs: Record<string, TypedArray>,
  ): Promise<Record<string, HostArray>>;
}

/** Tokens per row that the prompt-reading program takes at once. */
const STRETCH = 32;
/** Below this, a prompt is read token by token: faster than building another program. */
const FEW = 24;

/** The smallest cache for `tokens` tokens: sizes are powers of two from 64 on, so that few programs serve all lengths. */
export function capacityFor(tokens: number, contextLength: number): number {
  return Math.min(contextLength, Math.max(64, 2 ** Math.ceil(Math.log2(tokens))));
}

/** Several texts in the making, one per row. */
export class Decoder {
  /** Tokens read so far, by row. */
  readonly lengths: Int32Array;
  private readonly keys: Float32Array;
  private readonly values: Float32Array;
  private readonly cacheShape: number[];

  /** @param capacity how many tokens a row can hold, at most the model's context */
  constructor(
    private readonly model: Decodable,
    private readonly batch: number,
    private readonly capacity: number,
  ) {
    const { layers, kvHeads, headDim } = model.config;
    this.lengths = new Int32Array(batch);
    this.cacheShape = [layers, batch, kvHeads, capacity, headDim];
    const size = this.cacheShape.reduce((product, n) => product * n, 1);
    this.keys = new Float32Array(size);
    this.values = new Float32Array(size);
  }

  /**
   * Appends tokens to each row; a row may get none.
   * @param tokens by row
   * @returns by row, logits [vocabSize] of what follows its last token; undefined for rows that got none
   */
  async feed(tokens: number[][]): Promise<(Float32Array | undefined)[]> {
    const longest = Math.max(...tokens.map((row) => row.length));
    const width = longest < FEW ? 1 : STRETCH;
    const result: (Float32Array | undefined)[] = tokens.map(() => undefined);
    for (let start = 0; start < longest; start += width) {
      const parts = tokens.map((row) => row.slice(start, start + width));
      const next = await this.step(parts, width);
      for (const [row, part] of parts.entries()) if (part.length > 0) result[row] = next[row];
    }
    return result;
  }

  /** A decoder whose row i goes on from this one's row `rows[i]`, with a copy of what that holds. */
  spread(rows: readonly number[]): Decoder {
    const { layers } = this.model.config;
    const wide = new Decoder(this.model, rows.length, this.capacity);
    const size = this.keys.length / (layers * this.batch);
    for (let layer = 0; layer < layers; layer++) {
      for (const [i, row] of rows.entries()) {
        const from = (layer * this.batch + row) * size;
        const to = (layer * rows.length + i) * size;
        wide.keys.set(this.keys.subarray(from, from + size), to);
        wide.values.set(this.values.subarray(from, from + size), to);
      }
    }
    for (const [i, row] of rows.entries()) wide.lengths[i] = this.lengths[row];
    return wide;
  }

  /** Runs up to `width` tokens per row through the model and keeps their keys and values. */
  private async step(tokens: number[][], width: number): Promise<Float32Array[]> {
    const { model, batch, capacity, lengths, cacheShape } = this;
    const overfull = tokens.findIndex((row, i) => lengths[i] + row.length > capacity);
    if (overfull >= 0) {
      const wanted = lengths[overfull] + tokens[overfull].length;
      throw new Error(`row ${overfull} would hold ${wanted} tokens, its cache has room for ${capacity}`);
    }
    // Short rows are filled up at their end: no token looks ahead, so what stands there changes nothing before it.
    const ids = new Int32Array(batch * width);
    for (const [row, part] of tokens.entries()) ids.set(part, row * width);
    const last = Int32Array.from(tokens, (part, row) => row * width + Math.max(0, part.length - 1));
    const out = await model.run(
      `decode ${width}/${capacity}`,
      (layers, { ids, length, last, keys, values }) => {
        const past = { keys, values, length: length as tf.Tensor1D };
        const states = hiddenStates(model.config, layers, ids as tf.Tensor2D, { past });
        const wanted = width === 1 ? states.hidden : tf.gather(states.hidden, last as tf.Tensor1D);
        return { logits: logits(layers, wanted), keys: states.keys!, values: states.values! };
      },
      {
        ids: { shape: [batch, width], dtype: "int32" },
        length: { shape: [batch], dtype: "int32" },
        keys: { shape: cacheShape, dtype: "float32" },
        values: { shape: cacheShape, dtype: "float32" },
        ...(width > 1 && { last: { shape: [batch], dtype: "int32" } }),
      },
      { ids, length: lengths, keys: this.keys, values: this.values, ...(width > 1 && { last }) },
    );
    this.keep(out.keys, this.keys, tokens);
    this.keep(out.values, this.values, tokens);
    for (const [row, part] of tokens.entries()) lengths[row] += part.length;
    const all = out.logits.data as Float32Array;
    return tokens.map((_, row) => all.subarray((row * all.length) / batch, ((row + 1) * all.length) / batch));
  }

  /** Copies each row's new vectors, [layers, batch, kvHeads, width, headDim], behind those that the cache holds. */
  private keep({ data, shape }: HostArray, cache: Float32Array, tokens: number[][]): void {
    const [layers, batch, kvHeads, width, headDim] = shape;
    for (let block = 0; block < layers * batch * kvHeads; block++) {
      const row = Math.floor(block / kvHeads) % batch;
      const from = block * width * headDim;
      const added = (data as Float32Array).subarray(from, from + tokens[row].length * headDim);
      cache.set(added, (block * this.capacity + this.lengths[row]) * headDim);
    }
  }
}
