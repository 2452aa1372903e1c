/**
 * Everything that an adapter changes, as products b·a: W′ = W + b·a for each weight, embedding, norms and biases included.
 *
 * A low-rank method has its factors already. Of any other (DoRA, full fine-tuning, VeRA …) the change is W′ − W, and its
 * factors are its singular vectors. Those that float32 has made by rounding W′ are left out, so that a change of rank r
 * has r of them: a matrix of independent errors has no singular value above their size times (√rows + √columns) (Davidson
 * & Szarek, 2001).
 */
import { EMBEDDING, type Factored, HEAD } from "../adapters/factored";
import type { LoraAdapter } from "../adapters/lora";
import { type SingularVectors, svd, svdOfProduct } from "../adapters/svd";
import type { HostArray } from "../engine";
import type { LanguageModel } from "../model/language-model";

/** Half the distance of neighbouring float32 numbers, in parts of them. */
const ROUNDING = 2 ** -24;

/**
 * The changes of the adapter in use; those that are zero are left out.
 * @param singular in singular directions, b = U and a = S·Vᵀ with the strongest first, in place of LoRA's own factors
 * @throws when no adapter is in use, and for a method that is no change of weights
 */
export function changesOf(model: LanguageModel, { singular = false } = {}): Factored[] {
  const { adapter } = model;
  if (!adapter) {
    throw new Error(
      "There is no adapter in use, so nothing is changed: attach one, or choose one with use().",
    );
  }
  const ordinary = adapter.portable?.(model) ?? adapter;
  if (ordinary.method === "lora") return ofLora(model, ordinary as LoraAdapter, singular);
  let merged: Map<string, HostArray>;
  try {
    merged = adapter.merged(model);
  } catch (error) {
    throw new Error(
      `What a "${adapter.method}" adapter does is no change of weights. ${(error as Error).message}`,
    );
  }
  return [...merged].flatMap(([name, after]) => whole(model, name, after));
}

function ofLora(model: LanguageModel, { pairs, parameters }: LoraAdapter, singular: boolean): Factored[] {
  const paired = new Set(pairs.flatMap(({ a, b }) => [a, b]));
  const saved = parameters.names.filter((name) => !paired.has(name));
  const low = pairs.flatMap(({ path, a, b, scale, embedding }): Factored[] => {
    // The scale's root goes to each factor, as in PEFT's sums of factors.
    const root = Math.sqrt(Math.abs(scale));
    const [A, B] = [scaled(parameters.get(a), Math.sign(scale) * root), scaled(parameters.get(b), root)];
    const name = `${path}.weight`;
    if (isZero(A) || isZero(B)) return [];
    const own = embedding ? { name, b: transposed(A), a: transposed(B) } : { name, b: B, a: A };
    const change = singular ? inSingularDirections(own) : own;
    // An embedding's update is of what is looked up: a tied head stays as it is.
    const headStays = embedding && model.config.tiedEmbeddings && !saved.includes(HEAD);
    return headStays ? [change, nothing(model, HEAD)] : [change];
  });
  return [...low, ...saved.flatMap((name) => whole(model, name, parameters.get(name)))];
}

/** W′ − W in factors; nothing where the base has no such weight, as of a reward model's head. */
function whole(model: LanguageModel, name: string, after: HostArray): Factored[] {
  const isOwnHead = name === HEAD && model.config.tiedEmbeddings;
  const before = model.weights.get(isOwnHead ? EMBEDDING : name);
  if (!before) return [];
  const [w, changed] = [before.data, after.data];
  const data = Float32Array.from(changed, (x, i) => x - w[i]!);
  const { shape } = before;
  if (data.every((x) => x === 0)) return isOwnHead ? [nothing(model, name)] : [];
  if (shape.length === 1) return [{ name, b: array(data, [data.length, 1]), a: array([1], [1, 1]) }];
  const size = Math.sqrt(meanSquare(changed)) * (Math.sqrt(shape[0]!) + Math.sqrt(shape[1]!));
  const found = fromSingularVectors(name, svd({ data, shape }), ROUNDING * size);
  return found ? [found] : [];
}

/** No change, where to have none of its own is one. */
function nothing({ config }: LanguageModel, name: string): Factored {
  const { vocabSize, hiddenSize } = config;
  return { name, b: array(new Float32Array(vocabSize), [vocabSize, 1]), a: zeros([1, hiddenSize]) };
}

function inSingularDirections(change: Factored): Factored {
  const { name, b, a } = change;
  const shape = [b.shape[0]!, a.shape[1]!];
  const vectors =
    a.shape[0]! <= Math.min(...shape) ? svdOfProduct(b, a) : svd({ data: productOf(change), shape });
  return fromSingularVectors(name, vectors, 0) ?? change;
}

function fromSingularVectors(
  name: string,
  { values, left, right }: SingularVectors,
  least: number,
): Factored | undefined {
  const rank = values.filter((value) => value > least).length;
  if (rank === 0) return undefined;
  const [rows, columns] = [left[0]!.length, right[0]!.length];
  const b = Float32Array.from({ length: rows * rank }, (_, i) => left[i % rank]![Math.floor(i / rank)]!);
  const a = Float32Array.from(
    { length: rank * columns },
    (_, i) => values[Math.floor(i / columns)]! * right[Math.floor(i / columns)]![i % columns]!,
  );
  return { name, b: array(b, [rows, rank]), a: array(a, [rank, columns]) };
}

/** b·a, in float64. */
function productOf({ a, b }: Factored): Float64Array {
  const [rank, columns] = a.shape as [number, number];
  const out = new Float64Array(b.shape[0]! * columns);
  for (let i = 0; i < b.shape[0]!; i++) {
    for (let k = 0; k < rank; k++) {
      const factor = b.data[i * rank + k]!;
      for (let j = 0; j < columns; j++) out[i * columns + j]! += factor * a.data[k * columns + j]!;
    }
  }
  return out;
}

const array = (data: ArrayLike<number>, shape: number[]): HostArray => ({
  data: Float32Array.from(data),
  shape,
  dtype: "float32",
});
const zeros = ([rows, columns]: [number, number]) => array(new Float32Array(rows * columns), [rows, columns]);
const isZero = ({ data }: HostArray): boolean => (data as Float32Array).every((x) => x === 0);
const scaled = (x: HostArray, factor: number): HostArray => ({
  ...x,
  data: (x.data as Float32Array).map((value) => factor * value),
});

function transposed({ data, shape }: HostArray): HostArray {
  const [rows, columns] = shape as [number, number];
  return array(
    Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!),
    [columns, rows],
  );
}

function meanSquare(x: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! ** 2;
  return sum / x.length;
}
