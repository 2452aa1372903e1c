/**
 * What a run was made of. Its record holds hashes of the model, the data and the values that the adapter began with; what
 * is written into a recipe is held against them, so that a recipe is of this run and of no other.
 */
import type { Adapter } from "../model/adapter";
import { beginningOf, type LanguageModel } from "../model/language-model";
import { ingredientsOf } from "../train/ingredients";
import { fingerprint, hashOf, identify } from "../train/origin";
import type { Run } from "../train/run";

/** What the record of a run holds only a hash of. A run of this session knows its own, as long as its model is in use. */
export interface RecipeMaterial {
  /** The model with the adapter that was trained, or with one that was attached anew with the same method and seed. */
  model?: LanguageModel;
  /** What was given to `train` as `data`, and as `evaluate.data`. */
  data?: readonly unknown[];
  heldOut?: readonly unknown[];
  /** Of GRPO: the reward. */
  reward?: object;
}

export interface Gathered {
  model: LanguageModel;
  /** As it was before the first step. */
  adapter: Adapter;
  data: readonly unknown[];
  heldOut?: readonly unknown[];
  reward?: object;
}

/** @throws for what is missing and for what is not the run's own */
export function gather(run: Run, given: RecipeMaterial): Gathered {
  const { origin } = run;
  const known = ingredientsOf(run);
  const { model, data, heldOut, reward } = { ...known, ...given };
  if (!model) {
    throw new Error(
      `exportRecipe: the model of run ${run.id} is not in memory any more. Give it: exportRecipe(run, folder, ` +
        `{ model }), ${origin.model} with its ${origin.method} adapter.`,
    );
  }
  if (fingerprint(model) !== origin.fingerprint) {
    throw new Error(
      `exportRecipe: the weights of ${model.name} are not those that run ${run.id} was of ` +
        `(${origin.model}, fingerprint ${origin.fingerprint.slice(0, 8)}; these have ${fingerprint(model).slice(0, 8)}).`,
    );
  }
  const held = origin.evaluation?.data;
  const holds = (name: string, value: readonly unknown[] | undefined, hash: string | undefined) => {
    if (!value)
      throw new Error(`exportRecipe: run ${run.id} holds only a hash of its data: give them as { ${name} }.`);
    if (hash === undefined || hashOf(value) === hash) return value;
    throw new Error(
      `exportRecipe: ${name} (${value.length} examples) is not what run ${run.id} was of: expected data with the hash ` +
        `${hash.slice(0, 8)}, got ${hashOf(value)?.slice(0, 8) ?? "what is not JSON"}. Give them as they were given to train.`,
    );
  };
  if (origin.reward) {
    if (!reward)
      throw new Error(
        `exportRecipe: run ${run.id} holds only the name of its reward: give it as { reward }.`,
      );
    const { name, hash } = identify(reward);
    if (hash !== origin.reward.hash) {
      throw new Error(
        `exportRecipe: the reward ${name} is not that of run ${run.id}, ${origin.reward.name}: their hashes differ.`,
      );
    }
  }
  return {
    model,
    adapter: beginning(run, model),
    data: holds("data", data, origin.data),
    ...(held && { heldOut: holds("heldOut", heldOut, held) }),
    ...(origin.reward && { reward }),
  };
}

/** The adapter with the values that the run began with. */
function beginning({ id, origin: { method, start } }: Run, { adapter, name }: LanguageModel): Adapter {
  if (adapter?.method !== method) {
    throw new Error(
      `exportRecipe: ${name} has ${adapter ? `a ${adapter.method}` : "no"} adapter in use; that of run ${id} is a ` +
        `${method} adapter. Attach it to the base with the settings and the seed of that time.`,
    );
  }
  const attached = beginningOf(adapter);
  // Full fine-tuning begins at the base. Of a run that went on from a checkpoint it is not known.
  if (start === undefined) return attached ?? adapter;
  const found = [adapter, attached].find((one) => one && hashOf(one.parameters.flat) === start);
  if (found) return found;
  throw new Error(
    `exportRecipe: the values that the adapter of run ${id} began with cannot be had from this model: they are neither ` +
      "those that it has now nor those that it was attached with. An adapter that had been trained or loaded before the " +
      "run must be given as it was then: { model: loadAdapter(base, folder) }.",
  );
}
