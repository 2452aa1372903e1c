/**
 * Rotary position embeddings (Su et al., arXiv:2104.09864), the part that is numbers and not tensors. Pair i of a head's
 * dimensions is rotated by position · ωᵢ with ωᵢ = θ^(−2i/headDim). Llama 3 stretches the slow rotations to reach a
 * context longer than the one trained first and leaves the fast ones, which tell neighbours apart, as they were.
 */
import type { ModelConfig } from "./config";

/** The headDim / 2 angular frequencies ωᵢ, in radians per position, rounded to float32 as PyTorch has them. */
export function ropeFrequencies({ headDim, ropeTheta, ropeScaling }: ModelConfig): Float32Array {
  const plain = Float32Array.from({ length: headDim / 2 }, (_, i) => ropeTheta ** ((-2 * i) / headDim));
  if (!ropeScaling) return plain;
  if (ropeScaling.type === "linear") return plain.map((frequency) => frequency / ropeScaling.factor);

  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContextLength } = ropeScaling;
  return plain.map((frequency) => {
    const turns = (originalContextLength * frequency) / (2 * Math.PI); // full turns within the original context
    const keep = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return keep * frequency + ((1 - keep) * frequency) / factor;
  });
}

/**
 * cos and sin of every angle at positions 0 … positions − 1, each [positions, headDim], laid out for the half-split form
 * x·cos + swap(x)·sin: both halves of a row hold the same angles, and sin is negative in the first half.
 * @param scale multiplies both, so that a rotation can also scale
 */
export function ropeTable(
  config: ModelConfig,
  positions: number,
  scale: number,
): { cos: Float32Array; sin: Float32Array } {
  const frequencies = ropeFrequencies(config);
  const half = frequencies.length;
  const cos = new Float32Array(positions * 2 * half);
  const sin = new Float32Array(positions * 2 * half);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position * frequencies[i]);
      const first = position * 2 * half + i;
      cos[first] = cos[first + half] = Math.cos(angle) * scale;
      sin[first + half] = Math.sin(angle) * scale;
      sin[first] = -sin[first + half];
    }
  }
  return { cos, sin };
}
