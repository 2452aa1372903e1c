/**
 * Choosing the next token from its logits z. With temperature T the probabilities are softmax(z / T), then cut to the k
 * likeliest tokens (top-k, Fan et al., arXiv:1805.04833) and to the smallest set of likeliest tokens that holds a
 * probability of p (top-p, Holtzman et al., arXiv:1904.09751), and what is left is drawn from in proportion.
 */

export interface SamplingOptions {
  /** 0, the default, always takes the likeliest token; 1 samples the model's own distribution. */
  temperature?: number;
  /** Only the k likeliest tokens. */
  topK?: number;
  /** Only the smallest set of likeliest tokens with this much probability, in (0, 1]. */
  topP?: number;
}

/** Throws for a setting outside its range. */
export function checkSampling({ temperature = 0, topK, topP }: SamplingOptions): void {
  if (!(temperature >= 0 && Number.isFinite(temperature))) {
    throw new Error(`temperature must be a number ≥ 0 (0 takes the likeliest token), got ${temperature}`);
  }
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) {
    throw new Error(`topK must be a whole number ≥ 1, got ${topK}; leave it out to keep all tokens`);
  }
  if (topP !== undefined && !(topP > 0 && topP <= 1)) {
    throw new Error(`topP must be above 0 and at most 1, got ${topP}; leave it out to keep all tokens`);
  }
}

/** Index of the largest logit, the first of equals. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i]))
      throw new Error(`the logit of token ${i} is NaN: the model's weights have diverged`);
    if (logits[i] > logits[best]) best = i;
  }
  return best;
}

/** The tokens that may be drawn, likeliest first, and their probabilities, which sum to 1. Needs temperature > 0. */
export function distribution(
  logits: Float32Array,
  { temperature = 1, topK = logits.length, topP = 1 }: SamplingOptions,
): { tokens: number[]; probabilities: number[] } {
  const top = logits[argmax(logits)];
  const odds = Float64Array.from(logits, (z) => Math.exp((z - top) / temperature));
  const total = odds.reduce((sum, value) => sum + value, 0);
  // Tokens below this together hold less than 1 − topP: none of them can be kept, so they need no sorting. Not after
  // top-k, where they may count towards the whole.
  const negligible = topK < logits.length ? 0 : ((1 - topP) * total) / logits.length;
  let tokens = Array.from(odds.keys()).filter((i) => odds[i] > 0 && odds[i] >= negligible);
  tokens = tokens.sort((a, b) => logits[b] - logits[a] || a - b).slice(0, topK);

  const mass = (ids: number[]) => ids.reduce((sum, i) => sum + odds[i], 0);
  // After top-k, top-p counts what is left as the whole.
  const wanted = topP * (topK < logits.length ? mass(tokens) : total);
  let kept = 0;
  let held = 0;
  while (kept < tokens.length && held < wanted) held += odds[tokens[kept++]];
  tokens = tokens.slice(0, kept);
  const sum = mass(tokens);
  return { tokens, probabilities: tokens.map((i) => odds[i] / sum) };
}

/**
 * Draws the next token.
 * @param logits of one position, [vocabSize]
 * @param random uniform numbers in [0, 1); not called when the temperature is 0
 */
export function sample(logits: Float32Array, options: SamplingOptions, random: () => number): number {
  const { temperature = 0, topK = logits.length, topP = 1 } = options;
  if (temperature === 0) return argmax(logits);
  if (topK >= logits.length && topP === 1) return draw(logits, temperature, random);
  const { tokens, probabilities } = distribution(logits, options);
  let left = random();
  const drawn = tokens.findIndex((_, i) => {
    left -= probabilities[i];
    return left < 0;
  });
  return tokens[drawn < 0 ? tokens.length - 1 : drawn]; // rounding can leave a crumb after the last
}

/** Draws from all tokens, for which they need not be sorted. */
function draw(logits: Float32Array, temperature: number, random: () => number): number {
  const top = logits[argmax(logits)];
  const odds = new Float64Array(logits.length);
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += odds[i] = Math.exp((logits[i] - top) / temperature);
  let left = random() * total;
  let last = 0;
  for (let i = 0; i < odds.length; i++) {
    if (odds[i] === 0) continue;
    left -= odds[i];
    last = i; // rounding can leave a crumb after the last
    if (left < 0) return i;
  }
  return last;
}
