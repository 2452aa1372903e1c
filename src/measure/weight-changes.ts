/**
 * Lengths and directions of all changed weights (Liu et al., arXiv:2402.09353, section 3.2): how far the two change together
 * tells methods apart.
 */
import { type WeightChange, weightChange } from "../adapters/decomposition";
import { type Adapted, updatesOf } from "./updates";

export interface ModuleChange extends WeightChange {
  path: string;
}

/**
 * ΔM and ΔD of each matrix that the adapter in use changes.
 * @throws when no adapter is in use
 */
export function weightChanges(model: Adapted): ModuleChange[] {
  return updatesOf(model).map(({ path, before, delta }) => {
    const change = delta().data;
    const data = (before.data as Float32Array).map((w, i) => w + change[i]!);
    return { path, ...weightChange(before, { ...before, data }) };
  });
}

/** Pearson's correlation of ΔM and ΔD, −1 … 1; NaN where one of them does not vary. */
export function changeCorrelation(changes: readonly WeightChange[]): number {
  const mean = (list: number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
  const [m, d] = [changes.map(({ magnitude }) => magnitude), changes.map(({ direction }) => direction)];
  const [meanM, meanD] = [mean(m), mean(d)];
  const covariance = mean(m.map((x, i) => (x - meanM) * (d[i]! - meanD)));
  const deviation = (list: number[], at: number) => Math.sqrt(mean(list.map((x) => (x - at) ** 2)));
  return covariance / (deviation(m, meanM) * deviation(d, meanD));
}
