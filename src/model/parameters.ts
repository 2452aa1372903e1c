/**
 * The trainable arrays of an adapter, laid end to end in one vector.
 *
 * Training then moves one array per step in and out of the compiled program, an optimizer is a handful of element-wise
 * operations on vectors, and replacing all weights at once is replacing one reference.
 */
import * as tf from "@tensorflow/tfjs";
import type { HostArray } from "../engine";

export class Parameters {
  private readonly layout = new Map<string, { offset: number; shape: number[]; size: number }>();
  private vector: Float32Array;
  /** Rises whenever values are replaced. */
  version = 0;

  /** @param arrays float32 by name; copied */
  constructor(arrays: Map<string, HostArray>) {
    let offset = 0;
    for (const [name, { data, shape }] of arrays) {
      this.layout.set(name, { offset, shape, size: data.length });
      offset += data.length;
    }
    this.vector = new Float32Array(offset);
    for (const [name, { data }] of arrays) this.vector.set(data, this.layout.get(name)!.offset);
  }

  get size(): number {
    return this.vector.length;
  }

  get names(): string[] {
    return [...this.layout.keys()];
  }

  /** All values, in the order of `names`. Assigning replaces them all; the array is taken over, not copied. */
  get flat(): Float32Array {
    return this.vector;
  }

  set flat(values: Float32Array) {
    if (values.length !== this.size) {
      throw new Error(`expected ${this.size} parameter values, got ${values.length}`);
    }
    this.vector = values;
    this.version++;
  }

  has(name: string): boolean {
    return this.layout.has(name);
  }

  /** One array, as a view of the vector. */
  get(name: string): HostArray {
    const { offset, size, shape } = this.place(name);
    return { data: this.vector.subarray(offset, offset + size), shape, dtype: "float32" };
  }

  /** Overwrites one array. */
  set(name: string, values: ArrayLike<number>): void {
    const { offset, size, shape } = this.place(name);
    if (values.length !== size) {
      throw new Error(`${name}: expected ${size} values for shape [${shape}], got ${values.length}`);
    }
    this.vector.set(values, offset);
    this.version++;
  }

  entries(): [string, HostArray][] {
    return this.names.map((name) => [name, this.get(name)]);
  }

  /** Cuts a vector of this layout, [size], into tensors in the order of `names`. */
  split(flat: tf.Tensor1D): tf.Tensor[] {
    const places = [...this.layout.values()];
    const sizes = places.map(({ size }) => size);
    return tf.split(flat, sizes).map((piece, i) => tf.reshape(piece, places[i]!.shape));
  }

  private place(name: string) {
    const place = this.layout.get(name);
    if (!place) throw new Error(`no parameter ${name}; there are ${this.names.slice(0, 4).join(", ")}, …`);
    return place;
  }
}
