/** A sweep's result: its table, means against an axis or over two as a heat map, and all axes at once as parallel lines. */
import { isPart } from "../measure/forgetting";
import { columns, counted, short } from "../measure/format";
import type { Statistics } from "../measure/statistics";
import { inWords, label } from "../runs/grid";
import type { CellResult, Sweep } from "../runs/sweep-result";
import { bundle, DISPLAY, type MimeBundle } from "./bundle";
import { withMargin } from "./compare";
import { type DataFrame, dataFrame } from "./data-frame";
import { COLOURS, Figure, type Trace } from "./figure";
import { heatMap } from "./heat-map";
import { type Html, html, table } from "./html";
import { methodStyle } from "./method-style";
import { chart } from "./picture";

const METHOD = "method";

/**
 * One row per cell: method, axes, how many trials finished ("seeds") and failed, and each measure with half the width of its
 * 95 % interval beside it ("held-out loss ±"; NaN for a single seed).
 */
export function sweepTable(sweep: Sweep): DataFrame {
  const heads = [
    METHOD,
    ...sweep.axes,
    "seeds",
    "failed",
    ...sweep.measures.flatMap((measure) => [measure, `${measure} ±`]),
  ];
  const rows = sweep.cells.map(({ method, point, runs, failures, outcome }) => [
    method,
    ...sweep.axes.map((axis) => (typeof point[axis] === "number" ? point[axis] : labelOf(point[axis]))),
    runs.length,
    failures.length,
    ...sweep.measures.flatMap((measure) => {
      const { mean, margin } = outcome[measure] ?? { mean: Number.NaN, margin: Number.NaN };
      return [mean, margin];
    }),
  ]);
  return dataFrame(rows, heads);
}

/** Measures that are no parts of others; those are in the DataFrame alone. */
const wholes = ({ measures }: Sweep): string[] => measures.filter((measure) => !isPart(measure));

/** A value in a word; a dash where the method does not heed the axis. */
const labelOf = (value: unknown): string => (value === undefined ? "–" : label(value));

/** The axes on which cells differ, the method among them, with their values in order. */
function dimensions({ axes, cells }: Sweep): { axis: string; values: string[] }[] {
  const all = [METHOD, ...axes].map((axis) => ({
    axis,
    values: [...new Set(cells.map((cell) => valueOn(cell, axis)))],
  }));
  return all.filter(({ values }) => values.length > 1);
}

const valueOn = ({ method, point }: CellResult, axis: string): string =>
  axis === METHOD ? method : labelOf(point[axis]);

const nameOf = (sweep: Sweep, cell: CellResult): string => {
  const several = new Set(sweep.cells.map(({ method }) => method)).size > 1;
  return [...(several ? [cell.method] : []), inWords(cell.point)].filter(Boolean).join(", ") || cell.method;
};

/** "lowest held-out loss 1.234 ± 0.050 (n = 3) at rank 8"; of what is no loss the highest as well; and what is missing. */
function finding(sweep: Sweep, measure: string): string {
  const ranked = sweep.ranked(measure);
  const at = (cell: CellResult) => {
    const of = cell.outcome[measure]!;
    return `${withMargin(of)} (n = ${of.n}) at ${nameOf(sweep, cell)}`;
  };
  const isLoss = measure.endsWith("loss");
  const failed = sweep.cells.reduce((sum, { failures }) => sum + failures.length, 0);
  return [
    ranked.length === 0
      ? `${measure}: no cell is complete`
      : `lowest ${measure} ${at(ranked[0]!)}${isLoss ? "" : `, highest ${at(ranked.at(-1)!)}`}`,
    ...(failed > 0 ? [`${counted(failed, "trial")} failed`] : []),
    ...(sweep.missing > 0 ? [`stopped with ${counted(sweep.missing, "trial")} to go`] : []),
  ].join("; ");
}

/**
 * One measure over the sweep: its means as a heat map over two axes; over one axis, or none but the method, as dots with
 * 95 % intervals. Where there are more than two axes a field holds the lowest mean over the others.
 * @param measure by default the held-out loss, or the training loss where nothing was held out
 * @param axes of the map, x and y: by default the last two on which cells differ
 * @throws for a measure or an axis that the sweep does not have
 */
export function sweepFigure(
  sweep: Sweep,
  measure: string = sweep.criterion,
  { x, y }: { x?: string; y?: string } = {},
): Figure {
  if (sweep.measures.length > 0 && !sweep.measures.includes(measure))
    throw new Error(`map: the sweep has no measure "${measure}": expected ${sweep.measures.join(", ")}.`);
  const all = dimensions(sweep);
  for (const axis of [x, y]) {
    if (axis !== undefined && !all.some((one) => one.axis === axis)) {
      const names = all.map(({ axis }) => axis).join(", ");
      throw new Error(`map: cells do not differ on an axis "${axis}": expected one of ${names || "none"}.`);
    }
  }
  if (all.length < 2) return along(sweep, measure, all[0]?.axis ?? METHOD);
  const across = x ?? all.findLast(({ axis }) => axis !== y)!.axis;
  const down = y ?? all.findLast(({ axis }) => axis !== across)!.axis;
  const of = (axis: string) => all.find((one) => one.axis === axis)!.values;
  const field = (row: string, column: string) =>
    sweep.cells
      .filter((cell) => valueOn(cell, down) === row && valueOn(cell, across) === column)
      .filter(({ outcome }) => outcome[measure])
      .sort((a, b) => a.outcome[measure]!.mean - b.outcome[measure]!.mean)[0];
  const fields = of(down).map((row) => of(across).map((column) => field(row, column)));
  const means = fields.flat().flatMap((cell) => cell?.outcome[measure]?.mean ?? []);
  // One bad cell would leave the others in one colour.
  const isLog = Math.min(...means) > 0 && Math.max(...means) > 10 * Math.min(...means);
  const coloured = (mean: number) => (isLog ? Math.log10(mean) : mean);
  const others = all.filter(({ axis }) => axis !== across && axis !== down).map(({ axis }) => axis);
  const lowest = others.length > 0 ? ` (each field: the lowest over ${others.join(", ")})` : "";
  const rows = tableRows(sweep);
  const best = sweep.ranked(measure)[0];
  const marked = best && {
    row: of(down).indexOf(valueOn(best, down)),
    column: of(across).indexOf(valueOn(best, across)),
  };
  return heatMap(
    {
      title: finding(sweep, measure) + lowest,
      values: fields.map((row) => row.map((cell) => (cell ? coloured(cell.outcome[measure]!.mean) : null))),
      rows: of(down),
      columns: of(across),
      axes: { x: across, y: down, value: isLog ? `log₁₀ ${measure}` : measure },
      notes: fields.map((row) => row.map((cell) => (cell ? note(sweep, cell, measure) : ""))),
      marked,
      ...(means.length > 0 && {
        range: [coloured(Math.min(...means)), coloured(Math.max(...means))] as const,
      }),
    },
    { text: rows.text, html: rows.html },
  );
}

function note(sweep: Sweep, cell: CellResult, measure: string): string {
  const { failures, outcome } = cell;
  return [
    `${nameOf(sweep, cell)}: ${withMargin(outcome[measure]!)} (n = ${outcome[measure]!.n})`,
    ...failures.map(({ seed, reason }) => `seed ${seed} failed: ${reason}`),
  ].join("<br>");
}

/** Means with their intervals against one axis. */
function along(sweep: Sweep, measure: string, axis: string): Figure {
  const known = sweep.cells.filter(({ outcome }) => outcome[measure]);
  const isNumber = axis !== METHOD && known.every(({ point }) => typeof point[axis] === "number");
  const at = (cell: CellResult) => (isNumber ? (cell.point[axis] as number) : valueOn(cell, axis));
  const positive = isNumber && known.every(({ point }) => (point[axis] as number) > 0);
  const values = isNumber ? known.map(({ point }) => point[axis] as number) : [];
  // Ranks and learning rates are chosen by factors.
  const isLog = positive && Math.max(...values) >= 10 * Math.min(...values);
  const of = (cell: CellResult): Statistics => cell.outcome[measure]!;
  const styles = known.map(({ method }) => methodStyle(method));
  const trace: Trace = {
    type: "scatter",
    mode: isNumber ? "lines+markers" : "markers",
    x: known.map(at),
    y: known.map((cell) => digits(of(cell).mean)),
    error_y: {
      type: "data",
      array: known.map((cell) => (of(cell).n > 1 ? digits(of(cell).margin) : 0)),
      thickness: 1,
    },
    text: known.map((cell) => note(sweep, cell, measure)),
    marker: {
      size: 8,
      color: styles.map(({ colour }) => colour),
      symbol: styles.map(({ symbol }) => symbol),
    },
    line: { color: styles[0]?.colour ?? COLOURS[0], width: 1 },
    hovertemplate: "%{text}<extra></extra>",
    showlegend: false,
  };
  const title = finding(sweep, measure);
  const ticks = { tickmode: "array", tickvals: values, ticktext: values.map(short) };
  const rows = tableRows(sweep);
  const line = known.map((cell, i) => ({
    x: isNumber ? (isLog ? Math.log10(at(cell) as number) : (at(cell) as number)) : i,
    y: of(cell).mean,
  }));
  const picture = chart([{ points: line, colour: COLOURS[0]!, dots: true }], title, {
    x: isLog ? `log₁₀ ${axis}` : axis,
    y: measure,
  });
  return new Figure(
    [trace],
    {
      title: { text: title },
      xaxis: {
        title: { text: axis },
        ...(isNumber ? { type: isLog ? "log" : "linear", ...ticks } : { type: "category" }),
      },
      yaxis: { title: { text: measure } },
    },
    {
      text: [title, rows.text].join("\n"),
      html: html`<div class="loralab"><p>${title}</p>${isNumber ? picture : undefined}${rows.html}</div>`,
    },
  );
}

/**
 * All axes and measures at once: each cell is a line that crosses an upright axis for everything that was set and measured,
 * coloured by the criterion. Drag along an axis to see only the lines that pass there.
 */
export function parallelCoordinates(sweep: Sweep): Figure {
  const { criterion } = sweep;
  const measures = wholes(sweep);
  const cells = sweep.cells.filter(({ outcome }) => measures.every((measure) => outcome[measure]));
  const settings = dimensions(sweep).map(({ axis, values }) => ({
    label: axis,
    tickvals: values.map((_, i) => i),
    ticktext: values,
    // The places of values rather than the values: ranks and rates differ by factors.
    values: cells.map((cell) => values.indexOf(valueOn(cell, axis))),
    range: [0, Math.max(1, values.length - 1)],
  }));
  const measured = measures.map((measure) => ({
    label: measure,
    values: cells.map(({ outcome }) => digits(outcome[measure]!.mean)),
  }));
  const title = finding(sweep, criterion);
  const rows = tableRows(sweep);
  return new Figure(
    [
      {
        type: "parcoords",
        dimensions: [...settings, ...measured],
        line: {
          color: cells.map(({ outcome }) => digits(outcome[criterion]!.mean)),
          colorscale: [
            // Mid-tones, thin lines of which are seen on white and on dark.
            [0, "#2f80d0"],
            [0.5, "#808080"],
            [1, "#e0661a"],
          ],
          showscale: true,
          colorbar: { title: { text: criterion }, outlinewidth: 0 },
        },
        // Without Plotly's white halo, which smears on a dark page.
        labelfont: { color: "#808080", shadow: "none" },
        tickfont: { color: "#808080", shadow: "none" },
        rangefont: { color: "#808080", shadow: "none" },
      },
    ],
    {
      title: { text: title, y: 0.98 },
      margin: { l: 80, r: 40, t: 90, b: 32 },
    },
    {
      text: [title, rows.text].join("\n"),
      html: html`<div class="loralab"><p>${title}</p>${rows.html}</div>`,
    },
  );
}

/** The figure of the criterion; what failed, and how to go on, in words below where there is no figure. */
export function sweepBundle(sweep: Sweep): MimeBundle {
  if (sweep.measures.length > 0) return sweepFigure(sweep)[DISPLAY]();
  const rows = tableRows(sweep);
  const title = finding(sweep, sweep.criterion);
  return bundle([title, rows.text].join("\n"), html`<div class="loralab"><p>${title}</p>${rows.html}</div>`);
}

/** All cells, as text and as a table; below it, why trials failed. */
function tableRows(sweep: Sweep): { text: string; html: Html } {
  const axes = dimensions(sweep).map(({ axis }) => axis);
  const measures = wholes(sweep);
  const heads = [...axes, "seeds", ...measures];
  const rows = sweep.cells.map((cell) => [
    ...axes.map((axis) => valueOn(cell, axis)),
    `${cell.runs.length}`,
    ...measures.map((measure) => {
      const of = cell.outcome[measure];
      return of ? withMargin(of) : "–";
    }),
  ]);
  const failed = sweep.cells.flatMap((cell) =>
    cell.failures.map(({ seed, reason }) => `${nameOf(sweep, cell)}, seed ${seed} failed: ${reason}`),
  );
  return {
    text: [columns([heads, ...rows], "r".repeat(heads.length)), ...failed].join("\n"),
    html: html`${table(
      heads.map((head) => ({ head, number: true })),
      rows.map((cells) => ({ cells })),
    )}${failed.map((line) => html`<p>${line}</p>`)}`,
  };
}

/** Five significant digits, as in curves. */
const digits = (x: number): number => Number(x.toPrecision(5));
