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
  return new Figure(
    series.map(({ name, changes, colour, symbol }) => ({
      type: "scatter",
      mode: "markers",
      name,
      x: changes.map(({ direction }) => Number(direction.toPrecision(4))),
      y: changes.map(({ magnitude }) => Number(magnitude.toPrecision(4))),
      text: changes.map(({ path }) => placeName(path)),
      marker: { color: colour, symbol, size: 8 },
      hovertemplate: "%{text}<br>ΔD %{x}, ΔM %{y}<extra>%{fullData.name}</extra>",
    })),
    {
      title: { text: title },
      xaxis: { title: { text: "ΔD: change in direction of the rows (1 − cos)" }, rangemode: "tozero" },
      yaxis: { title: { text: "ΔM: change in length of the rows" }, rangemode: "tozero" },
      showlegend: true,
      legend: { orientation: "h", x: 0, y: -0.22, yanchor: "top" },
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
