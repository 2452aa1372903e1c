import assert from "node:assert/strict";
import fc from "fast-check";
import { generator } from "../../src/engine";
import { argmax, checkSampling, distribution, type SamplingOptions, sample } from "../../src/model/sample";

/** Logits whose softmax is this. */
const logitsOf = (probabilities: number[]) => Float32Array.from(probabilities, Math.log);

function assertDistribution(
  options: SamplingOptions,
  probabilities: number[],
  want: [number, number][],
): void {
  const got = distribution(logitsOf(probabilities), options);
  assert.deepEqual(
    got.tokens,
    want.map(([token]) => token),
  );
  for (const [i, [, p]] of want.entries()) assert.ok(Math.abs(got.probabilities[i] - p) < 1e-6);
}

describe("sampling", () => {
  const P = [0.1, 0.4, 0.2, 0.3];

  it("draws each token as often as the softmax says (χ² at 0.1 %)", () => {
    const random = generator(7);
    const counts = [0, 0, 0, 0];
    const draws = 20000;
    for (let i = 0; i < draws; i++) counts[sample(logitsOf(P), { temperature: 1 }, random)]++;
    const chiSquare = counts.reduce((sum, n, i) => sum + (n - draws * P[i]) ** 2 / (draws * P[i]), 0);
    assert.ok(chiSquare < 16.27, `χ² with 3 degrees of freedom is ${chiSquare}`); // the 99.9 % quantile
  });

  it("takes the likeliest token at temperature 0, the first of equals, without drawing", () => {
    const never = () => assert.fail("drew a random number");
    assert.equal(sample(logitsOf(P), {}, never), 1);
    assert.equal(sample(Float32Array.of(1, 2, 2), { temperature: 0 }, never), 1);
  });

  it("sharpens and flattens with the temperature: probabilities to the power 1/T", () => {
    const powers = P.map((p) => p ** 2);
    const total = powers.reduce((a, b) => a + b);
    assertDistribution(
      { temperature: 0.5 },
      P,
      [1, 3, 2, 0].map((i) => [i, powers[i] / total]),
    );
  });

  it("keeps the k likeliest tokens", () => {
    assertDistribution({ topK: 2 }, P, [
      [1, 4 / 7],
      [3, 3 / 7],
    ]);
    assertDistribution({ topK: 9 }, P, [
      [1, 0.4],
      [3, 0.3],
      [2, 0.2],
      [0, 0.1],
    ]);
  });

  it("keeps the fewest likeliest tokens that hold the probability p", () => {
    assertDistribution({ topP: 0.39 }, P, [[1, 1]]);
    assertDistribution({ topP: 0.41 }, P, [
      [1, 4 / 7],
      [3, 3 / 7],
    ]);
    assertDistribution({ topP: 0.75 }, P, [
      [1, 4 / 9],
      [3, 3 / 9],
      [2, 2 / 9],
    ]);
  });

  it("applies top-p to what top-k has left", () => {
    // After k = 2 the two hold 4/7 and 3/7: the first alone is enough for p = 0.5, which of all four it would not be.
    assertDistribution({ topK: 2, topP: 0.5 }, P, [[1, 1]]);
  });

  it("counts the many unlikely tokens that top-k has left as part of its whole", () => {
    // 0.3, 0.25 and 45 times 0.01, of which k = 46 leave 0.99: half of that is more than the first alone.
    const probabilities = [0.3, 0.25, ...Array(45).fill(0.01)];
    const logits = Float32Array.from(probabilities, Math.log);
    assert.deepEqual(distribution(logits, { topK: 46, topP: 0.5 }).tokens, [0, 1]);
  });

  it("keeps by top-p exactly what sorting all tokens keeps", () => {
    const logits = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(logits, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (z, topP) => {
        const exact = Float32Array.from(z);
        const odds = [...exact].map((x) => Math.exp(x));
        const total = odds.reduce((a, b) => a + b);
        const sorted = [...odds.keys()].sort((a, b) => exact[b] - exact[a] || a - b);
        const { tokens } = distribution(exact, { topP });
        const mass = (ids: number[]) => ids.reduce((sum, i) => sum + odds[i] / total, 0);
        assert.deepEqual(tokens, sorted.slice(0, tokens.length));
        assert.ok(mass(tokens) >= topP - 1e-9, "too few");
        assert.ok(mass(tokens.slice(0, -1)) < topP + 1e-9, "too many");
      }),
    );
  });

  it("can draw tokens whose logits are −∞ or very far apart never", () => {
    const logits = Float32Array.of(Number.NEGATIVE_INFINITY, 1e30, -1e30);
    assert.deepEqual(distribution(logits, { temperature: 2 }), { tokens: [1], probabilities: [1] });
  });

  it("refuses NaN logits", () => {
    assert.throws(
      () => argmax(Float32Array.of(0, Number.NaN)),
      /logit of token 1 is NaN: the model's weights have diverged/,
    );
    assert.throws(() => sample(Float32Array.of(0, Number.NaN), { temperature: 1 }, Math.random), /NaN/);
  });

  it("refuses settings outside their range", () => {
    assert.throws(() => checkSampling({ temperature: -1 }), /temperature must be a number ≥ 0 .* got -1/);
    assert.throws(() => checkSampling({ temperature: Number.NaN }), /temperature must be a number ≥ 0/);
    assert.throws(() => checkSampling({ topK: 0 }), /topK must be a whole number ≥ 1, got 0/);
    assert.throws(() => checkSampling({ topK: 1.5 }), /topK must be a whole number/);
    assert.throws(() => checkSampling({ topP: 0 }), /topP must be above 0 and at most 1, got 0/);
    assert.throws(() => checkSampling({ topP: 1.01 }), /topP must be above 0/);
    checkSampling({ temperature: 0.7, topK: 50, topP: 1 });
  });
});
