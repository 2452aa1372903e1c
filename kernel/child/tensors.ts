/**
 * tfjs tensors as text and as a small heat map.
 *
 * The map is an SVG of at most 32 × 32 fields, each the mean of the values under it, in a few kilobytes whatever the
 * tensor's size. Values on both sides of zero get two colours that meet in white at zero.
 */
import type { MimeBundle } from "../protocol/messages";
import { svgImage } from "./html";

interface Tensor {
  shape: number[];
  dtype: string;
  isDisposed: boolean;
  dataSync(): ArrayLike<number>;
  toString(verbose?: boolean): string;
}

const FIELDS = 32;
const SHADES = 16;
/** Pixels per field: a small tensor has large fields. */
const FIELD = { least: 5, most: 16, width: 260 };
const NEGATIVE = [33, 102, 172];
const POSITIVE = [178, 24, 43];
const NOT_A_NUMBER = "#888";

export function isTensor(value: any): value is Tensor {
  const isObject = typeof value === "object" && value !== null;
  return isObject && Array.isArray(value.shape) && typeof value.dtype === "string" && "dataId" in value;
}

export function tensorBundle(tensor: Tensor): MimeBundle {
  const head = `Tensor ${tensor.dtype} [${tensor.shape.join(", ")}]`;
  if (tensor.isDisposed) return { "text/plain": `${head} (disposed)` };
  // tfjs's own text: a title and the values, abbreviated and indented
  const values = tensor.toString().split("\n").slice(1);
  const text = [head, ...values].join("\n");
  const isNumeric = ["float32", "int32", "bool"].includes(tensor.dtype);
  const size = tensor.shape.reduce((a, b) => a * b, 1);
  if (!isNumeric || size < 2) return { "text/plain": text };
  return { "text/plain": text, "text/html": html(head, tensor.dataSync(), tensor.shape) };
}

function html(head: string, data: ArrayLike<number>, shape: number[]): string {
  const { min, max, mean, invalid } = statistics(data);
  const columns = shape.at(-1)!;
  const rows = shape.at(-2) ?? 1;
  const numbers =
    invalid < data.length ? [`min ${short(min)}`, `mean ${short(mean)}`, `max ${short(max)}`] : [];
  if (invalid) numbers.push(`${invalid} not finite`);
  const part = shape.length > 2 ? `, shown: [${shape.slice(0, -2).fill(0).join(", ")}, :, :]` : "";
  const words = `${head} · ${numbers.join(" · ")}${part}`;
  return `<div>${heatMap(pool(data, rows, columns), min, max, `Heat map of ${words}`)}<div>${words}</div></div>`;
}

interface Statistics {
  min: number;
  max: number;
  mean: number;
  /** How many values are infinite or not numbers; they are left out of the others. */
  invalid: number;
}

function statistics(data: ArrayLike<number>): Statistics {
  let [min, max, sum, invalid] = [Infinity, -Infinity, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const x = data[i]!;
    if (!Number.isFinite(x)) {
      invalid++;
      continue;
    }
    if (x < min) min = x;
    if (x > max) max = x;
    sum += x;
  }
  return { min, max, mean: sum / (data.length - invalid), invalid };
}

/** Means over blocks of the first matrix in `data`: at most FIELDS rows and columns. */
function pool(data: ArrayLike<number>, rows: number, columns: number): number[][] {
  const height = Math.min(rows, FIELDS);
  const width = Math.min(columns, FIELDS);
  const bound = (i: number, fields: number, size: number) => Math.floor((i * size) / fields);
  return Array.from({ length: height }, (_, r) =>
    Array.from({ length: width }, (_, c) => {
      let sum = 0;
      let count = 0;
      for (let i = bound(r, height, rows); i < bound(r + 1, height, rows); i++)
        for (let j = bound(c, width, columns); j < bound(c + 1, width, columns); j++, count++)
          sum += data[i * columns + j]!;
      return sum / count;
    }),
  );
}

/** One path per shade, of horizontal strokes over the fields that have it. */
function heatMap(fields: number[][], min: number, max: number, alt: string): string {
  const strokes = new Map<string, string>();
  fields.forEach((row, r) => {
    for (let c = 0; c < row.length; ) {
      const fill = color(row[c]!, min, max);
      const start = c;
      while (c < row.length && color(row[c]!, min, max) === fill) c++;
      strokes.set(fill, `${strokes.get(fill) ?? ""}M${start} ${r}.5h${c - start}`);
    }
  });
  const width = fields[0]!.length;
  const field = Math.max(FIELD.least, Math.min(FIELD.most, Math.floor(FIELD.width / width)));
  const paths = [...strokes].map(([fill, d]) => `<path stroke="${fill}" d="${d}"/>`).join("");
  const size = `width="${width * field}" height="${fields.length * field}"`;
  const box = `viewBox="0 0 ${width} ${fields.length}" shape-rendering="crispEdges"`;
  return svgImage(
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${box}>${paths}</svg>`,
    width * field,
    alt,
  );
}

function color(value: number, min: number, max: number): string {
  if (!Number.isFinite(value)) return NOT_A_NUMBER;
  // With one sign, white is the end nearer to zero.
  const white = min > 0 ? min : max < 0 ? max : 0;
  const reach = Math.max(max - white, white - min);
  const share = reach === 0 ? 0 : Math.round((Math.abs(value - white) / reach) * SHADES) / SHADES;
  const full = value < white ? NEGATIVE : POSITIVE;
  return `#${full.map((channel) => hex(255 + (channel - 255) * share)).join("")}`;
}

function hex(channel: number): string {
  return Math.round(channel).toString(16).padStart(2, "0");
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
