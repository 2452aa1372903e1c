/** Intruder dimensions against ε, never without what chance gives. */

import { columns, counted, percent, short } from "../measure/format";
import type { IntruderReport } from "../measure/intruders";
import { COLOURS, Figure } from "./figure";
import { html } from "./html";
import { chart } from "./picture";

const STEPS = 51;

export function intruderFigure(report: IntruderReport): Figure {
  const { epsilon, k, looked } = report;
  const places = Array.from({ length: STEPS }, (_, i) => i / (STEPS - 1));
  const at = places.map((place) => (place === 0 ? undefined : report.at(place)));
  const series = [
    { name: "this adapter", counts: at.map((r) => r?.count ?? 0), colour: COLOURS[1]!, dash: "solid" },
    {
      name: "same size, random directions",
      counts: at.map((r) => r?.controlCount ?? 0),
      colour: COLOURS[0]!,
      dash: "dash",
    },
    {
      name: "random directions alone",
      counts: at.map((r) => Number((r?.randomCount ?? 0).toFixed(2))),
      colour: COLOURS[5]!,
      dash: "dot",
    },
  ];
  const title =
    `${counted(report.count, "intruder")} among ${looked} directions at ε = ${short(epsilon)}; ` +
    `${report.controlCount} when a change of the same size is random; ${percent(report.randomCount / looked)} of random directions pass`;
  const rows = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8].map((place) => {
    const r = report.at(place);
    return [short(place), String(r.count), String(r.controlCount), short(Number(r.randomCount.toFixed(1)))];
  });
  return new Figure(
    series.map(({ name, counts, colour, dash }) => ({
      type: "scatter",
      mode: "lines",
      name,
      x: places,
      y: counts,
      line: { color: colour, dash, width: 2 },
      hovertemplate: `${name}: %{y} of ${looked} below %{x:.2f}<extra></extra>`,
    })),
    {
      title: { text: title, font: { size: 13 }, x: 0, xanchor: "left", xref: "paper" },
      xaxis: {
        title: { text: "ε: an intruder's largest |cos| with the weight's own directions is below it" },
        range: [0, 1],
      },
      yaxis: { title: { text: `directions below ε (k = ${k})` }, rangemode: "tozero" },
      shapes: [
        {
          type: "line",
          x0: epsilon,
          x1: epsilon,
          yref: "paper",
          y0: 0,
          y1: 1,
          line: { color: "#808080", width: 1, dash: "dot" },
        },
      ],
      legend: { orientation: "h", x: 0, y: -0.25, yanchor: "top" },
    },
    {
      text: [title, columns([["ε", "this adapter", "same size", "random"], ...rows], "rrrr")].join("\n"),
      html: html`<div class="loralab"><p>${title}</p>${chart(
        series.map(({ counts, colour }) => ({
          points: places.map((x, i) => ({ x, y: counts[i]! })),
          colour,
        })),
        title,
        { x: "ε", y: "directions below ε" },
      )}<p>${series.map(({ name, colour }) => html`<span style="color:${colour}">●</span> ${name} `)}</p></div>`,
    },
  );
}
