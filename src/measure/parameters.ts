/**
 * Where a model's parameters are, and what they weigh, from the names and shapes of its weights alone: no value is
 * looked at, so a configuration (through `weightShapes`) serves as well as a loaded model.
 */
import { integer } from "./format";

/** Weights by name, of which only the shape is looked at. */
export type Shapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

export const countOf = (shapes: Shapes): number =>
  [...shapes.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);

/** [4096, 11008] → "4,096×11,008" */
export const shapeText = (shape: readonly number[]): string => shape.map(integer).join("×");

const GROUPS = ["embedding", "attention", "MLP", "norms", "head"] as const;
export type GroupName = (typeof GROUPS)[number];

export interface ParameterGroup {
  name: GroupName;
  count: number;
  /** What the count is made of, in the shapes of one layer. */
  made: string;
}

function groupOf(name: string): GroupName {
  if (name.startsWith("lm_head.")) return "head";
  if (name.includes("embed_tokens")) return "embedding";
  if (name.includes("norm")) return "norms";
  return name.includes(".mlp.") ? "MLP" : "attention";
}

/** The five groups that every model of the family has. A tied head has no parameters of its own. */
export function parameterGroups(shapes: Shapes): ParameterGroup[] {
  const layers = new Set([...shapes.keys()].flatMap((name) => name.match(/layers\.(\d+)\./)?.[1] ?? [])).size;
  return GROUPS.map((name) => {
    const members = [...shapes].filter(([weight]) => groupOf(weight) === name);
    const count = members.reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
    if (count === 0) return { name, count, made: "tied: the embedding, used once more" };
    const ofOneLayer = members.filter(([weight]) => /layers\.0\./.test(weight));
    const rest = members.filter(([weight]) => !weight.includes("layers."));
    const parts = rest.map(([, { shape }]) => shapeText(shape));
    if (ofOneLayer.length > 0) parts.unshift(`${layers} layers × (${oneLayer(ofOneLayer)})`);
    return { name, count, made: parts.join(" + ") };
  });
}

/** "q 256×256, k 128×256 …"; modules of equal shape together. */
function oneLayer(members: [string, { readonly shape: readonly number[] }][]): string {
  const byShape = new Map<string, string[]>();
  for (const [weight, { shape }] of members) {
    const module = weight.split(".").at(-2)!;
    const label = module.replace(/_proj$/, "") + (weight.endsWith(".bias") ? " bias" : "");
    byShape.set(shapeText(shape), [...(byShape.get(shapeText(shape)) ?? []), label]);
  }
  return [...byShape].map(([shape, labels]) => `${labels.join(", ")} ${shape}`).join("; ");
}

export interface WeightMemory {
  format: string;
  bytes: number;
  formula: string;
}

/** Bits per weight in NF4 with blocks of 64 (QLoRA, arXiv:2305.14314): 4 and a float32 scale per block … */
const NF4_BITS = 4 + 32 / 64;
/** … or 4, an 8-bit scale per block, and a float32 scale per 256 blocks (double quantization). */
const NF4_DOUBLE_BITS = 4 + 8 / 64 + 32 / (64 * 256);

/**
 * Bytes of the weights in the formats that people compare. In 4 bits only the linear layers are quantized; norms,
 * biases, the embedding and the head stay 16-bit.
 */
export function weightMemory(shapes: Shapes): WeightMemory[] {
  const all = countOf(shapes);
  const linear = [...shapes]
    .filter(([name, { shape }]) => shape.length === 2 && /attention|MLP/.test(groupOf(name)))
    .reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
  const rest = all - linear;
  const fourBit = (format: string, bits: number): WeightMemory => ({
    format,
    bytes: (linear * bits) / 8 + rest * 2,
    formula: `${integer(linear)} in linear layers × ${Number(bits.toFixed(3))} bits + ${integer(rest)} × 2 bytes`,
  });
  return [
    { format: "float32", bytes: all * 4, formula: `${integer(all)} × 4 bytes` },
    { format: "float16", bytes: all * 2, formula: `${integer(all)} × 2 bytes` },
    fourBit("NF4", NF4_BITS),
    fourBit("NF4, double quantization", NF4_DOUBLE_BITS),
  ];
}
