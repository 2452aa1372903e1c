/**
 * A batch in which each row has layers of its own: one adapter for the first text, another for the second. So one base in
 * memory serves many adapters at once (as S-LoRA does, Sheng et al., arXiv:2311.03285), and the modality of an input can
 * choose the adapter (Phi-4-multimodal, arXiv:2503.01743).
 *
 * Rows that share layers go through them together, and every row through its own only; nothing is computed to be thrown
 * away. Which row has which is fixed while a program is recorded.
 */
import * as tf from "@tensorflow/tfjs";
import type { Layers } from "./transformer";

/**
 * @param kinds the different layers
 * @param choice for each row of the batch, which of them
 */
export function rowwise(kinds: readonly Layers[], choice: readonly number[]): Layers {
  const batch = choice.length;
  const members = kinds.map((_, kind) => choice.flatMap((of, row) => (of === kind ? [row] : [])));
  // Where each row is when the kinds' results lie end to end.
  const order = members.flat();
  const places = choice.map((_, row) => order.indexOf(row));

  /** `apply` of each kind to its rows; x and what comes of it have batch·n as their first dimension. */
  const split = <T extends tf.Tensor>(
    x: tf.Tensor,
    apply: (layers: Layers, x: tf.Tensor) => tf.Tensor,
  ): T => {
    const pick = (t: tf.Tensor, rows: readonly number[]) => {
      const [first, ...rest] = t.shape as [number, ...number[]];
      const byRow = tf.reshape(t, [batch, (first / batch) * rest.reduce((a, b) => a * b, 1)]);
      const picked = tf.gather(byRow, tf.tensor1d([...rows], "int32"));
      return tf.reshape(picked, [(first / batch) * rows.length, ...rest]);
    };
    const parts = members.map((rows, kind) => apply(kinds[kind]!, pick(x, rows)));
    return pick(tf.concat(parts), places) as T;
  };

  return {
    linear: (path, x) => split(x, (layers, rows) => layers.linear(path, rows as tf.Tensor2D)),
    embedding: (path, ids) => split(ids, (layers, rows) => layers.embedding(path, rows as tf.Tensor1D)),
    norm: (path, x) => split(x, (layers, rows) => layers.norm(path, rows)),
  };
}
