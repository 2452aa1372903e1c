/**
 * How AdaLoRA hands out ranks (Zhang et al., arXiv:2303.10512, sections 3.2 and 3.3).
 *
 * A number w with the gradient g is as important as the loss would change without it, smoothed over the steps, and the
 * more so the less certain that is:
 *
 *   I = |w·g|     Ī ← β₁·Ī + (1 − β₁)·I     Ū ← β₂·Ū + (1 − β₂)·|I − Ī|     s(w) = Ī·Ū
 *
 * A triplet (λᵢ, row i of Q, column i of P) is worth s(λᵢ) + mean s(Qᵢ) + mean s(Pᵢ). Of the triplets of all matrices
 * together as many are kept as the budget of the step t allows; λ of the others is set to zero, from where it may rise
 * again. The budget is the initial one for `tInit` steps, falls with a cube to the target, and stays there, with the
 * choice made last, for the final `tFinal` steps:
 *
 *   b(t) = b_T + (b₀ − b_T)·(1 − (t − tInit)/(T − tFinal − tInit))³
 */
import type { TrainingPart } from "../model/adapter";
import { Parameters } from "../model/parameters";

/** The parameter names of P [out, r], λ [r, 1] and Q [r, in]. */
export interface Triplets {
  a: string;
  e: string;
  b: string;
  rank: number;
}

export interface AllocationSettings {
  /** Steps before the budget begins to fall. PEFT: `tinit`. */
  tInit: number;
  /** Steps at the end in which the ranks stay. PEFT: `tfinal`. */
  tFinal: number;
  /** Steps from one allocation to the next. PEFT: `deltaT`. */
  deltaT: number;
  /** T, the steps of the run. PEFT: `total_step`. */
  totalSteps: number;
  /** Decay of the importance's average. PEFT: `beta1`. */
  beta1: number;
  /** Decay of the average of its deviation. PEFT: `beta2`. */
  beta2: number;
}

/** The ranks after one step. */
export interface RankRecord {
  /** From 1. */
  step: number;
  /** What the schedule allows, all matrices together. */
  budget: number;
  /** Triplets kept in each matrix, in the order of the targets. */
  ranks: readonly number[];
}

/** Which triplets of each matrix are in use, and how that came about. */
export interface Allocation {
  kept: boolean[][];
  history: RankRecord[];
}

/** b(t), rounded down; b₀ while t ≤ tInit. */
export function budgetAt(
  step: number,
  initial: number,
  target: number,
  settings: AllocationSettings,
): number {
  const { tInit, tFinal, totalSteps } = settings;
  if (step <= tInit) return initial;
  if (step > totalSteps - tFinal) return target;
  const left = 1 - (step - tInit) / (totalSteps - tFinal - tInit);
  return Math.floor((initial - target) * left ** 3 + target);
}

const count = (kept: readonly boolean[]): number => kept.filter(Boolean).length;
export const ranksOf = ({ kept }: Allocation): number[] => kept.map(count);

/**
 * The part of AdaLoRA in a run: after each step importances are updated and, where the schedule says so, ranks handed out.
 * @param allocation is changed: all triplets are in use when the run begins
 * @param target b_T, all matrices together
 */
export function rankAllocator(
  matrices: readonly Triplets[],
  parameters: Parameters,
  allocation: Allocation,
  target: number,
  settings: AllocationSettings,
): TrainingPart {
  const { tInit, tFinal, deltaT, totalSteps, beta1, beta2 } = settings;
  const initial = matrices.reduce((sum, { rank }) => sum + rank, 0);
  allocation.kept = matrices.map(({ rank }) => Array(rank).fill(true));
  allocation.history = [];
  // Vectors of the parameters' layout, to be looked into by name.
  const alike = (): Parameters => new Parameters(new Map(parameters.entries()));
  const [gradients, averages, deviations] = [alike(), alike(), alike()];
  averages.flat = new Float32Array(parameters.size);
  deviations.flat = new Float32Array(parameters.size);

  const updateImportance = () => {
    for (const name of matrices.flatMap(({ a, e, b, rank }) => (rank > 0 ? [a, e, b] : []))) {
      const [w, g] = [parameters.get(name).data, gradients.get(name).data];
      const [average, deviation] = [averages.get(name).data, deviations.get(name).data];
      for (let i = 0; i < w.length; i++) {
        const importance = Math.abs(w[i]! * g[i]!);
        average[i] = beta1 * average[i]! + (1 - beta1) * importance;
        deviation[i] = beta2 * deviation[i]! + (1 - beta2) * Math.abs(importance - average[i]!);
      }
    }
  };

  /** What the triplets of a matrix are worth. */
  const scores = ({ a, e, b, rank }: Triplets): number[] => {
    if (rank === 0) return [];
    const score = (name: string) => {
      const deviation = deviations.get(name).data;
      return averages.get(name).data.map((average, i) => average * deviation[i]!);
    };
    const [ofA, ofE, ofB] = [score(a), score(e), score(b)];
    const [inputs, out] = [ofA.length / rank, ofB.length / rank];
    const sums = Array.from(ofE);
    ofA.forEach((s, at) => {
      sums[Math.floor(at / inputs)]! += s / inputs;
    });
    ofB.forEach((s, at) => {
      sums[at % rank]! += s / out;
    });
    return sums;
  };

  const allocate = (budget: number) => {
    const worth = matrices.map(scores);
    const ascending = worth.flat().sort((x, y) => x - y);
    // The best of those that go; whoever is worth no more goes with it.
    const threshold = ascending[initial - budget - 1] ?? -Infinity;
    allocation.kept = worth.map((ofMatrix) => ofMatrix.map((score) => score > threshold));
  };

  return {
    afterStep(step, gradient) {
      const end = totalSteps - tFinal;
      const budget = budgetAt(step, initial, target, settings);
      gradients.flat = gradient;
      if (step < end) updateImportance();
      const due = step === end || (step > tInit && step < end && step % deltaT === 0);
      if (due) allocate(budget);
      if (due || step > end) silence(matrices, parameters, allocation);
      allocation.history.push({ step, budget, ranks: ranksOf(allocation) });
    },
    state: () => ({
      averages: averages.flat,
      deviations: deviations.flat,
      kept: Float32Array.from(allocation.kept.flat(), Number),
      ranks: Float32Array.from(allocation.history.flatMap(({ ranks }) => ranks)),
    }),
    restore(state) {
      if (!state.averages) {
        throw new Error("adalora: the checkpoint is of a run that began with ranks handed out already.");
      }
      averages.flat = state.averages;
      deviations.flat = state.deviations!;
      let at = 0;
      allocation.kept = matrices.map(({ rank }) => {
        at += rank;
        return Array.from(state.kept!.subarray(at - rank, at), Boolean);
      });
      const n = matrices.length;
      allocation.history = Array.from({ length: state.ranks!.length / n }, (_, i) => ({
        step: i + 1,
        budget: budgetAt(i + 1, initial, target, settings),
        ranks: [...state.ranks!.subarray(i * n, (i + 1) * n)],
      }));
    },
  };
}

/** The part in a run of an adapter whose ranks are handed out already: what is not in use stays so. */
export function fixedRanks(
  matrices: readonly Triplets[],
  parameters: Parameters,
  allocation: Allocation,
): TrainingPart {
  allocation.history = [];
  return {
    afterStep(step) {
      silence(matrices, parameters, allocation);
      const ranks = ranksOf(allocation);
      allocation.history.push({ step, budget: ranks.reduce((sum, rank) => sum + rank, 0), ranks });
    },
    state: () => ({}),
    restore() {},
  };
}

/** λ = 0 for the triplets that are not in use. */
function silence(matrices: readonly Triplets[], parameters: Parameters, { kept }: Allocation): void {
  for (const [m, { e, rank }] of matrices.entries()) {
    if (rank === 0) continue;
    const lambda = parameters.get(e).data;
    parameters.set(
      e,
      lambda.map((x, i) => (kept[m]![i] ? x : 0)),
    );
  }
}
