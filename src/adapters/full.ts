/**
 * Full fine-tuning: every weight of the model is trained. What LoRA is measured against, under the same interface: the
 * "adapter" is a copy of all weights, and detaching it gives back the base.
 */
import type { Method } from "../model/adapter";
import { Parameters } from "../model/parameters";
import { baseLayers } from "../model/transformer";

/**
 * Full fine-tuning, to `attach` to a model like any other method: all weights are trained, embedding, norms and output
 * head included; a tied head and the embedding stay one matrix. Costs a copy of the weights and, while training, a
 * gradient and the optimizer's state of the same size.
 */
export function full(): Method {
  return {
    method: "full",
    bind(base) {
      const parameters = new Parameters(new Map(base.weights));
      return {
        method: "full",
        settings: {},
        parameters,
        layers: (_base, { config, parameter }) => baseLayers(config, parameter),
        merged: () =>
          new Map(
            parameters.entries().map(([name, array]) => [name, { ...array, data: array.data.slice() }]),
          ),
      };
    },
  };
}
