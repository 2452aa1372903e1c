/** What runs learned and what they forgot by it, both against the step. */

import { FORGETTING, KNOWN, SOURCE } from "../measure/forgetting";
import type { Named } from "../runs/groups";
import type { Run } from "../train/run";
import { COLOURS, Figure, type Trace } from "./figure";
import {
  bars,
  type Drawn,
  digits,
  drawnOf,
  type ForgettingOptions,
  fallback,
  finding,
  learningTitle,
  namesOf,
  shown,
  story,
  valuesOf,
} from "./forgetting";
import { chart } from "./picture";

/**
 * Learning and forgetting against the step, in one figure: the rise of the source losses (of a single run by domain),
 * what was learned, and which part of the known sentences is still completed. Runs that differ in their seed alone are one
 * line, their mean with its 95 % interval.
 * @throws for runs without evaluations of `forgetting()`, and for a value that was not evaluated
 */
export function forgettingCurves(
  runs: Run | readonly Run[] | Named,
  options: ForgettingOptions = {},
): Figure {
  const { drawn, learning } = drawnOf("forgettingCurves", runs, options);
  const single = drawn.length === 1;
  const known = namesOf(drawn).filter((name) => name.startsWith(KNOWN));
  const title = drawn.length === 1 ? story(drawn[0]!, learning) : finding(drawn, learning);
  const panels = [
    { title: "forgetting (nats per token)", names: [FORGETTING] },
    ...(learning ? [{ title: learningTitle(learning), names: [learning] }] : []),
    ...(known.length > 0 ? [{ title: "still known (%)", names: known }] : []),
  ];
  const traces = panels.flatMap(({ names }, p) =>
    drawn.flatMap((group) => [
      ...(p === 0 && single ? domains(group) : []),
      ...names.map((name, i): Trace => {
        const points = valuesOf(group, name);
        const scale = name.startsWith(KNOWN) ? 100 : 1;
        const colour = single && p > 0 ? COLOURS[(i + p) % COLOURS.length]! : group.style.colour;
        return {
          type: "scatter",
          mode: "lines+markers",
          name: single ? shown(name) : p === 0 ? group.name : `${group.name}: ${shown(name)}`,
          ...(single ? {} : { legendgroup: group.name, showlegend: p === 0 }),
          x: points.map(({ step }) => step),
          y: points.map(({ of }) => digits(scale * of.mean)),
          error_y: bars(points.map(({ of }) => scale * of.margin)),
          line: { color: colour, width: 2, dash: i === 0 ? group.style.dash : "dot" },
          marker: { color: colour, size: 7, symbol: group.style.symbol },
          hovertemplate: `after step %{x}<br>${single ? "" : `${group.name}<br>`}${shown(name)} %{y:.4~g}<extra></extra>`,
          yaxis: p > 0 ? `y${p + 1}` : "y",
        };
      }),
    ]),
  );
  const gap = 0.09;
  const height = (1 - gap * (panels.length - 1)) / panels.length;
  const axes = panels.map(({ title }, p) => {
    const top = 1 - p * (height + gap);
    return [
      `yaxis${p === 0 ? "" : p + 1}`,
      { title: { text: title }, domain: [Math.max(0, top - height), top] },
    ];
  });
  const lines = drawn.map((group) => ({
    points: valuesOf(group, FORGETTING).map(({ step, of }) => ({ x: step, y: of.mean })),
    colour: group.style.colour,
    dots: true,
  }));
  return new Figure(
    traces,
    {
      title: { text: title },
      xaxis: { title: { text: "step" }, anchor: panels.length > 1 ? `y${panels.length}` : "y" },
      ...Object.fromEntries(axes),
      margin: { l: 56, r: 16, t: 56, b: 44 },
      height: 130 + 150 * panels.length,
      legend: { orientation: "h", x: 0, y: -0.14, yanchor: "top" },
    },
    fallback(title, drawn, learning, chart(lines, title, { x: "step", y: "forgetting (nats per token)" })),
  );
}

/** The rise of each domain's loss, where the first evaluation was of the base. */
function domains(group: Drawn): Trace[] {
  const names = namesOf([group]).filter((name) => name.startsWith(SOURCE));
  if (names.length < 2 || Math.abs(valuesOf(group, FORGETTING)[0]!.of.mean) > 1e-3) return [];
  return names.map((name, i) => {
    const points = valuesOf(group, name);
    const colour = COLOURS[(i + 6) % COLOURS.length];
    return {
      type: "scatter",
      mode: "lines",
      name: `forgetting of ${shown(name)}`,
      x: points.map(({ step }) => step),
      y: points.map(({ of }) => digits(of.mean - points[0]!.of.mean)),
      customdata: points.map(({ of }) => digits(of.mean)),
      line: { color: colour, width: 1.5, dash: "dot" },
      hovertemplate: `after step %{x}<br>${shown(name)}: %{y:+.4~g}, a loss of %{customdata}<extra></extra>`,
    };
  });
}
