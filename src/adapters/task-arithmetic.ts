/**
 * Arithmetic on updates of one shape ("task vectors": Ilharco et al., arXiv:2212.04089), on the host and in float64.
 *
 * - sum: Σ wᵢ·τᵢ
 * - TIES (Yadav et al., arXiv:2306.01708): of each update only the largest elements, then of each element the sign that has
 *   the greater total, then the mean of the updates that agree with it
 * - DARE (Yu et al., arXiv:2311.03099): of each update a random part, scaled up so that its mean stays
 */

type Update = Float64Array;

/** Σ weightᵢ · updateᵢ */
export function weightedSum(updates: readonly Update[], weights: readonly number[]): Update {
  return updates[0]!.map((_, i) => updates.reduce((sum, update, k) => sum + weights[k]! * update[i]!, 0));
}

/** The largest elements, ⌊density · size⌋ of them; zeros for the others. */
export function keepLargest(update: Update, density: number): Update {
  if (density >= 1) return update;
  const order = [...update.keys()].sort((i, j) => Math.abs(update[j]!) - Math.abs(update[i]!));
  const kept = new Float64Array(update.length);
  for (const i of order.slice(0, Math.floor(density * update.length))) kept[i] = update[i]!;
  return kept;
}

/** Each element with probability `density`, over it; zeros for the others. */
export const keepRandom = (update: Update, density: number, random: () => number): Update =>
  density >= 1 ? update : update.map((x) => (random() < density ? x / density : 0));

/**
 * The mean of weightᵢ · updateᵢ over the updates with the elected sign, element by element; 0 where there is none.
 * @param election whether a sign has as many votes as the elements' sizes ("total") or as there are of them ("frequency")
 */
export function agreeingMean(
  updates: readonly Update[],
  weights: readonly number[],
  election: "total" | "frequency",
): Update {
  return updates[0]!.map((_, i) => {
    const votes = updates.map((update) => (election === "total" ? update[i]! : Math.sign(update[i]!)));
    const elected = votes.reduce((sum, vote) => sum + vote, 0) >= 0 ? 1 : -1;
    const agreeing = [...updates.keys()].filter((k) => Math.sign(updates[k]![i]!) === elected);
    const sum = agreeing.reduce((total, k) => total + weights[k]! * updates[k]![i]!, 0);
    return sum / Math.max(agreeing.length, 1);
  });
}
