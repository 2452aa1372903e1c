import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import { drawSeed, generator, type Program, Random, trace } from "../../src/engine";

type Numbers = ArrayLike<number>;

/** χ² of values in [0, 1) over bins of equal width, in standard deviations above or below what chance gives. */
function chiSquare(values: Numbers, bins: number): number {
  const counts = new Array<number>(bins).fill(0);
  for (const x of Array.from(values)) counts[Math.floor(x * bins)]!++;
  const expected = values.length / bins;
  const sum = counts.reduce((total, n) => total + (n - expected) ** 2 / expected, 0);
  return (sum - (bins - 1)) / Math.sqrt(2 * (bins - 1));
}

/** The same for pairs, over bins² squares: not only uncorrelated but independent. */
const chiSquareOfPairs = (a: Numbers, b: Numbers, bins: number): number =>
  chiSquare(
    Array.from(a, (x, i) => (Math.floor(x * bins) + b[i]!) / bins),
    bins * bins,
  );

/** Pearson's correlation times √n: about normal with standard deviation 1 for independent values. */
function correlation(a: Numbers, b: Numbers): number {
  const n = a.length;
  const centred = (x: Numbers) => {
    const mean = Array.from(x).reduce((sum, value) => sum + value, 0) / n;
    return Array.from(x, (value) => value - mean);
  };
  const [p, q] = [centred(a), centred(b)];
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return (Math.sqrt(n) * dot(p, q)) / Math.sqrt(dot(p, p) * dot(q, q));
}

/** More standard deviations than chance gives in as many comparisons as are made here. */
const TOO_FAR = 4.5;
const within = (value: number, what: string) =>
  assert.ok(Math.abs(value) < TOO_FAR, `${what}: ${value.toFixed(2)} standard deviations`);

describe("generator", () => {
  const draws = (seed: number, count: number) => {
    const random = generator(seed);
    return Array.from({ length: count }, random);
  };

  it("gives numbers in [0, 1), the same for the same seed and others for another", () => {
    const values = draws(1, 1000);
    assert.ok(values.every((x) => x >= 0 && x < 1));
    assert.deepEqual(draws(1, 1000), values);
    assert.equal(new Set([...values, ...draws(2, 1000)]).size, 2000);
  });

  it("gives the numbers of Mulberry32", () => {
    // The 32-bit arithmetic of its definition, on BigInt.
    let state = 12345n;
    const u32 = (x: bigint) => x & 0xffffffffn;
    const reference = () => {
      state = u32(state + 0x6d2b79f5n);
      let z = state;
      z = u32((z ^ (z >> 15n)) * (z | 1n));
      z = z ^ u32(z + u32((z ^ (z >> 7n)) * (z | 61n)));
      return Number(z ^ (z >> 14n)) / 2 ** 32;
    };
    assert.deepEqual(draws(12345, 100), Array.from({ length: 100 }, reference));
  });

  it("is uniform, and independent from one number to the next and from one seed to the next", () => {
    for (const seed of [0, 1, 2, 1_000_003, -5]) {
      const [values, next] = [draws(seed, 20_001), draws(seed + 1, 20_000)];
      within(chiSquare(values, 100), `uniformity with seed ${seed}`);
      within(chiSquareOfPairs(values.slice(0, -1), values.slice(1), 10), `neighbours with seed ${seed}`);
      within(chiSquareOfPairs(values.slice(0, -1), next, 10), `seeds ${seed} and ${seed + 1}`);
    }
  });

  it("is uniform over seeds, in the first number and in the second", () => {
    const pairs = Array.from({ length: 20_000 }, (_, seed) => draws(seed, 2));
    const [first, second] = [0, 1].map((i) => pairs.map((pair) => pair[i]!)) as [number[], number[]];
    within(chiSquare(first, 100), "the first");
    within(chiSquare(second, 100), "the second");
    within(chiSquareOfPairs(first, second, 10), "both");
  });
});

describe("drawSeed", () => {
  it("gives a factor from 1 to 32,748 and a summand from 0 to 32,748", () => {
    const least = drawSeed(() => 0);
    const most = drawSeed(() => 1 - 2 ** -32);
    assert.deepEqual([least, most], [Int32Array.of(1, 0), Int32Array.of(32_748, 32_748)]);
  });
});

describe("Random", () => {
  const SIZE = 12_000;
  const spec = { seed: { shape: [2], dtype: "int32" as const } };
  const three = ({ seed }: Record<string, tf.Tensor>) => {
    const random = new Random(seed as tf.Tensor1D);
    return { a: random.uniform([SIZE]), b: random.uniform([SIZE]), c: random.uniform([20, SIZE / 20]) };
  };
  let program: Program;
  const draw = async (...seed: [number, number]) => {
    const out = await program.run({ seed: Int32Array.from(seed) });
    return [out.a!, out.b!, out.c!].map(({ data }) => data as Float32Array);
  };

  before(async () => {
    await tf.setBackend("cpu");
    program = await trace(three, spec, { device: "cpu" });
  });
  after(() => program.dispose());

  it("gives compiled exactly the numbers that it gives eagerly", async () => {
    for (const seed of [
      [1, 0],
      [32_748, 32_748],
      [17, 4321],
    ] as [number, number][]) {
      const eager = tf.tidy(() =>
        Object.values(three({ seed: tf.tensor1d(seed, "int32") })).map((x) => x.dataSync()),
      );
      assert.deepEqual(await draw(...seed), eager);
    }
  });

  it("gives the same numbers for the same seed, others for another and at another site", async () => {
    const [first, again, other] = [await draw(5, 6), await draw(5, 6), await draw(5, 7)];
    assert.deepEqual(first, again);
    const equal = (a: Float32Array, b: Float32Array) => a.filter((x, i) => x === b[i]).length;
    for (const i of [0, 1, 2]) assert.ok(equal(first[i]!, other[i]!) < 10);
    assert.ok(equal(first[0]!, first[1]!) < 10);
    assert.ok(equal(first[0]!, first[2]!) < 10, "the third has other axes but as many elements");
  });

  it("is uniform in [0, 1), and independent between neighbours, sites and runs", async () => {
    const random = generator(1);
    let previous: Float32Array[] | undefined;
    for (let run = 0; run < 8; run++) {
      const seed = drawSeed(random);
      const values = await draw(seed[0]!, seed[1]!);
      for (const [site, x] of values.entries()) {
        const name = `run ${run}, site ${site}`;
        assert.ok(x.every((u) => u >= 0 && u < 1));
        within(chiSquare(x, 100), `uniformity of ${name}`);
        within(chiSquareOfPairs(x.slice(0, -1), x.slice(1), 10), `neighbours of ${name}`);
        const later = values[site + 1] ?? values[0]!;
        within(chiSquareOfPairs(x, later, 10), `${name} and the next site`);
        if (previous) within(chiSquareOfPairs(x, previous[site]!, 10), `${name} and the run before`);
      }
      previous = values;
    }
  });

  it("is uncorrelated between any two elements over many runs", async () => {
    const [elements, runs] = [40, 2000];
    const small = await trace(
      ({ seed }) => {
        const random = new Random(seed as tf.Tensor1D);
        return { u: tf.concat([random.uniform([elements / 2]), random.uniform([elements / 2])]) };
      },
      spec,
      { device: "cpu" },
    );
    const random = generator(2);
    const series = Array.from({ length: elements }, () => new Float32Array(runs));
    for (let run = 0; run < runs; run++) {
      const { u } = await small.run({ seed: drawSeed(random) });
      for (const [i, values] of series.entries()) values[run] = u!.data[i]!;
    }
    await small.dispose();
    for (const [i, x] of series.entries()) {
      within(chiSquare(x, 20), `element ${i} over runs`);
      for (const [j, y] of series.slice(0, i).entries()) within(correlation(x, y), `elements ${i} and ${j}`);
    }
  });

  describe("dropout", () => {
    const dropped = async (rate: number, seed: [number, number]) => {
      const one = await trace(
        ({ x, seed }) => {
          const value = (x: tf.Tensor) => new Random(seed as tf.Tensor1D).dropout(x, rate);
          return { y: value(x!), gradient: tf.grad((x: tf.Tensor) => tf.sum(value(x)))(x!) };
        },
        { ...spec, x: { shape: [SIZE], dtype: "float32" } },
        { device: "cpu" },
      );
      const x = Float32Array.from({ length: SIZE }, (_, i) => 1 + (i % 7));
      const { y, gradient } = await one.run({ x, seed: Int32Array.from(seed) });
      await one.dispose();
      return { x, y: y!.data, gradient: gradient!.data };
    };

    it("zeroes the share of elements that is asked for, and keeps the expectation", async () => {
      for (const rate of [0.05, 0.5, 0.9]) {
        const { x, y } = await dropped(rate, [123, 456]);
        const kept = y.filter((value) => value !== 0).length;
        within((kept - SIZE * (1 - rate)) / Math.sqrt(SIZE * rate * (1 - rate)), `kept at rate ${rate}`);
        y.forEach((value, i) => {
          const grown = x[i]! / (1 - rate);
          assert.ok(value === 0 || Math.abs(value - grown) <= 1e-6 * grown, `${x[i]} became ${value}`);
        });
        const sum = (values: Numbers) => Array.from(values).reduce((total, value) => total + value, 0);
        const deviation = Math.sqrt((rate / (1 - rate)) * sum(x.map((value) => value ** 2)));
        within((sum(y) - sum(x)) / deviation, `sum at rate ${rate}`);
      }
    });

    it("has the mask as its gradient", async () => {
      const { y, gradient } = await dropped(0.3, [9, 10]);
      const scale = Math.fround(1 / 0.7);
      assert.deepEqual(
        [...gradient],
        Array.from(y, (value) => (value === 0 ? 0 : scale)),
      );
    });

    it("of rate 0 is the identity", async () => {
      const x = tf.tensor1d([1, 2]);
      assert.equal(new Random(tf.tensor1d([1, 1], "int32")).dropout(x, 0), x);
    });
  });
});
