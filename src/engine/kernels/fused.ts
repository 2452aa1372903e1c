/** Operators that exist in ONNX Runtime as one kernel and in tfjs only as a chain. See `ops.ts` for their gradients. */
import type { Emit } from "./emit";

export const fused: Record<string, Emit> = {
  /** x / √(mean(x²) + ε) · weight over the last axis. */
  RmsNorm: (g, { x, weight }, { epsilon }) =>
    g.op("SimplifiedLayerNormalization", [x!, weight!], x!, { axis: -1, epsilon: { float: epsilon } }),
};
