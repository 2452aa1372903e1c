import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import { generator } from "../../src/engine";
import { OPTIMIZERS, type OptimizerName, type OptimizerSettings } from "../../src/train/optimizers";
import { SCHEDULES, scheduleFactor } from "../../src/train/schedule";

const SIZE = 12;
const STEPS = 6;
const random = generator(7);
const draw = (scale: number) => Float32Array.from({ length: SIZE }, () => scale * (2 * random() - 1));
const initial = draw(1);
/** Of very different sizes, as gradients are; one element never gets any. */
const gradients = Array.from({ length: STEPS }, () =>
  draw(1).map((x, i) => (i === 0 ? 0 : x * 10 ** (2 - (i % 5)))),
);
const rate = (t: number) => 0.1 / t;
/** The second half decays. */
const decays = Float32Array.from({ length: SIZE }, (_, i) => (i < SIZE / 2 ? 0 : 1));

/** The parameters after each step, as our optimizer moves them. */
function ours(name: OptimizerName, changes: Partial<OptimizerSettings>, decay?: Float32Array): number[][] {
  const optimizer = OPTIMIZERS[name];
  const settings = { ...optimizer.defaults, ...changes };
  let parameters: tf.Tensor1D = tf.tensor1d(initial);
  let state: tf.Tensor1D[] = optimizer.state(settings).map(() => tf.zeros([SIZE]));
  return gradients.map((gradient, i) => {
    const numbers = optimizer.numbers(i + 1, rate(i + 1), settings).map((n) => tf.scalar(n));
    const mask = decay && tf.tensor1d(decay);
    [parameters, ...state] = optimizer.update(
      parameters,
      tf.tensor1d(gradient),
      state,
      numbers,
      settings,
      mask,
    ) as [tf.Tensor1D, ...tf.Tensor1D[]];
    return [...parameters.dataSync()];
  });
}

/** The algorithm box of torch.optim.AdamW's documentation, one element at a time and in double precision. */
function torchAdamW(
  beta1: number,
  beta2: number,
  epsilon: number,
  decayOf: (i: number) => number,
): number[][] {
  const theta = [...initial];
  const m = theta.map(() => 0);
  const v = theta.map(() => 0);
  return gradients.map((gradient, step) => {
    const t = step + 1;
    gradient.forEach((g, i) => {
      theta[i]! -= rate(t) * decayOf(i) * theta[i]!;
      m[i] = beta1 * m[i]! + (1 - beta1) * g;
      v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
      const mHat = m[i]! / (1 - beta1 ** t);
      const vHat = v[i]! / (1 - beta2 ** t);
      theta[i]! -= (rate(t) * mHat) / (Math.sqrt(vHat) + epsilon);
    });
    return [...theta];
  });
}

/** That of torch.optim.SGD with momentum, but with the decoupled weight decay of AdamW. */
function torchSgd(momentum: number, decayOf: (i: number) => number): number[][] {
  const theta = [...initial];
  const b: number[] = [];
  return gradients.map((gradient, step) => {
    gradient.forEach((g, i) => {
      b[i] = step === 0 ? g : momentum * b[i]! + g;
      theta[i]! -= rate(step + 1) * decayOf(i) * theta[i]!;
      theta[i]! -= rate(step + 1) * b[i]!;
    });
    return [...theta];
  });
}

function agree(actual: number[][], expected: number[][]): void {
  assert.equal(actual.length, STEPS);
  for (const [step, values] of expected.entries()) {
    for (const [i, want] of values.entries()) {
      const got = actual[step]![i]!;
      const tolerance = 2e-6 * Math.max(1, Math.abs(want));
      assert.ok(Math.abs(got - want) < tolerance, `step ${step + 1}, element ${i}: ${got}, expected ${want}`);
    }
  }
}

describe("optimizers", () => {
  before(() => tf.setBackend("cpu"));

  it("AdamW takes PyTorch's steps, bias correction included", () => {
    agree(
      ours("adamw", {}),
      torchAdamW(0.9, 0.999, 1e-8, () => 0),
    );
    // A large epsilon and quick averages: where they stand in the formula shows.
    const settings = { beta1: 0.5, beta2: 0.7, epsilon: 0.1 };
    agree(
      ours("adamw", settings),
      torchAdamW(0.5, 0.7, 0.1, () => 0),
    );
    agree(
      ours("adamw", { beta1: 0, beta2: 0 }),
      torchAdamW(0, 0, 1e-8, () => 0),
    );
  });

  it("AdamW decays what the mask lets it, by the learning rate times the decay", () => {
    agree(
      ours("adamw", { weightDecay: 0.3 }, decays),
      torchAdamW(0.9, 0.999, 1e-8, (i) => 0.3 * decays[i]!),
    );
  });

  it("AdamW's first step is the learning rate, whatever the size of the gradient", () => {
    const [first] = ours("adamw", {});
    first!.forEach((value, i) => {
      const moved = Math.abs(value - initial[i]!);
      assert.ok(Math.abs(moved - (i === 0 ? 0 : rate(1))) < 1e-5, `element ${i} moved by ${moved}`);
    });
  });

  it("SGD takes PyTorch's steps, without and with momentum, and decays as AdamW does", () => {
    agree(
      ours("sgd", {}),
      torchSgd(0, () => 0),
    );
    agree(
      ours("sgd", { beta1: 0.9 }),
      torchSgd(0.9, () => 0),
    );
    agree(
      ours("sgd", { beta1: 0.9, weightDecay: 0.3 }, decays),
      torchSgd(0.9, (i) => 0.3 * decays[i]!),
    );
  });

  it("keep what they need: two moments, one velocity, or nothing", () => {
    const kept = (name: OptimizerName, beta1: number) =>
      OPTIMIZERS[name].state({ ...OPTIMIZERS[name].defaults, beta1 }).length;
    assert.deepEqual([kept("adamw", 0.9), kept("sgd", 0.9), kept("sgd", 0)], [2, 1, 0]);
  });
});

describe("scheduleFactor", () => {
  const factors = (name: (typeof SCHEDULES)[number], steps: number, warmup: number) =>
    Array.from({ length: steps }, (_, i) => scheduleFactor(name, i + 1, steps, warmup));
  const close = (actual: number[], expected: number[]) => {
    assert.equal(actual.length, expected.length);
    for (const [i, want] of expected.entries()) {
      assert.ok(Math.abs(actual[i]! - want) < 1e-12, `step ${i + 1}: ${actual[i]}, expected ${want}`);
    }
  };

  it("starts at the peak without a warm-up", () => {
    close(factors("constant", 4, 0), [1, 1, 1, 1]);
    close(factors("linear", 4, 0), [1, 3 / 4, 2 / 4, 1 / 4]);
    close(
      factors("cosine", 4, 0),
      [0, 1, 2, 3].map((k) => Math.cos((Math.PI * k) / 8) ** 2),
    );
  });

  it("rises to the peak in the warm-up and falls from there", () => {
    close(factors("constant", 5, 2), [1 / 2, 1, 1, 1, 1]);
    close(factors("linear", 6, 2), [1 / 2, 1, 1, 3 / 4, 2 / 4, 1 / 4]);
    close(factors("cosine", 5, 2), [1 / 2, 1, 1, 3 / 4, 1 / 4]);
  });

  it("ends at the peak when all steps warm up, and below it when there are fewer", () => {
    for (const name of SCHEDULES) {
      close(factors(name, 4, 4), [1 / 4, 2 / 4, 3 / 4, 1]);
      close(factors(name, 2, 4), [1 / 4, 2 / 4]);
      close(factors(name, 1, 0), [1]);
      close(factors(name, 1, 1), [1]);
    }
  });
});
