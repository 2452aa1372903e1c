/**
 * Operators that ONNX Runtime has as one fast kernel and tfjs as a chain. Each works on every backend, eagerly as the
 * chain, and inside `compile` as the kernel; the gradients are written out, which also makes them shorter than tfjs's.
 */
import * as tf from "@tensorflow/tfjs";
import { emitKernel, isTracing } from "./backend";

/**
 * x / √(mean(x²) + ε) · w over the last axis (Zhang & Sennrich, arXiv:1910.07467).
 * @param x [..., d]
 * @param w [d]
 */
export function rmsNorm(x: tf.Tensor, w: tf.Tensor1D, epsilon: number): tf.Tensor {
  const inverse = (t: tf.Tensor) => tf.rsqrt(tf.add(tf.mean(tf.square(t), -1, true), epsilon));
  const forward = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [input, weight, save] = args as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    save([input, weight]);
    const value = isTracing()
      ? emitKernel("RmsNorm", { x: input, weight }, { epsilon })
      : tf.mul(tf.mul(input, inverse(input)), weight);
    // With r = 1/rms and g = dy·w:  dx = r·(g − x·r²·mean(g·x)),  dw = Σ dy·x·r
    const gradFunc = (dy: tf.Tensor, [x, w]: tf.Tensor[]) => {
      const r = inverse(x!);
      const g = tf.mul(dy, w!);
      const along = tf.mul(tf.mean(tf.mul(g, x!), -1, true), tf.square(r));
      const dx = tf.mul(r, tf.sub(g, tf.mul(x!, along)));
      const dw = tf.sum(tf.mul(tf.mul(dy, x!), r), [...Array(x!.rank - 1).keys()]);
      return [dx, dw];
    };
    return { value, gradFunc: gradFunc as never };
  });
  return forward(x, w);
}

/**
 * −log softmax(logits)[target] of each row.
 * The gradient is softmax(logits) − onehot(target): the one-hot matrix is never built.
 * @param logits float32 [n, classes]
 * @param targets int32 [n], each in 0 … classes − 1
 * @returns float32 [n], in nats
 */
export function crossEntropy(logits: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D {
  const [n, classes] = logits.shape;
  // tfjs disposes what the forward pass made before the backward pass runs: only what is saved may be used in both.
  const rows = () => tf.range(0, n, 1, "int32");
  const atTargets = (values: tf.Tensor, of: tf.Tensor) =>
    tf.gather(tf.reshape(values, [-1]), tf.add(tf.mul(rows(), tf.scalar(classes, "int32")), of));

  const forward = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [z, save] = args as [tf.Tensor2D, tf.GradSaveFunc];
    const logP = isTracing() ? emitKernel("LogSoftmax", { logits: z }, { axis: 1 }) : tf.logSoftmax(z, 1);
    save([logP, targets]);
    const gradFunc = (dy: tf.Tensor, [logP, targets]: tf.Tensor[]) => {
      const p = tf.exp(logP!);
      const places = tf.stack([rows(), targets!], 1);
      const difference = tf.tensorScatterUpdate(p, places, tf.sub(atTargets(p, targets!), 1));
      return tf.mul(difference, tf.reshape(dy, [n, 1]));
    };
    return { value: tf.neg(atTargets(logP, targets)), gradFunc: gradFunc as never };
  });
  return forward(logits) as tf.Tensor1D;
}
