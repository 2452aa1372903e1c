/**
 * Explorations as people see them: the curve over all positions with the present one marked, and what the model says
 * there. Where the kernel offers `interact` they come with their sliders; what these show is ordinary output, so the saved
 * notebook has it too.
 */

import type { Exploration, Position } from "../measure/exploration";
import type { BlendExploration } from "../measure/explore";
import type { Switches } from "../measure/variants";
import { bundle, DISPLAY, type Displayable, type MimeBundle } from "./bundle";
import { explorationFigure, tableOf } from "./explore-figures";
import { card, html, table } from "./html";
import { type Control, sliders, type Widgets } from "./interaction";

/** With its sliders in a notebook that has them; elsewhere the figure and the samples at the start. */
export function explorationBundle(exploration: Exploration): MimeBundle {
  const isLive = sliders(
    (widgets) => controlsOf(exploration, widgets),
    async function* (values) {
      const value = positionOf(exploration, values);
      await exploration.lossesAt(value);
      yield explorationFigure(exploration, value);
      const position = await exploration.at(value);
      if (position.samples) yield samplesOf(exploration, position);
    },
  );
  const start = exploration.found(exploration.start)!;
  const rows = tableOf(exploration);
  // The live outputs stand above: what is left to show is what they are drawn of.
  if (isLive)
    return bundle(rows.text, card(html`<details><summary>All positions</summary>${rows.html}</details>`));
  const figure = explorationFigure(exploration, start.value)[DISPLAY]();
  if (!start.samples) return figure;
  const samples = samplesOf(exploration, start)[DISPLAY]();
  return {
    ...figure,
    "text/html": `${figure["text/html"]}${samples["text/html"]}`,
    "text/plain": `${figure["text/plain"]}\n\n${samples["text/plain"]}`,
  };
}

function samplesOf(exploration: Exploration, here: Position<unknown>): Displayable {
  const { none, all } = exploration;
  const places: [string, Position<unknown>][] = [
    ["the base", none],
    [exploration.label(here.value), here],
    [exploration.kind === "blend" ? "the plain sum" : "all of ΔW", all],
  ];
  const rows = here.samples!.map(({ prompt }, i) => [
    prompt,
    ...places.map(([, { samples }]) => samples?.[i]?.text.trim() ?? ""),
  ]);
  const heads = ["prompt", ...places.map(([name]) => name)];
  const text = rows
    .map(([prompt, ...texts]) =>
      [prompt, ...texts.map((said, i) => `  ${places[i]![0]}: ${said}`)].join("\n"),
    )
    .join("\n");
  return {
    [DISPLAY]: () =>
      bundle(
        text,
        card(
          table(
            heads.map((head) => ({ head })),
            rows.map((cells) => ({ cells: cells.map((cell) => html`<span class="text">${cell}</span>`) })),
          ),
        ),
      ),
  };
}

function controlsOf(exploration: Exploration, widgets: Widgets): Record<string, Control> {
  const { kind, all, positions, start } = exploration;
  const description = { descriptionWidth: "initial" };
  if (kind === "rank") {
    const max = all.value as number;
    return {
      rank: new widgets.IntSlider({
        description: "rank",
        min: 0,
        max,
        value: start as number,
        style: description,
      }),
    };
  }
  if (kind === "scale") {
    const values = positions.map(({ value }) => value as number);
    const [min, max] = [values[0]!, values.at(-1)!];
    return {
      factor: new widgets.FloatSlider({
        description: "factor of ΔW",
        min,
        max,
        step: 0.05,
        value: start as number,
        style: description,
      }),
    };
  }
  if (kind === "blend") {
    const { names, withoutCrossTerms } = exploration as BlendExploration;
    const slider = (name: string) =>
      new widgets.FloatSlider({
        description: name,
        min: 0,
        max: 1.5,
        step: 0.25,
        value: 1,
        style: description,
      });
    return {
      one: slider(names[0]),
      other: slider(names[1]),
      ...(!withoutCrossTerms && {
        crossTerms: new widgets.Checkbox({ description: "with cross-terms", value: false }),
      }),
    };
  }
  const { modules, layers } = all.value as Required<Switches>;
  const boxes = modules.map((name) => [
    name,
    new widgets.Checkbox({ description: name, value: true, indent: false }),
  ]);
  if (layers.length < 2) return Object.fromEntries(boxes);
  const [min, max] = [layers[0]!, layers.at(-1)!];
  const range = new widgets.IntRangeSlider({
    description: "layers",
    min,
    max,
    value: [min, max],
    style: description,
  });
  return { ...Object.fromEntries(boxes), layers: range };
}

/** The position that the controls stand for. */
function positionOf({ kind, all }: Exploration, values: Record<string, any>): unknown {
  if (kind === "rank") return values.rank;
  if (kind === "scale") return Number(values.factor.toPrecision(6)); // 0.9 and not 0.8999999
  if (kind === "blend")
    return { weights: [values.one, values.other], crossTerms: values.crossTerms ?? false };
  const { modules, layers } = all.value as Required<Switches>;
  const [from, to] = values.layers ?? [-Infinity, Infinity];
  return {
    modules: modules.filter((name) => values[name]),
    layers: layers.filter((layer) => layer >= from && layer <= to),
  };
}
