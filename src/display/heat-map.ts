/** Heat maps: values by row and column, in colours that every kind of colour vision can order. */
import { short } from "../measure/format";
import { Figure, type Trace } from "./figure";
import { type Content, escapeHtml, type Html, html } from "./html";
import { image } from "./picture";

export interface HeatMap {
  title: string;
  /** rows × columns; null where there is nothing. */
  values: readonly (readonly (number | null)[])[];
  rows: readonly string[];
  columns: readonly string[];
  axes: { x: string; y: string; value: string };
  /** What to say of a cell besides its value, on hover; a list for each cell. */
  notes?: readonly (readonly string[])[];
  /** Values about zero, of both signs: zero gets the colour in the middle. */
  signed?: boolean;
  /** Whether cells say their values. */
  labelled?: boolean;
  /** A cell to mark, where it is one of them. */
  marked?: { row: number; column: number };
  /** From the lightest colour to the darkest. Default: from 0 to the largest value; of signed ones alike to both sides. */
  range?: readonly [number, number];
}

/** Light where there is little, dark where there is much, as in print; grey-blue to ochre, after Cividis (Nuñez et al., 2018). */
export const SEQUENTIAL: [number, string][] = [
  [0, "#f1f4f8"],
  [0.35, "#8fb3d9"],
  [0.7, "#2f80d0"],
  [1, "#173f66"],
];
export const SIGNED: [number, string][] = [
  [0, "#1f5fa5"],
  [0.5, "#f4f4f4"],
  [1, "#c2530f"],
];

/** @param below what follows the picture where Plotly is absent */
export function heatMap(
  { title, values, rows, columns, axes, notes, signed = false, labelled, marked, range: given }: HeatMap,
  below?: { text: string; html: Content },
): Figure {
  const numbers = values.flat().filter((value): value is number => value !== null && Number.isFinite(value));
  const largest = Math.max(...numbers.map(Math.abs), 0);
  const range = given ?? (signed ? [-largest, largest] : [0, largest]);
  const scale = signed ? SIGNED : SEQUENTIAL;
  const text = [title, below?.text].filter(Boolean).join("\n");
  const colour = (value: number) =>
    colourAt(scale, range[0] === range[1] ? 0 : (value - range[0]!) / (range[1]! - range[0]!));
  const mark = marked && values[marked.row]?.[marked.column] !== undefined ? marked : undefined;
  const picture = pictureOf(values, rows, columns, colour, title, mark);
  return new Figure(
    [
      {
        type: "heatmap",
        z: values.map((row) => row.map((value) => (value === null ? null : digits(value)))),
        x: columns,
        y: rows,
        zmin: range[0],
        zmax: range[1],
        colorscale: scale,
        colorbar: { title: { text: axes.value }, outlinewidth: 0 },
        ...(notes && { text: notes, hoverinfo: "text+x+y" }),
        hovertemplate: `${axes.y} %{y}, ${axes.x} %{x}<br>${axes.value}: %{z:.4~g}${notes ? "<br>%{text}" : ""}<extra></extra>`,
        ...(columns.length <= 24 && { xgap: 1 }),
        ...(rows.length <= 24 && { ygap: 1 }),
      },
      ...(labelled ? [labels(values, rows, columns, colour)] : []),
    ],
    {
      title: { text: title },
      xaxis: { title: { text: axes.x }, showgrid: false, type: "category" },
      yaxis: { title: { text: axes.y }, showgrid: false, autorange: "reversed", type: "category" },
      ...(mark && { shapes: [frame(mark)] }),
    },
    {
      text,
      html: html`<div class="loralab"><p>${title}</p>${picture}<p>${axes.y} down, ${axes.x} across; ${axes.value} from ${short(range[0]!)} (light) to ${short(range[1]!)} (dark).</p>${below?.html}</div>`,
    },
  );
}

/** What cells hold, in black or white, whichever is told better from the colour of its cell. */
function labels(
  values: HeatMap["values"],
  rows: readonly string[],
  columns: readonly string[],
  colour: (value: number) => string,
): Trace {
  const all = values.flatMap((row, i) =>
    row.flatMap((value, j) => (value === null ? [] : { value, row: rows[i]!, column: columns[j]! })),
  );
  return {
    ...{ type: "scatter", mode: "text", hoverinfo: "skip", showlegend: false },
    x: all.map(({ column }) => column),
    y: all.map(({ row }) => row),
    text: all.map(({ value }) => short(value)),
    textfont: { color: all.map(({ value }) => (luminance(colour(value)) > 0.179 ? "#000" : "#fff")) },
  };
}

/** The relative luminance of a colour, 0 to 1 (WCAG 2.2); from 0.179 on black has more contrast with it than white. */
function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

/** Around a cell, in a colour that is seen on light and dark ones; its number stays readable. Categories count from 0. */
const frame = ({ row, column }: { row: number; column: number }) => ({
  type: "rect",
  ...{ x0: column - 0.5, x1: column + 0.5, y0: row - 0.5, y1: row + 0.5 },
  line: { color: MARK, width: 3 },
});
const MARK = "#e0661a";

/** The colour at a place in 0 … 1 of a scale, between the two colours around it. */
export function colourAt(scale: readonly [number, string][], at: number): string {
  const place = Math.min(1, Math.max(0, at));
  const after = Math.max(
    1,
    scale.findIndex(([from]) => from >= place),
  );
  const [[from, first], [to, second]] = [scale[after - 1]!, scale[after]!];
  const part = to === from ? 0 : (place - from) / (to - from);
  const channel = (i: number) => {
    const [a, b] = [first, second].map((hex) => Number.parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16));
    return Math.round(a! + part * (b! - a!))
      .toString(16)
      .padStart(2, "0");
  };
  return `#${channel(0)}${channel(1)}${channel(2)}`;
}

const WIDTH = 640;
const MARGIN = { left: 80, bottom: 24 };

function pictureOf(
  values: HeatMap["values"],
  rows: readonly string[],
  columns: readonly string[],
  colour: (value: number) => string,
  alt: string,
  mark?: { row: number; column: number },
): Html {
  const width = (WIDTH - MARGIN.left) / Math.max(1, columns.length);
  const height = Math.min(24, Math.max(2, 320 / Math.max(1, rows.length)));
  const total = rows.length * height + MARGIN.bottom;
  const cells = values.flatMap((row, i) =>
    row.flatMap((value, j) =>
      value === null
        ? []
        : `<rect x="${(MARGIN.left + j * width).toFixed(1)}" y="${(i * height).toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}" fill="${colour(value)}"/>`,
    ),
  );
  const marking = mark
    ? `<rect x="${(MARGIN.left + mark.column * width + 1).toFixed(1)}" y="${(mark.row * height + 1).toFixed(1)}" width="${(width - 2).toFixed(1)}" height="${(height - 2).toFixed(1)}" fill="none" stroke="${MARK}" stroke-width="2.5"/>`
    : "";
  // As many labels as have room.
  const every = (count: number, room: number) => Math.max(1, Math.ceil(count / room));
  const across = columns.flatMap((label, j) =>
    j % every(columns.length, 10) === 0
      ? `<text x="${(MARGIN.left + (j + 0.5) * width).toFixed(1)}" y="${total - 8}" text-anchor="middle">${escapeHtml(label)}</text>`
      : [],
  );
  const down = rows.flatMap((label, i) =>
    i % every(rows.length, 24) === 0
      ? `<text x="${MARGIN.left - 6}" y="${((i + 0.5) * height).toFixed(1)}" dy="4" text-anchor="end">${escapeHtml(label)}</text>`
      : [],
  );
  const source =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${total}" width="${WIDTH}" height="${total}" ` +
    `font-family="sans-serif" font-size="11" fill="#808080">${cells.join("")}${marking}${across.join("")}${down.join("")}</svg>`;
  return image(source, WIDTH, alt);
}

/** Four digits: more would only make the notebook's file larger. */
export const digits = (x: number): number => Number(x.toPrecision(4));
