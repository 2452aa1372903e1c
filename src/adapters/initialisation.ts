/**
 * Other values for A and B to start from than LoRA's own, of which B is zero.
 *
 * Where B·A does not start at zero, training would not start at the base. So s·B₀·A₀ is taken out of the weight, and the
 * residual stands in for it while the adapter is in use: the two together are the weight still. The base itself never
 * changes. For it the trained adapter is the update s·(B·A − B₀·A₀), which is an ordinary LoRA of twice the rank,
 * [B, −B₀]·[A; A₀].
 */
import type { HostArray } from "../engine";
import { QuantizedWeight } from "../model/quantized";
import { type LowRankPair, type LowRankSettings, product } from "./low-rank";
import type { SingularVectors } from "./svd";

/** What A [rank, in] and B [out, rank] of a linear layer start from; embeddings start as ever. */
export interface Initialisation {
  readonly name: string;
  /** Whether s·B₀·A₀ is taken out of the weight. */
  readonly takenOut: boolean;
  /** @param weight of the layer, [out, in] */
  start(pair: LowRankPair, weight: HostArray): { a: Float32Array; b: Float32Array };
}

/** B and A with s·B·A = Σₖ σₖ·uₖ·vₖᵀ, each with the roots of the values: B = U·√(S/s), A = √(S/s)·Vᵀ. */
export function factors({ values, left, right }: SingularVectors, scale: number): Start {
  const [rank, inputs, out] = [values.length, right[0]!.length, left[0]!.length];
  const root = values.map((value) => Math.sqrt(value / scale));
  const a = Float32Array.from({ length: rank * inputs }, (_, i) => {
    const k = Math.floor(i / inputs);
    return root[k]! * right[k]![i % inputs]!;
  });
  const b = Float32Array.from({ length: out * rank }, (_, i) => {
    const k = i % rank;
    return root[k]! * left[k]![Math.floor(i / rank)]!;
  });
  return { a, b };
}

/** W − s·B₀·A₀ */
export function residual({ rank, out, in: inputs, scale }: LowRankPair, weight: HostArray, start: Start) {
  const update = product(
    { data: start.b, shape: [out, rank], dtype: "float32" },
    { data: start.a, shape: [rank, inputs], dtype: "float32" },
  );
  return { ...weight, data: (weight.data as Float32Array).map((w, i) => w - scale * update[i]!) };
}

export type Start = ReturnType<Initialisation["start"]>;

/** @throws for a scale that B·A cannot be split by, and for a weight in 4 bits, which cannot give it up unrounded */
export function checkTakable(name: string, { path, scale }: LowRankPair, weight: HostArray): void {
  if (!(scale > 0))
    throw new Error(`${name}: alpha must be above 0, since B·A is scaled by it; α/r is ${scale}`);
  if (weight instanceof QuantizedWeight) {
    throw new Error(
      `${name}: ${path} is in 4 bits, and what is left of it would be rounded again. Attach it to the model before ` +
        "quantize(); for a start that makes up for the rounding, see loftq().",
    );
  }
}

/** The settings of the update of twice the rank: with the same s where α doubles with r, or grows by √2 with √r. */
export function doubled<
  T extends Pick<LowRankSettings, "rank" | "alpha" | "rsLoRA" | "rankPattern" | "alphaPattern">,
>(settings: T): T {
  const factor = settings.rsLoRA ? Math.SQRT2 : 2;
  // A pattern of ranks changes s, and so does one of alphas; both double in the same way.
  const times = (pattern: Readonly<Record<string, number>>, by: number) =>
    Object.fromEntries(Object.entries(pattern).map(([key, value]) => [key, value * by]));
  return {
    ...settings,
    rank: 2 * settings.rank,
    alpha: factor * settings.alpha,
    rankPattern: times(settings.rankPattern, 2),
    alphaPattern: times(settings.alphaPattern, factor),
  };
}
