/**
 * What the runs of this process were made of, which their records hold only hashes of. Data and rewards are kept as long
 * as the run is. Models may be large: that of the newest run is kept, those of earlier ones are known while others hold
 * them.
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

let newest: { run: Run; model: LanguageModel } | undefined;

export function remember(run: Run, { model, ...rest }: Ingredients): void {
  newest = { run, model };
  known.set(run, { ...rest, model: new WeakRef(model) });
}

/** What is known of a run; nothing of one that was read from a file. */
export function ingredientsOf(run: Run): Partial<Ingredients> {
  const { model, ...rest } = known.get(run) ?? {};
  return { ...rest, model: newest?.run === run ? newest.model : model?.deref() };
}
