/**
 * PiSSA: principal singular values and vectors adaptation (Meng et al., arXiv:2404.02948).
 *
 *   W = U·S·Vᵀ,   A₀ = √(Sᵣ/s)·Vᵣᵀ,   B₀ = Uᵣ·√(Sᵣ/s),   W ← W − s·B₀·A₀
 *
 * LoRA starts from noise and zero and leaves the weight as it is. Here the adapter is the principal part of the weight, the
 * r largest singular values with their vectors, and the frozen rest is what matters least: from the first step on the
 * gradient reaches both A and B, along the directions that W uses most.
 */
import { checkTakable, type Initialisation } from "./initialisation";
import { svd } from "./svd";

/**
 * The start of `lora({ init: pissa })`. PEFT: `init_lora_weights="pissa"`.
 * @throws (when attached) for a base in 4 bits
 */
export const pissa: Initialisation = {
  name: "pissa",
  takenOut: true,
  start(pair, weight) {
    checkTakable("pissa", pair, weight);
    const { rank, out, in: inputs, scale } = pair;
    const { values, left, right } = svd(weight, rank);
    const root = values.map((value) => Math.sqrt(value / scale));
    return {
      a: Float32Array.from({ length: rank * inputs }, (_, i) => {
        const k = Math.floor(i / inputs);
        return root[k]! * right[k]![i % inputs]!;
      }),
      b: Float32Array.from(
        { length: out * rank },
        (_, i) => root[i % rank]! * left[i % rank]![Math.floor(i / rank)]!,
      ),
    };
  },
};
