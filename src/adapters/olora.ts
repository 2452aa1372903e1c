/**
 * OLoRA: orthonormal low-rank adaptation (Büyükakyüz, arXiv:2406.01775).
 *
 *   W = Q·R,   B₀ = Qᵣ,   A₀ = Rᵣ,   W ← W − s·B₀·A₀
 *
 * The columns of B start orthonormal, the first r of Q, and A as the rows of R that belong to them.
 */
import { checkTakable, type Initialisation } from "./initialisation";
import { qr } from "./qr";

/**
 * The start of `lora({ init: olora })`. PEFT: `init_lora_weights="olora"`.
 * @throws (when attached) for a base in 4 bits
 */
export const olora: Initialisation = {
  name: "olora",
  takenOut: true,
  start(pair, weight) {
    checkTakable("olora", pair, weight);
    const { rank, out, in: inputs } = pair;
    const { q, r } = qr(weight, rank);
    return {
      a: Float32Array.from({ length: rank * inputs }, (_, i) => r[Math.floor(i / inputs)]![i % inputs]!),
      b: Float32Array.from({ length: out * rank }, (_, i) => q[i % rank]![Math.floor(i / rank)]!),
    };
  },
};
