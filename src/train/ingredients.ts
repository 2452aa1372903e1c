/**
 * What the runs of this process were made of, which their records hold only hashes of. Data and rewards are kept as long
 * as the run is; models are not kept for it, since they may be large.
 */
import type { LanguageModel } from "../model/language-model";
import type { Run } from "./run";

export interface Ingredients {
  model: LanguageModel;
  data: readonly unknown[];
  heldOut?: readonly unknown[];
  reward?: object;
}

const known = new WeakMap<Run, Omit<Ingredients, "model"> & { model: WeakRef<LanguageModel> }>();

export function remember(run: Run, { model, ...rest }: Ingredients): void {
  known.set(run, { ...rest, model: new WeakRef(model) });
}

/** What is known of a run; nothing of one that was read from a file. */
export function ingredientsOf(run: Run): Partial<Ingredients> {
  const { model, ...rest } = known.get(run) ?? {};
  return { ...rest, model: model?.deref() };
}
