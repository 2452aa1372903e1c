/** How methods change lengths and directions of weights, beside each other: figure 2 of DoRA's paper. */
import { columns, short } from "../measure/format";
import type { Adapted } from "../measure/updates";
import { changeCorrelation, weightChanges } from "../measure/weight-changes";
import { Figure } from "./figure";
import { html } from "./html";
import { methodStyle } from "./method-style";
import { chart } from "./picture";
import { placeName } from "./place";

/**
 * A dot for each changed matrix: how far its rows turned, ΔD, against how much their lengths changed, ΔM (`weightChange`).
 * With LoRA the two rise together; DoRA and full fine-tuning can change one without the other (arXiv:2402.09353).
 * @param models fine-tuned models by name, such as { full, LoRA: student, DoRA: other }, or one
 * @param module only matrices of this kind, such as "q_proj"; the paper has one figure for each
 * @throws for a model without an adapter in use, and where no matrix is of that kind
 */
export function weightChangeMap(
  models: Adapted | Readonly<Record<string, Adapted>>,
  module?: string,
): Figure {
  const named: [string, Adapted][] =
    "weights" in models && models.weights instanceof Map
      ? [[(models as Adapted).adapter?.method ?? "", models as Adapted]]
      : Object.entries(models as Record<string, Adapted>);
  const series = named.map(([name, model]) => {
    const changes = weightChanges(model).filter(({ path }) => !module || path.endsWith(`.${module}`));
    if (changes.length === 0)
      throw new Error(`weightChangeMap: ${name} changes no matrix named ${JSON.stringify(module)}`);
    const { colour, symbol } = methodStyle(model.adapter!.method);
    return { name, changes, together: changeCorrelation(changes), colour, symbol };
  });
  const said = (together: number) =>
    Number.isFinite(together) ? together.toFixed(2).replace("-", "−") : "undefined";
  const title =
    `Correlation of the changes in length and in direction${module ? ` of ${module}` : ""}: ` +
    series.map(({ name, together }) => `${name} ${said(together)}`).join(", ");
  const mean = (list: number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
  const rows = series.map(({ name, changes, together }) => [
    name,
    short(Number(mean(changes.map(({ magnitude }) => magnitude)).toPrecision(3))),
    short(Number(mean(changes.map(({ direction }) => direction)).toPrecision(3))),
    said(together),
  ]);
  // A panel for each, as in the paper: they change weights by different amounts, and it is the slope that tells.
  const gap = 0.08;
  const width = (1 - gap * (series.length - 1)) / series.length;
  const suffix = (i: number) => (i === 0 ? "" : String(i + 1));
  const axes = series.flatMap((_, i) => {
    const from = i * (width + gap);
    const x = { title: { text: "ΔD: 1 − cos" }, rangemode: "tozero", nticks: 5 };
    const y = { ...(i === 0 && { title: { text: "ΔM: change in length" } }), rangemode: "tozero", nticks: 6 };
    return [
      [`xaxis${suffix(i)}`, { ...x, domain: [from, from + width], anchor: `y${suffix(i)}` }],
      [`yaxis${suffix(i)}`, { ...y, anchor: `x${suffix(i)}` }],
    ];
  });
  return new Figure(
    series.map(({ name, changes, colour, symbol }, i) => ({
      type: "scatter",
      mode: "markers",
      name,
      xaxis: `x${suffix(i)}`,
      yaxis: `y${suffix(i)}`,
      x: changes.map(({ direction }) => Number(direction.toPrecision(4))),
      y: changes.map(({ magnitude }) => Number(magnitude.toPrecision(4))),
      text: changes.map(({ path }) => placeName(path)),
      marker: { color: colour, symbol, size: 8 },
      hovertemplate: "%{text}<br>ΔD %{x}, ΔM %{y}<extra>%{fullData.name}</extra>",
    })),
    {
      title: { text: title, y: 0.97, yanchor: "top" },
      ...Object.fromEntries(axes),
      showlegend: false,
      margin: { l: 56, r: 16, t: 70, b: 44 },
      annotations: series.map(({ name, together }, i) => ({
        text: `${name}: ${said(together)}`,
        x: i * (width + gap) + width / 2,
        y: 1.02,
        xref: "paper",
        yref: "paper",
        xanchor: "center",
        yanchor: "bottom",
        showarrow: false,
        font: { size: 12 },
      })),
    },
    {
      text: [title, columns([["", "mean ΔM", "mean ΔD", "correlation"], ...rows], "lrrr")].join("\n"),
      html: html`<div class="loralab"><p>${title}</p>${chart(
        // A line for each dot: nothing joins them.
        series.flatMap(({ changes, colour }) =>
          changes.map(({ direction, magnitude }) => ({
            points: [{ x: direction, y: magnitude }],
            colour,
            dots: true,
          })),
        ),
        title,
        { x: "ΔD", y: "ΔM" },
      )}<p>${series.map(({ name, colour }) => html`<span style="color:${colour}">●</span> ${name} `)}</p></div>`,
    },
  );
}
