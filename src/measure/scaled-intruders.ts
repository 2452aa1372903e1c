/**
 * Intruder dimensions made stronger, weaker or taken out (Shuttleworth et al., arXiv:2410.21228): with σ, u and v
 * of each intruder of the fine-tuned weight,
 *
 *   W + ΔW + (λ − 1)·Σ σ·u·vᵀ        λ = 1 is the fine-tuned weight, 0 has no intruders left
 *
 * The paper finds that λ < 1 brings back what was forgotten at little cost to what was learned.
 */
import { type Factored, factored } from "../adapters/factored";
import type { Adapter } from "../model/adapter";
import type { LanguageModel } from "../model/language-model";
import { type IntruderSettings, intruders } from "./intruders";

interface Direction {
  value: number;
  left: Float64Array;
  right: Float64Array;
}

/** The merged model, which all factors share with its programs. */
const merged = new WeakMap<
  Adapter,
  { version: number; model: LanguageModel; weights: LanguageModel["weights"] }
>();

/**
 * The model with its intruder dimensions times a factor, with everything else as it was trained: a model like any other,
 * to be evaluated or to generate with. The adapter is merged, and what the factor changes is an adapter on top of that, so
 * what the model has forgotten is to be counted from the base by name: `forgetting({ base })`.
 * @param factor λ: 1 leaves all as it is, 0 takes the intruders out
 * @param settings which directions are intruders, as of `intruders`
 * @throws when no adapter is in use, when there are no intruders, and for a factor that is no number
 */
export function scaleIntruders(
  model: LanguageModel,
  factor: number,
  settings: Omit<IntruderSettings, "seed"> = {},
): LanguageModel {
  if (!Number.isFinite(factor)) throw new Error(`scaleIntruders: the factor must be a number, got ${factor}`);
  const found = directionsOf(model, settings);
  const tuned = mergedOnce(model);
  const changes = [...found].map(([path, directions]): Factored => {
    const rank = directions.length;
    const [out, inputs] = [directions[0]!.left.length, directions[0]!.right.length];
    const b = Float32Array.from({ length: out * rank }, (_, i) => {
      const { value, left } = directions[i % rank]!;
      return (factor - 1) * value * left[Math.floor(i / rank)]!;
    });
    const a = Float32Array.from(directions.flatMap(({ right }) => [...right]));
    return {
      name: `${path}.weight`,
      b: { data: b, shape: [out, rank], dtype: "float32" },
      a: { data: a, shape: [rank, inputs], dtype: "float32" },
    };
  });
  return tuned.withAdapter("intruders", factored(changes));
}

/** Intruders by the path of their matrix; matrices that have none are left out. */
function directionsOf(model: LanguageModel, settings: IntruderSettings): Map<string, Direction[]> {
  const report = intruders(model, settings);
  const found = new Map(
    report.all.map(({ path, closest, directions: { values, left, right } }): [string, Direction[]] => {
      const places = [...closest.slice(0, report.k).keys()].filter((j) => closest[j]! < report.epsilon);
      return [path, places.map((j) => ({ value: values[j]!, left: left[j]!, right: right[j]! }))];
    }),
  );
  for (const [path, directions] of found) if (directions.length === 0) found.delete(path);
  if (found.size === 0) {
    throw new Error(
      `scaleIntruders: none of the ${report.k} strongest directions is an intruder at ε = ${report.epsilon}; ` +
        "a higher ε counts more, and longer training or a higher learning rate makes more.",
    );
  }
  return found;
}

function mergedOnce(model: LanguageModel): LanguageModel {
  const adapter = model.adapter!;
  const { version } = adapter.parameters;
  const known = merged.get(adapter);
  if (known?.version === version && known.weights === model.weights) return known.model;
  const tuned = model.merge();
  merged.set(adapter, { version, model: tuned, weights: model.weights });
  return tuned;
}
