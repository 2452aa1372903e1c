/**
 * LoftQ: LoRA-fine-tuning-aware quantization (Li et al., arXiv:2310.08659).
 *
 *   Qₜ = quant(W − s·Bₜ₋₁·Aₜ₋₁),   s·Bₜ·Aₜ = SVDᵣ(W − Qₜ)        t = 1 … T,  B₀·A₀ = 0
 *
 * QLoRA starts from the rounded weight. Here codes and adapter are fitted to the weight together: the adapter starts as the
 * best update of rank r of what rounding lost, and is taken out before the next rounding.
 */
import { LanguageModel } from "../model/language-model";
import { type QuantizationSettings, QuantizedWeight, quantizeWeight } from "../model/quantized";
import { factors, type Initialisation, type Start } from "./initialisation";
import { type LoraSettings, lora } from "./lora";
import { product, sum } from "./low-rank";
import { svd } from "./svd";

export interface LoftqSettings extends Omit<LoraSettings, "init"> {
  /** T, how often codes and adapter are fitted in turns. Default 1; five are the paper's. PEFT: `loftq_iter`. */
  iterations: number;
  /** Of the base, as for `quantize`: NF4 in blocks of 64 by default. */
  quantization: QuantizationSettings;
}

/**
 * The model in 4 bits with a LoRA adapter in use that makes up for part of the rounding (Li et al., arXiv:2310.08659).
 * `detach` gives the quantized model, whose codes are not those of `quantize` where T is above 1. The other settings and
 * their defaults are LoRA's; embeddings start as ever. PEFT: `init_lora_weights="loftq"`, which expects alpha = rank.
 * @param name,seed of the adapter, as for `attach`
 * @throws for settings out of range, and for a model with adapters or whose weights are in 4 bits already
 */
export function loftq(
  model: LanguageModel,
  { iterations = 1, quantization = {}, ...settings }: Partial<LoftqSettings> = {},
  { name = "default", seed = 0 }: { name?: string; seed?: number } = {},
): LanguageModel {
  if (!Number.isInteger(iterations) || iterations < 1) {
    throw new Error(`loftq: iterations must be a whole number from 1, got ${iterations}`);
  }
  const fitted = new Map<string, QuantizedWeight>();
  const init: Initialisation = {
    name: "loftq",
    takenOut: false,
    start({ path, rank, out, in: inputs, scale }, weight) {
      if (weight instanceof QuantizedWeight) {
        throw new Error(`loftq: ${path} is in 4 bits already: expected the model that was quantized.`);
      }
      if (!(scale > 0)) throw new Error(`loftq: alpha must be above 0, since B·A is scaled by it`);
      const start: Start = { a: new Float32Array(rank * inputs), b: new Float32Array(out * rank) };
      for (let t = 0; t < iterations; t++) {
        const update = product(
          { data: start.b, shape: [out, rank], dtype: "float32" },
          { data: start.a, shape: [rank, inputs], dtype: "float32" },
        );
        const rest = sum(weight, { ...weight, data: update }, -scale);
        const quantized = quantizeWeight(rest, quantization);
        fitted.set(`${path}.weight`, quantized);
        Object.assign(start, factors(svd(sum(weight, quantized, -1), rank), scale));
      }
      return start;
    },
  };
  const { config, tokenizer, weights: rounded } = model.quantize(quantization).files;
  const adapter = lora({ ...settings, init }).bind(model, seed);
  const weights = new Map([...rounded, ...fitted]);
  return new LanguageModel({ name: model.name, config, weights, tokenizer }).withAdapter(name, adapter);
}
