/**
 * Operators that ONNX Runtime has as one fast kernel and tfjs as a chain. Each works on every backend, eagerly as the
 * chain, and inside `compile` as the kernel; the gradients are written out, which also makes them shorter than tfjs's.
 */
import * as tf from "@tensorflow/tfjs";
import {
  absmaxOf,
  dequantize4bit,
  dequantizeInt4,
  type Quantized4bit,
  type QuantizedInt4,
} from "../quantize";
import { emitKernel, isTracing } from "./backend";

/** A function of tensors with its own gradient: what `forward` saves is what `backward` gets, in the same order. */
function withGradient<T extends tf.Tensor>(
  inputs: tf.Tensor[],
  forward: (save: (tensors: tf.Tensor[]) => void, ...inputs: tf.Tensor[]) => tf.Tensor,
  backward: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor | tf.Tensor[],
): T {
  const fn = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const save = args.pop() as tf.GradSaveFunc;
    return { value: forward(save, ...(args as tf.Tensor[])), gradFunc: backward as never };
  });
  return fn(...inputs) as T;
}

/**
 * x / √(mean(x²) + ε) · w over the last axis (Zhang & Sennrich, arXiv:1910.07467).
 * @param x [..., d]
 * @param w [d]
 */
export function rmsNorm(x: tf.Tensor, w: tf.Tensor1D, epsilon: number): tf.Tensor {
  const inverse = (t: tf.Tensor) => tf.rsqrt(tf.add(tf.mean(tf.square(t), -1, true), epsilon));
  return withGradient(
    [x, w],
    (save, x, w) => {
      save([x!, w!]);
      if (isTracing()) return emitKernel("RmsNorm", { x: x!, weight: w! }, { epsilon });
      return tf.mul(tf.mul(x!, inverse(x!)), w!);
    },
    // With r = 1/rms and g = dy·w:  dx = r·(g − x·r²·mean(g·x)),  dw = Σ dy·x·r
    (dy, [x, w]) => {
      const r = inverse(x!);
      const g = tf.mul(dy, w!);
      const along = tf.mul(tf.mean(tf.mul(g, x!), -1, true), tf.square(r));
      const dx = tf.mul(r, tf.sub(g, tf.mul(x!, along)));
      return [dx, tf.sum(tf.mul(tf.mul(dy, x!), r), [...Array(x!.rank - 1).keys()])];
    },
  );
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

  return withGradient(
    [logits],
    (save, z) => {
      const logP = isTracing() ? emitKernel("LogSoftmax", { logits: z! }, { axis: 1 }) : tf.logSoftmax(z!, 1);
      save([logP, targets]);
      return tf.neg(atTargets(logP, targets));
    },
    (dy, [logP, targets]) => {
      const p = tf.exp(logP!);
      const places = tf.stack([rows(), targets!], 1);
      const less = tf.sub(atTargets(p, targets!), 1);
      const difference = isTracing()
        ? emitKernel("MinusOneHot", { p, targets: targets!, places, less })
        : tf.tensorScatterUpdate(p, places, less);
      return tf.mul(difference, tf.reshape(dy, [n, 1]));
    },
  );
}

/**
 * Rotary position embedding in the half-split form (Su et al., arXiv:2104.09864): x·cos + swap(x)·sin, where swap
 * exchanges the halves of the last axis. A rotation's gradient is the rotation back.
 * @param x [batch, heads, seq, headDim]
 * @param cos,sin [1 | batch, 1, seq, headDim]; equal halves in cos, opposite ones in sin, negative in the first
 */
export function rotate(x: tf.Tensor4D, cos: tf.Tensor4D, sin: tf.Tensor4D): tf.Tensor4D {
  const turn = (t: tf.Tensor, cos: tf.Tensor, sin: tf.Tensor, back: boolean) => {
    if (isTracing()) return emitKernel("Rotate", { x: t, cos, sin }, { back });
    const [first, second] = tf.split(t, 2, 3);
    const turned = tf.mul(tf.concat([second!, first!], 3), sin);
    return back ? tf.sub(tf.mul(t, cos), turned) : tf.add(tf.mul(t, cos), turned);
  };
  return withGradient(
    [x],
    (save, x) => {
      save([cos, sin]);
      return turn(x!, cos, sin, false);
    },
    (dy, [cos, sin]) => turn(dy, cos!, sin!, true),
  );
}

/**
 * silu(gate) · up with silu(z) = z·σ(z) (Shazeer, arXiv:2002.05202).
 * @param gate,up of one shape
 */
export function swiglu(gate: tf.Tensor2D, up: tf.Tensor2D): tf.Tensor2D {
  const silu = (z: tf.Tensor) => (isTracing() ? emitKernel("Silu", { x: z }) : tf.mul(z, tf.sigmoid(z)));
  return withGradient(
    [gate, up],
    (save, gate, up) => {
      save([gate!, up!]);
      return tf.mul(silu(gate!), up!);
    },
    (dy, [gate, up]) => {
      // silu′ = σ + silu·(1 − σ)
      const [s, sigma] = [silu(gate!), tf.sigmoid(gate!)];
      const slope = tf.add(sigma, tf.mul(s, tf.sub(1, sigma)));
      return [tf.mul(tf.mul(dy, up!), slope), tf.mul(dy, s)];
    },
  );
}

/**
 * softmax(q·kᵀ + mask)·v; a scale is expected inside q. The mask gets no gradient.
 *
 * With P the softmax and O the result, the gradient of the scores is P∘(dO·vᵀ − rowsum(dO∘O)); the row sums need no
 * pass over the scores (Dao et al., arXiv:2205.14135, appendix B).
 * @param q [batch, heads, rows, headDim]
 * @param k,v [batch, heads, keys, headDim]
 * @param mask broadcast to [batch, heads, groups, rows / groups, keys]
 */
export function softmaxAttention(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  mask: tf.Tensor,
): tf.Tensor4D {
  const [batch, heads, rows] = q.shape;
  const keys = k.shape[2];
  const seq = mask.shape.at(-2)!;
  return withGradient(
    [q, k, v],
    (save, q, k, v) => {
      // Groups of query heads as further rows, so that one mask serves them all.
      const scores = tf.reshape(tf.matMul(q!, k!, false, true), [batch, (heads * rows) / seq, seq, keys]);
      const p = tf.reshape(tf.softmax(tf.add(scores, mask)), [batch, heads, rows, keys]);
      const out = tf.matMul(p, v!);
      save([q!, k!, v!, p, out]);
      return out;
    },
    (dy, [q, k, v, p, out]) => {
      const along = tf.sum(tf.mul(dy, out!), -1, true);
      const dScores = tf.mul(p!, tf.sub(tf.matMul(dy, v!, false, true), along));
      // scoresᵀ·x as (xᵀ·scores)ᵀ: what is turned is as narrow as a head.
      const across = (scores: tf.Tensor, x: tf.Tensor) =>
        tf.transpose(tf.matMul(x, scores, true, false), [0, 1, 3, 2]);
      return [tf.matMul(dScores, k!), across(dScores, q!), across(p!, dy)];
    },
  );
}

/**
 * x·Wᵀ of a frozen 4-bit matrix (Dettmers et al., arXiv:2305.14314, eq. 5), whose gradient goes to x alone: dx = dy·W.
 *
 * Compiled, W stays 4-bit in memory. The forward product reads the codes; the backward one writes W out in float32, which
 * lives only for that product. Eagerly, W is dequantized each time.
 * @param x [n, in]
 * @param w [out, in]
 */
export function matMul4bit(x: tf.Tensor2D, w: Quantized4bit): tf.Tensor2D {
  const [out, inputs] = w.shape;
  if (w.shape.length !== 2 || inputs !== x.shape[1]) {
    throw new Error(
      `matMul4bit: expected a matrix [out, ${x.shape[1]}] for x [${x.shape}], got [${w.shape}]`,
    );
  }
  // Scales in one array for both directions, so that they are one constant of the program.
  const codes = { packed: w.packed, absmax: absmaxOf(w), type: w.type, blockSize: w.blockSize };
  const shape: [number, number] = [out!, inputs];
  const dequantized = () => tf.tensor2d(dequantize4bit(w).data, shape);
  return withGradient(
    [x],
    (_, x) =>
      isTracing()
        ? emitKernel("MatMul4bit", { x: x! }, { ...codes, shape })
        : tf.matMul(x! as tf.Tensor2D, dequantized(), false, true),
    (dy) => {
      const matrix = isTracing()
        ? emitKernel("Dequantize4bit", { after: dy }, { ...codes, shape })
        : dequantized();
      return tf.matMul(dy as tf.Tensor2D, matrix as tf.Tensor2D);
    },
  );
}

/** The zero point that ONNX Runtime's product takes for granted. */
const MIDDLE = 8;

/**
 * x·Wᵀ of a frozen matrix of 4-bit integers w = s·(q − z) with a scale and a zero point for each group of inputs (Xu et
 * al., arXiv:2309.14717, eq. 1). The gradient goes to x alone: dx = dy·W.
 *
 * A zero point moves all weights of its group by one amount, so it meets the group's inputs only in their sum. With
 * w = s·(q − 8) + s·(8 − z) the product is one with whole zero points, for which there is an operator, and a small one with
 * the sums of x over groups. Compiled, W stays in 4 bits, as in `matMul4bit`, with codes of its own for each direction.
 * With `activations: "int8"` the first product takes x rounded; its gradient is the one without rounding.
 * @param x [n, in]
 * @param w [out, in], its groups of 16, 32, 64, 128 or 256
 */
export function matMulInt4(x: tf.Tensor2D, w: QuantizedInt4): tf.Tensor2D {
  const { shape, groupSize, packed, scales, zeros, activations } = w;
  const [out, inputs] = shape;
  if (inputs !== x.shape[1]) {
    throw new Error(`matMulInt4: expected a matrix [out, ${x.shape[1]}] for x [${x.shape}], got [${shape}]`);
  }
  if (![16, 32, 64, 128, 256].includes(groupSize)) {
    throw new Error(`matMulInt4: expected groups of 16, 32, 64, 128 or 256 inputs, got ${groupSize}`);
  }
  const centred = () =>
    tf.tensor2d(dequantizeInt4({ ...w, zeros: zeros.map(() => MIDDLE) }).data, [out, inputs]);
  const isInt8 = activations === "int8";
  const attributes = { packed, scales, shape, groupSize, activations };
  const product = withGradient<tf.Tensor2D>(
    [x],
    (_, x) =>
      isTracing()
        ? emitKernel("MatMulInt4", { x: x! }, attributes)
        : tf.matMul((isInt8 ? roundedInt8(x!, groupSize) : x!) as tf.Tensor2D, centred(), false, true),
    (dy) => {
      const matrix = isTracing() ? emitKernel("DequantizeInt4", { after: dy }, attributes) : centred();
      return tf.matMul(dy as tf.Tensor2D, matrix as tf.Tensor2D);
    },
  );
  const groups = inputs / groupSize;
  const sums = tf.sum(tf.reshape(x, [-1, groups, groupSize]), 2) as tf.Tensor2D;
  const offsets = zeros.map((zero, g) => scales[g]! * (MIDDLE - zero));
  return tf.add(product, tf.matMul(sums, tf.tensor2d(offsets, [out, groups]), false, true));
}

/** x [n, in] as it is in 8 bits: whole multiples, from −127 to 127, of a 127th of the largest size in each group. */
function roundedInt8(x: tf.Tensor, groupSize: number): tf.Tensor {
  const groups = tf.reshape(x, [-1, groupSize]);
  const step = tf.maximum(tf.div(tf.max(tf.abs(groups), 1, true), 127), 1e-30);
  return tf.reshape(tf.mul(tf.round(tf.div(groups, step)), step), x.shape);
}
