/** What an adapter changed, where, and in how many directions. */
import { columns as aligned, percent, short } from "../measure/format";
import { energy, type Spectra } from "../measure/spectra";
import { COLOURS, Figure } from "./figure";
import { heatMap } from "./heat-map";
import { html, table } from "./html";
import { chart } from "./picture";
import { byPlace, placeName, placeOf } from "./place";

const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** ‖ΔW‖/‖W‖ by layer and module. */
export function changeMap(spectra: Spectra): Figure {
  const { all, mostChanged } = spectra;
  const {
    rows: layers,
    modules,
    values,
    groups,
  } = byPlace(all.map((one) => ({ ...one, value: one.relativeNorm })));
  const notes = new Map(
    all.map(({ path, norm, effectiveRank, rank90 }) => {
      const { layer, module } = placeOf(path);
      const words = `‖ΔW‖ ${short(norm)}, effective rank ${short(effectiveRank)}, 90 % in ${rank90}`;
      return [`${layer} ${module}`, words];
    }),
  );
  const most = mostChanged[0];
  const title = !most
    ? "Nothing is changed"
    : most.norm === 0
      ? "No matrix has changed yet: ΔW = 0 everywhere"
      : `${placeName(most.path)} changed most, by ${percent(most.relativeNorm)} of its norm`;
  const rows = [...groups].map(([module, spectra]) => [
    module,
    percent(mean(spectra.map(({ relativeNorm }) => relativeNorm))),
    short(mean(spectra.map(({ effectiveRank }) => effectiveRank))),
    short(mean(spectra.map(({ rank90 }) => rank90))),
  ]);
  const heads = ["module", "‖ΔW‖/‖W‖", "effective rank", "directions for 90 %"];
  return heatMap(
    {
      title,
      values: values.map((row) => row.map((x) => (x === null ? null : 100 * x))),
      rows: layers,
      columns: modules,
      axes: { x: "module", y: "layer", value: "‖ΔW‖/‖W‖ (%)" },
      notes: layers.map((layer) => modules.map((module) => notes.get(`${layer} ${module}`) ?? "")),
    },
    {
      text: aligned([heads, ...rows], "lrrr"),
      html: table(
        heads.map((head, i) => ({ head, number: i > 0 })),
        rows.map((cells) => ({ cells })),
      ),
    },
  );
}

/** Curves that lie on one another stay apart. */
const DASHES = ["solid", "dash", "dot", "dashdot"];

/** How much of ‖ΔW‖² the k largest directions hold, on average over the modules of a kind. */
export function energyCurves({ all }: Spectra): Figure {
  const changed = all.filter(({ norm }) => norm > 0).map((one) => ({ ...one, value: one.norm }));
  const { groups } = byPlace(changed);
  const series = [...groups].map(([module, spectra]) => {
    const length = Math.max(...spectra.map(({ values }) => values.length));
    const curves = spectra.map(({ values }) => energy(values));
    return { module, held: Array.from({ length }, (_, k) => mean(curves.map((curve) => curve[k] ?? 1))) };
  });
  const needed = mean(all.filter(({ norm }) => norm > 0).map(({ rank90 }) => rank90));
  const sizes = all.map(({ values }) => values.length);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const title =
    series.length === 0
      ? "No matrix has changed yet: ΔW = 0 everywhere"
      : `90 % of the change lies in ${short(Number(needed.toFixed(1)))} directions of ${least < most ? "up to " : ""}${most} on average`;
  return new Figure(
    series.map(({ module, held }, i) => ({
      type: "scatter",
      mode: most <= 16 ? "lines+markers" : "lines",
      name: module,
      x: held.map((_, k) => k + 1),
      y: held.map((part) => Number((100 * part).toPrecision(4))),
      line: { color: COLOURS[i % COLOURS.length], dash: DASHES[i % DASHES.length] },
      hovertemplate: `${module}: %{x} directions hold %{y:.3~g} %<extra></extra>`,
    })),
    {
      title: { text: title },
      xaxis: { title: { text: "directions kept, the strongest first" }, ...(most <= 16 && { dtick: 1 }) },
      yaxis: { title: { text: "energy held (%)" }, range: [0, 103] },
    },
    {
      text: [
        title,
        aligned(
          series.map(({ module, held }) => [module, ...held.slice(0, 8).map((part) => percent(part))]),
          `l${"r".repeat(8)}`,
        ),
      ].join("\n"),
      html: html`<div class="loralab"><p>${title}</p>${chart(
        series.map(({ held }, i) => ({
          points: held.map((part, k) => ({ x: k + 1, y: 100 * part })),
          colour: COLOURS[i % COLOURS.length]!,
          dots: true,
        })),
        title,
        { x: "directions kept", y: "energy held (%)" },
      )}<p>${series.map(({ module }, i) => html`<span style="color:${COLOURS[i % COLOURS.length]}">●</span> ${module} `)}</p></div>`,
    },
  );
}
