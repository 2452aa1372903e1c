/**
 * Intruder dimensions, never without what chance gives: against ε, by layer and module, direction by direction, and over
 * training. In a notebook with sliders ε and k can be moved.
 */

import { columns, counted, percent, short } from "../measure/format";
import { type Cosines, INTRUDER_MEASURES, type IntruderReport } from "../measure/intruders";
import { findPath } from "../measure/updates";
import type { Run } from "../train/run";
import { DISPLAY, type MimeBundle } from "./bundle";
import { COLOURS, Figure } from "./figure";
import { heatMap } from "./heat-map";
import { html, table } from "./html";
import { sliders } from "./interaction";
import { type Panel, sideBySide } from "./panels";
import { chart } from "./picture";
import { byPlace, placeName, placeOf } from "./place";

const STEPS = 51;

/** What each of the three is called and drawn as. */
const LOOKS = {
  adapter: { name: "this model", colour: COLOURS[1]!, dash: "solid" },
  control: { name: "same size, random directions", colour: COLOURS[0]!, dash: "dash" },
  random: { name: "random directions alone", colour: COLOURS[5]!, dash: "dot" },
} as const;

export function intruderFigure(report: IntruderReport): Figure {
  const { epsilon, k, looked } = report;
  const places = Array.from({ length: STEPS }, (_, i) => i / (STEPS - 1));
  const at = places.map((place) => (place === 0 ? undefined : report.at(place)));
  const series = [
    { ...LOOKS.adapter, counts: at.map((r) => r?.count ?? 0) },
    { ...LOOKS.control, counts: at.map((r) => r?.controlCount ?? 0) },
    { ...LOOKS.random, counts: at.map((r) => Number((r?.randomCount ?? 0).toFixed(2))) },
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
      title: { text: title },
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
      text: [title, columns([["ε", "this model", "same size", "random"], ...rows], "rrrr")].join("\n"),
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

/** How many intruders each matrix has, by layer and module; on hover and in the table with both comparisons. */
export function intruderMap(report: IntruderReport): Figure {
  const { epsilon, k, looked } = report;
  const each = report.each.map((one) => ({ ...one, value: one.count }));
  const { rows, modules, values, groups } = byPlace(each);
  const most = [...each].sort((p, q) => q.count - p.count)[0];
  const title = !most?.count
    ? `No intruders at ε = ${short(epsilon)} among ${looked} directions`
    : `Most intruders in ${placeName(most.path)}: ${most.count} of ${most.looked}; ${report.count} of ${looked} in all ` +
      `(${report.controlCount} at random, ε = ${short(epsilon)})`;
  const heads = ["module", "this model", "same size", "random"];
  const total = (list: number[]) => String(Number(list.reduce((sum, x) => sum + x, 0).toFixed(1)));
  const body = [...groups].map(([module, of]) => [
    module,
    total(of.map(({ count }) => count)),
    total(of.map(({ controlCount }) => controlCount)),
    total(of.map(({ randomCount }) => randomCount)),
  ]);
  const notes = new Map(
    each.map(({ path, controlCount, randomCount }) => {
      const { layer, module } = placeOf(path);
      return [
        `${layer} ${module}`,
        `same size at random: ${controlCount}; random: ${short(Number(randomCount.toFixed(1)))}`,
      ];
    }),
  );
  return heatMap(
    {
      title,
      values,
      rows,
      columns: modules,
      axes: { x: "module", y: "layer", value: `intruders (of ${k})` },
      notes: rows.map((layer) => modules.map((module) => notes.get(`${layer} ${module}`) ?? "")),
      range: [0, k],
    },
    {
      text: columns([heads, ...body], "lrrr"),
      html: table(
        heads.map((head, i) => ({ head, number: i > 0 })),
        body.map((cells) => ({ cells })),
      ),
    },
  );
}

/**
 * |cos| of the directions of a fine-tuned weight with those that it had: where nothing changed a diagonal, an intruder is a
 * row without dark cells. Beside it the same of an update of the same size in random directions.
 * @param path of a module, or the end of one; by default the one with most intruders
 */
export function similarityMap(report: IntruderReport, path?: string): Figure {
  const most = [...report.each].sort((p, q) => q.count - p.count)[0];
  const one = findPath(report.all, path ?? most?.path ?? "");
  const shown = Math.min(report.k, one.cosines.length);
  const across = Math.min(2 * report.k, one.cosines[0]!.length);
  const numbered = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));
  const panel = (name: string, cosines: Cosines): Panel => ({
    name,
    values: cosines.slice(0, shown).map((row) => [...row.subarray(0, across)]),
    rows: numbered(shown),
    columns: numbered(across),
    axes: { x: "direction before", y: "direction after" },
    largest: 1,
  });
  const intruders = report.each.find(({ path }) => path === one.path)!.count;
  return sideBySide({
    title:
      `${placeName(one.path)}: ${counted(intruders, "intruder")} among the ${shown} strongest directions after ` +
      `fine-tuning (ε = ${short(report.epsilon)})`,
    value: "|cos|",
    panels: [panel(LOOKS.adapter.name, one.cosines), panel(LOOKS.control.name, one.controlCosines)],
  });
}

/**
 * Intruders over training, of a run with `evaluate: { every: …, measures: intruderMeasures() }`.
 * @throws for a run without them
 */
export function intruderCurve(run: Run): Figure {
  const at = run.evaluations.filter(({ values }) => INTRUDER_MEASURES.adapter in values);
  if (at.length === 0) {
    throw new Error(
      "intruderCurve: the run has no counts of intruders; train(model, { …, evaluate: { every: 25, measures: intruderMeasures() } })",
    );
  }
  const kinds = ["adapter", "control", "random"] as const;
  const series = kinds.map((kind) => ({
    ...LOOKS[kind],
    points: at.map(({ step, values }) => ({ x: step, y: values[INTRUDER_MEASURES[kind]]! })),
  }));
  const [first, last] = [at[0]!, at.at(-1)!];
  const of = ({ values }: typeof last, kind: (typeof kinds)[number]) => values[INTRUDER_MEASURES[kind]]!;
  const title =
    `From ${counted(of(first, "adapter"), "intruder")} at step ${first.step} to ${of(last, "adapter")} at step ${last.step}; ` +
    `${of(last, "control")} when a change of the same size is random, ${short(of(last, "random"))} of random directions alone`;
  const rows = at.map((one) => [
    String(one.step),
    ...kinds.map((kind) => short(Number(of(one, kind).toFixed(1)))),
  ]);
  return new Figure(
    series.map(({ name, colour, dash, points }, i) => ({
      type: "scatter",
      mode: "lines+markers",
      name,
      // Nearly all random directions are intruders: on one axis with them the other two would lie on its bottom.
      ...(kinds[i] === "random" && { visible: "legendonly" }),
      x: points.map(({ x }) => x),
      y: points.map(({ y }) => Number(y.toFixed(2))),
      line: { color: colour, dash, width: 2 },
      hovertemplate: `${name}: %{y} after step %{x}<extra></extra>`,
    })),
    {
      title: { text: title.replace("; ", ";<br>") },
      margin: { l: 56, r: 16, t: 64, b: 44 },
      xaxis: { title: { text: "step" } },
      yaxis: { title: { text: "intruders in all matrices" }, rangemode: "tozero" },
      legend: { orientation: "h", x: 0, y: -0.25, yanchor: "top" },
    },
    {
      text: [title, columns([["step", ...kinds.map((kind) => LOOKS[kind].name)], ...rows], "rrrr")].join(
        "\n",
      ),
      html: html`<div class="loralab"><p>${title}</p>${chart(
        series.map(({ points, colour }) => ({ points, colour, dots: true })),
        title,
        { x: "step", y: "intruders" },
      )}<p>${series.map(({ name, colour }) => html`<span style="color:${colour}">●</span> ${name} `)}</p></div>`,
    },
  );
}

/** With sliders for ε and k where the notebook has them; elsewhere both figures as they stand. */
export function intruderBundle(report: IntruderReport): MimeBundle {
  const { epsilon, k, mostDirections } = report;
  const isLive = sliders(
    ({ FloatSlider, IntSlider }) => ({
      epsilon: new FloatSlider({ value: epsilon, min: 0.05, max: 1, step: 0.05, description: "ε" }),
      k: new IntSlider({ value: k, min: 1, max: Math.max(k, mostDirections), description: "k" }),
    }),
    async function* ({ epsilon, k }) {
      const chosen = report.at(epsilon, k);
      yield intruderFigure(chosen);
      yield intruderMap(chosen);
    },
  );
  const [figure, map] = [intruderFigure(report)[DISPLAY](), intruderMap(report)[DISPLAY]()];
  if (isLive) return { "text/plain": figure["text/plain"].split("\n")[0]!, "text/html": "" };
  return {
    ...figure,
    "text/html": `${figure["text/html"]}${map["text/html"]}`,
    "text/plain": `${figure["text/plain"]}\n\n${map["text/plain"]}`,
  };
}
