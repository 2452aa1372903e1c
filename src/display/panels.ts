/** Heat maps side by side in one figure: matrices that belong together, each on the scale of its own largest value. */
import { short } from "../measure/format";
import { Figure, type Trace } from "./figure";
import { colourAt, digits, SEQUENTIAL, SIGNED } from "./heat-map";
import { type Content, escapeHtml, type Html, html } from "./html";
import { image } from "./picture";

export interface Panel {
  /** Stands above it. */
  name: string;
  /** rows × columns */
  values: readonly (readonly number[])[];
  rows: readonly string[];
  columns: readonly string[];
  axes: { x: string; y: string };
  /** What the darkest colour stands for. */
  largest: number;
}

export interface Panels {
  title: string;
  panels: readonly Panel[];
  /** What the values are. */
  value: string;
  /** Values about zero, of both signs: zero gets the colour in the middle. */
  signed?: boolean;
}

/** Between panels, in parts of the figure's width: room for an axis. */
const GAP = 0.075;
/** A panel as wide as all others may look narrow, but not less than so many parts of the widest. */
const NARROWEST = 0.3;

/** @param below what follows the picture where Plotly is absent */
export function sideBySide(
  { title, panels, value, signed = false }: Panels,
  below?: { text: string; html: Content },
): Figure {
  const places = widths(panels);
  const scale = signed ? SIGNED : SEQUENTIAL;
  const suffix = (i: number) => (i === 0 ? "" : String(i + 1));
  const axes = panels.flatMap(({ axes: { x, y } }, i) => [
    [
      `xaxis${suffix(i)}`,
      {
        title: { text: x },
        domain: places[i],
        anchor: `y${suffix(i)}`,
        showgrid: false,
        type: "category",
        nticks: 6,
      },
    ],
    [
      `yaxis${suffix(i)}`,
      {
        title: { text: y, standoff: 4 },
        anchor: `x${suffix(i)}`,
        showgrid: false,
        autorange: "reversed",
        type: "category",
        nticks: 8,
      },
    ],
  ]);
  const one = panels.every(({ largest }) => largest === panels[0]!.largest);
  const text = [title, ...panels.map(({ name }) => name), below?.text].filter(Boolean).join("\n");
  return new Figure(
    panels.map(
      ({ values, rows, columns, name, largest, axes: { x, y } }, i): Trace => ({
        type: "heatmap",
        name,
        z: values.map((row) => row.map(digits)),
        x: columns,
        y: rows,
        xaxis: `x${suffix(i)}`,
        yaxis: `y${suffix(i)}`,
        zmin: signed ? -largest : 0,
        zmax: largest || 1,
        colorscale: scale,
        // One bar for all: it says what the colours mean, each panel's name how much that is.
        showscale: i === panels.length - 1,
        colorbar: {
          title: { text: value },
          outlinewidth: 0,
          ...(!one && {
            tickvals: signed ? [-largest, 0, largest] : [0, largest],
            ticktext: signed ? ["−largest", "0", "largest"] : ["0", "largest"],
          }),
        },
        hovertemplate: `${y} %{y}, ${x} %{x}<br>${value}: %{z:.4~g}<extra>${escapeHtml(name)}</extra>`,
      }),
    ),
    {
      title: { text: title, y: 0.97, yanchor: "top" },
      margin: { l: 56, r: 16, t: 70, b: 44 },
      annotations: panels.map(({ name }, i) => ({
        text: name,
        x: (places[i]![0] + places[i]![1]) / 2,
        y: 1.02,
        xref: "paper",
        yref: "paper",
        xanchor: "center",
        yanchor: "bottom",
        showarrow: false,
        font: { size: 12 },
      })),
      ...Object.fromEntries(axes),
    },
    {
      text,
      html: html`<div class="loralab"><p>${title}</p>${picture(panels, places, scale, signed, title)}<p>${value}: ${panels
        .map(({ name, largest }) => `${name} from ${short(signed ? -largest : 0)} to ${short(largest)}`)
        .join("; ")}; rows down, columns across.</p>${below?.html}</div>`,
    },
  );
}

/** Where each panel begins and ends, 0 … 1: as wide as its columns ask for, within reason. */
function widths(panels: readonly Panel[]): [number, number][] {
  const widest = Math.max(...panels.map(({ columns }) => columns.length));
  const parts = panels.map(({ columns }) => Math.max(NARROWEST, columns.length / widest));
  const room = 1 - GAP * (panels.length - 1);
  const total = parts.reduce((sum, part) => sum + part, 0);
  let at = 0;
  return parts.map((part) => {
    const from = at;
    at += (room * part) / total + GAP;
    return [from, at - GAP];
  });
}

const WIDTH = 720;
const HEIGHT = 220;
const HEAD = 18;

function picture(
  panels: readonly Panel[],
  places: readonly [number, number][],
  scale: readonly [number, string][],
  signed: boolean,
  alt: string,
): Html {
  const drawn = panels.map(({ name, values, largest }, p) => {
    const [left, right] = places[p]!.map((place) => place * WIDTH) as [number, number];
    const [rows, columns] = [values.length, values[0]?.length ?? 0];
    const [width, height] = [(right - left) / columns, (HEIGHT - HEAD) / rows];
    const cells = values.flatMap((row, i) =>
      row.map((value, j) => {
        const part = largest === 0 ? 0 : value / largest;
        const fill = colourAt(scale, signed ? (part + 1) / 2 : part);
        return `<rect x="${(left + j * width).toFixed(1)}" y="${(HEAD + i * height).toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}" fill="${fill}"/>`;
      }),
    );
    return `<text x="${((left + right) / 2).toFixed(1)}" y="12" text-anchor="middle">${escapeHtml(name)}</text>${cells.join("")}`;
  });
  const source =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" ` +
    `font-family="sans-serif" font-size="11" fill="#808080">${drawn.join("")}</svg>`;
  return image(source, WIDTH, alt);
}
