/**
 * PiSSA: principal singular values and vectors adaptation (Meng et al., arXiv:2404.02948).
 *
 *   W = U·S·Vᵀ,   A₀ = √(Sᵣ/s)·Vᵣᵀ,   B₀ = Uᵣ·√(Sᵣ/s),   W ← W − s·B₀·A₀
 *
 * LoRA starts from noise and zero and leaves the weight as it is. Here the adapter is the principal part of the weight, the
 * r largest singular values with their vectors, and the frozen rest is what matters least: from the first step on the
 * gradient reaches both A and B, along the directions that W uses most.
 */
import { checkTakable, factors, type Initialisation } from "./initialisation";
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
    return factors(svd(weight, pair.rank), pair.scale);
  },
};
