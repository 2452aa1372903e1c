/**
 * Merging into 4 bits. W + ΔW is float32 again; brought back into the form that W had it is rounded once more, and what was
 * learned may be smaller than the steps between two codes. QA-LoRA's update goes into zero points instead, exactly.
 */
import { LanguageModel } from "../model/language-model";
import { QuantizedWeight } from "../model/quantized";
import { WeightErrors } from "./weight-errors";

/**
 * The adapter in use folded into the codes of a quantized base, and what that costs: the rounding errors of W + ΔW, also
 * as parts of ΔW, of which they may be more than all.
 * @throws when no adapter is in use, and for a base that is not quantized
 */
export function mergeQuantized(student: LanguageModel): {
  model: LanguageModel;
  errors: WeightErrors;
  /** The same errors beside ΔW, the change of the base's rounded weights. */
  errorsOfUpdate: WeightErrors;
} {
  const merged = student.merge();
  const quantized = [...student.weights].filter(([, weight]) => weight instanceof QuantizedWeight);
  if (quantized.length === 0) {
    throw new Error(
      "mergeQuantized: the base is not quantized: merge() is exact there. For 4 bits: quantize() it first.",
    );
  }
  const weights = new Map(merged.weights);
  const matrices = quantized.flatMap(([name, weight]) => {
    const exact = merged.weights.get(name)!;
    if (exact === weight) return [];
    const got = exact instanceof QuantizedWeight ? exact : (weight as QuantizedWeight).requantize(exact);
    weights.set(name, got);
    const [values, before, after] = [exact.data, weight.data, got.data];
    const change = (to: ArrayLike<number>) => Float32Array.from(to, (x, i) => x - before[i]!);
    const path = name.replace(/\.weight$/, "");
    return [{ path, exact: values, got: after, update: change(values), gotUpdate: change(after) }];
  });
  const { config, tokenizer } = merged.files;
  return {
    model: new LanguageModel({ name: student.name, config, tokenizer, weights, unmerged: student }),
    errors: new WeightErrors("W + ΔW in 4 bits", matrices),
    errorsOfUpdate: new WeightErrors(
      "ΔW in 4 bits",
      matrices.map(({ path, update, gotUpdate }) => ({ path, exact: update, got: gotUpdate })),
    ),
  };
}
