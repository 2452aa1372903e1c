/**
 * The numbers of a Plotly figure as a table in long form, a row for each point, its columns named by the axes. It knows
 * of Plotly's traces only and imports nothing, so that a page that draws figures can offer their data by it too.
 */

export type Cell = string | number | null;

export interface FigureTable {
  columns: string[];
  rows: Cell[][];
}

interface PlotlyFigure {
  data: readonly Record<string, any>[];
  layout?: Record<string, any>;
}

/**
 * A column "series" where there are several traces; one each for x and y, under the titles of their axes; for heat maps
 * the value under the title of the colour bar. Where traces are drawn on y axes of different titles, these stand in
 * "quantity" and the numbers in "value". Parallel coordinates stay as wide as they are.
 */
export function figureTable({ data, layout = {} }: PlotlyFigure): FigureTable {
  const wide = data.find(({ dimensions }) => Array.isArray(dimensions));
  if (wide) return ofDimensions(wide.dimensions);
  const axisTitle = (name: string) => textOf(layout[name]?.title);
  const yTitles = data.map((trace) => axisTitle(axisOf("y", trace)) || "y");
  const x = axisTitle(axisOf("x", data[0] ?? {})) || axisTitle("xaxis") || "x";
  const values = [...new Set(data.map(({ z, colorbar }) => (z ? textOf(colorbar?.title) || "value" : "")))];
  const several = data.length > 1;
  const many = new Set(yTitles).size > 1;
  const columns = [
    ...(several ? ["series"] : []),
    x,
    ...(many ? ["quantity", "value"] : [yTitles[0] ?? "y"]),
    ...values.filter(Boolean),
  ];
  const rows = data.flatMap((trace, i) => {
    const series = several ? [textOf(trace.name) || `series ${i + 1}`] : [];
    return pointsOf(trace).map(([x, y, ...z]) => [...series, x, ...(many ? [yTitles[i]!] : []), y, ...z]);
  });
  return { columns, rows };
}

/** Comma-separated values after RFC 4180, a header first; nothing where there is no value. */
export function toCsv({ columns, rows }: FigureTable): string {
  const field = (cell: Cell) => {
    const text = cell === null || Number.isNaN(cell) ? "" : String(cell);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");
}

/** Of a trace on "y2" the axis is called "yaxis2". */
const axisOf = (letter: "x" | "y", trace: Record<string, any>): string =>
  `${letter}axis${String(trace[`${letter}axis`] ?? "").slice(1)}`;

function pointsOf({ x, y, z }: Record<string, any>): Cell[][] {
  const list = (values: any): any[] => (isList(values) ? Array.from(values) : []);
  const matrix = list(z);
  if (matrix.some(isList)) {
    const [across, down] = [list(x), list(y)];
    return matrix.flatMap((row, i) =>
      list(row).map((value, j) => [across[j] ?? j, down[i] ?? i, value ?? null]),
    );
  }
  const [xs, ys] = [list(x), list(y)];
  return Array.from({ length: Math.max(xs.length, ys.length) }, (_, i) => [
    xs.length > 0 ? (xs[i] ?? null) : i,
    ys.length > 0 ? (ys[i] ?? null) : i,
    ...(matrix.length > 0 ? [matrix[i] ?? null] : []),
  ]);
}

function ofDimensions(dimensions: readonly Record<string, any>[]): FigureTable {
  const shown = dimensions.filter(({ values }) => isList(values));
  const length = Math.max(0, ...shown.map(({ values }) => values.length));
  // Where numbers stand for words, `tickvals` says which: the words are what a reader can use.
  const word = ({ values, tickvals, ticktext }: Record<string, any>, i: number): Cell => {
    const at = isList(tickvals) && isList(ticktext) ? Array.from(tickvals).indexOf(values[i]) : -1;
    return at < 0 ? (values[i] ?? null) : textOf(ticktext[at]);
  };
  return {
    columns: shown.map(({ label }, i) => textOf(label) || `column ${i + 1}`),
    rows: Array.from({ length }, (_, i) => shown.map((dimension) => word(dimension, i))),
  };
}

const isList = (value: any): boolean =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && "length" in value);

/** A title as Plotly takes it, a text or `{ text }`, without its markup; a line break becomes a space. */
function textOf(title: any): string {
  const text = typeof title === "object" ? title?.text : title;
  return String(text ?? "")
    .replace(/<br\s*\/?>/g, " ")
    .replace(/<\/?\w+[^<>]*>/g, "");
}
