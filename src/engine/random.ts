/**
 * Random numbers inside a compiled function.
 *
 * tfjs draws its random numbers in JavaScript while a function is traced, so they would be the same at every run. Here
 * they are computed from a seed that is an input of the program: other seed, other numbers; same seed, same numbers on
 * every device, because the arithmetic is exact.
 *
 * Element i of a shape has two constants aᵢ, bᵢ, drawn once by the generator below; its number for the seed (s, t) is
 *
 *   uᵢ = ((aᵢ·s + bᵢ + t) mod p) / p     with the prime p = 32,749, so that no product leaves int32
 *
 * which is the universal hash of Carter & Wegman (1979): uniform for each element, and over the constants independent
 * between elements and between seeds. Each call derives a seed of its own from the program's, so all calls of one shape
 * share the constants. 15 bits are plenty for dropout; this is no generator for statistics or secrets.
 */
import * as tf from "@tensorflow/tfjs";

const PRIME = 32749;

/** Mulberry32 (Tommy Ettinger, public domain): 32 bits of state, uniform numbers in [0, 1). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
  };
}

/** The seed of one run of a compiled function, for its int32 [2] input. */
export function drawSeed(random: () => number): Int32Array {
  return Int32Array.of(1 + Math.floor(random() * (PRIME - 1)), Math.floor(random() * PRIME));
}

const constants = new Map<number, Int32Array[]>();

/** The aᵢ and bᵢ of shapes with `size` elements: the same arrays each time, so that a program holds them once. */
function constantsOf(size: number): Int32Array[] {
  const known = constants.get(size);
  if (known) return known;
  const draw = generator(size);
  const made = [0, 1].map(() => Int32Array.from({ length: size }, () => Math.floor(draw() * PRIME)));
  constants.set(size, made);
  return made;
}

/** Randomness for the body of a traced function. */
export class Random {
  private site = 0;

  /** @param seed int32 [2], filled by `drawSeed` */
  constructor(private readonly seed: tf.Tensor1D) {}

  /** Whole numbers uniform in 0 … 32,748, int32 of the given shape; each call draws others. */
  private integers(shape: number[]): tf.Tensor {
    const [a, b] = constantsOf(tf.util.sizeFromShape(shape)).map((data) => tf.tensor(data, shape, "int32"));
    const prime = tf.scalar(PRIME, "int32");
    const [s, t] = tf.split(this.seed, 2);
    const draw = generator(++this.site);
    const number = () => tf.scalar(1 + Math.floor(draw() * (PRIME - 1)), "int32");
    const mixed = (x: tf.Tensor) => tf.mod(tf.add(tf.mul(x, number()), number()), prime);
    return tf.mod(tf.add(tf.add(tf.mul(a!, mixed(s!)), b!), mixed(t!)), prime);
  }

  /** Uniform in [0, 1), float32. */
  uniform(shape: number[]): tf.Tensor {
    return tf.div(tf.cast(this.integers(shape), "float32"), PRIME);
  }

  /**
   * Inverted dropout (Srivastava et al., 2014): each element is zero with probability `rate`, the others are divided by
   * 1 − rate, so the expectation stays.
   */
  dropout<T extends tf.Tensor>(x: T, rate: number): T {
    if (rate === 0) return x;
    const kept = tf.greaterEqual(this.integers(x.shape), tf.scalar(Math.round(rate * PRIME), "int32"));
    return tf.mul(x, tf.mul(tf.cast(kept, "float32"), 1 / (1 - rate))) as T;
  }
}
