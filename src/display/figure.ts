/** Plotly figures: data and layout as plain values. The front end draws them; plotly.js is never part of an output. */
import { DISPLAY, type Displayable, type MimeBundle } from "./bundle";
import { type DataFrame, dataFrame } from "./data-frame";
import { figureTable, toCsv } from "./figure-data";
import type { Html } from "./html";

/** One of Plotly's traces, such as { type: "scatter", x: […], y: […] }. */
export type Trace = Record<string, unknown>;

/**
 * Hues after Okabe & Ito (2008), as light as leaves 3:1 of contrast with white and with JupyterLab's dark grey: blue,
 * orange, green, pink, ochre, grey, violet, red, cyan. The earlier, the further apart for every kind of colour vision.
 */
export const COLOURS = [
  "#2f80d0",
  "#e0661a",
  "#1a9e77",
  "#c06fb0",
  "#a87b00",
  "#808080",
  "#7d5fd6",
  "#c8384a",
  "#0f9bb8",
];

/** Text that stands on a page of unknown colour. */
export const GREY_TEXT = "#797979";

const AXIS = {
  gridcolor: "rgba(128,128,128,0.25)",
  zerolinecolor: "rgba(128,128,128,0.4)",
  automargin: true,
};

/** Characters of a title that a notebook's column shows in one line, and pixels that each further line takes. */
const LINE = { characters: 110, height: 17 };

/** At the left over the axes, where reading begins; long ones in lines of their own. */
function titled(title: unknown, lines: readonly string[]): Record<string, unknown> {
  const own = typeof title === "object" ? title : {};
  return { font: { size: 13 }, x: 0, xanchor: "left", xref: "paper", ...own, text: lines.join("<br>") };
}

/** Broken between words; what is broken already stays as it is. */
function linesOf(title: unknown, characters: number): string[] {
  const text = String((typeof title === "object" ? (title as { text?: unknown } | null)?.text : title) ?? "");
  if (/<br\s*\/?>/.test(text)) return text.split(/<br\s*\/?>/);
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line !== "" && line.length + 1 + word.length > characters) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}

/** Pixels of a character in an axis's title, rather too many than too few. */
const CHARACTER = 8;

/** A title stands clear of the words at its axis, and beside it is no longer than the axis. */
function axis(name: string, given: Record<string, unknown>, axesHeight: number): Record<string, unknown> {
  if (given.title === undefined) return { ...AXIS, ...given };
  const [from, to] = (given.domain as [number, number] | undefined) ?? [0, 1];
  const room = name.startsWith("y") ? (to - from) * axesHeight : Number.POSITIVE_INFINITY;
  const text = linesOf(given.title, room / CHARACTER).join("<br>");
  const own = typeof given.title === "object" ? given.title : {};
  return { ...AXIS, ...given, title: { standoff: 8, ...own, text } };
}

/** Pixels from the axes to a legend below them: past the numbers and the title of the axis. */
const BELOW = 54;

/** A legend below the axes is as far from them in a tall figure as in a low one. */
function placed(legend: Record<string, unknown>, axesHeight: number): Record<string, unknown> {
  const isBelow = legend.orientation === "h" && Number(legend.y) < 0;
  return isBelow ? { ...legend, y: -BELOW / axesHeight, yanchor: "top" } : legend;
}

export class Figure implements Displayable {
  readonly layout: Record<string, unknown>;
  readonly config: Record<string, unknown> = { responsive: true, displaylogo: false };

  /**
   * @param layout on top of the common look; its title and axes (xaxis, yaxis, yaxis2 …) are completed too
   * @param fallback what to show where Plotly is absent
   */
  constructor(
    readonly data: Trace[],
    layout: Record<string, unknown>,
    private readonly fallback: { text: string; html: Html },
  ) {
    const lines = linesOf(layout.title, LINE.characters);
    const more = (lines.length - 1) * LINE.height;
    const height = Number(layout.height ?? 340) + more;
    const margin = { l: 56, r: 16, t: 44 + more, b: 44, ...(layout.margin as object) };
    const legend = layout.legend as Record<string, unknown> | undefined;
    // Axis and legend take about 40 pixels more than the margin at the bottom.
    const axesHeight = Math.max(80, height - margin.t - margin.b - 40);
    const axes = Object.entries({ xaxis: {}, yaxis: {}, ...layout })
      .filter(([name]) => /^[xy]axis\d*$/.test(name))
      .map(([name, given]) => [name, axis(name, given as Record<string, unknown>, axesHeight)]);
    this.layout = {
      // Transparent, on the page as it is. What draws the figure may know the page's colour and give it to the text; else
      // the text has the grey that is furthest from white and from near-black alike (4.3:1).
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: GREY_TEXT, size: 12 },
      colorway: COLOURS,
      hovermode: "closest",
      ...layout,
      title: titled(layout.title, lines),
      margin,
      height,
      ...(legend && { legend: placed(legend, axesHeight) }),
      ...Object.fromEntries(axes),
    };
  }

  /** What is drawn as a danfo DataFrame, a row for each point. */
  get table(): DataFrame {
    const { columns, rows } = figureTable(this);
    return dataFrame(
      rows.map((row) => row.map((cell) => cell ?? Number.NaN)),
      columns,
    );
  }

  /** What is drawn as comma-separated values with a header, for a file. */
  get csv(): string {
    return toCsv(figureTable(this));
  }

  [DISPLAY](): MimeBundle {
    const { data, layout, config, fallback } = this;
    return {
      "application/vnd.plotly.v1+json": { data, layout, config },
      "text/html": fallback.html.source,
      "text/plain": fallback.text,
    };
  }
}
