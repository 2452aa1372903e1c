/**
 * Runs over each other: one line for each experiment, the mean over its seeds, in a band that holds the mean of very many
 * seeds with 95 % confidence. A single seed gets a line without a band: nothing is known of how it would vary.
 */

import { isPart } from "../measure/forgetting";
import { columns, counted, nats, short } from "../measure/format";
import { type Statistics, statistics } from "../measure/statistics";
import { type Group, groups, type Named, outcome, overlap } from "../runs/groups";
import { HELD_OUT, type Run, TRAINING } from "../train/run";
import { Figure, type Trace } from "./figure";
import { html, table } from "./html";
import { type MethodStyle, styleAmong } from "./method-style";
import { chart, type Line } from "./picture";
import { smooth, thin } from "./series";

const POINTS = 400;
/** As in the curves of a single run. */
const SMOOTHING = 1 / 50;
const HEIGHT = { loss: 300, panel: 150, gap: 46 };

/** A mean with its interval, at a step. */
interface Point {
  step: number;
  of: Statistics;
}

interface Drawn extends Group {
  style: MethodStyle;
  label: string;
  training: Point[];
  /** By name of what was evaluated; "loss" for held-out data. */
  evaluated: Map<string, Point[]>;
}

/**
 * Overlaid curves of several runs, live or from the store. Runs that differ in their seed alone are one group: its mean
 * as a line, its 95 % interval (Student's t) as a band, their number in the legend. Below the loss, a panel for each
 * measure that was evaluated. The title says which group ends lowest, and from which others the intervals keep it apart.
 * @param runs a list, such as `loadRuns()`, grouped by what the runs were of; or groups by names of your own:
 *   { "rank 8": [a, b, c], full: [d, e, f] }
 * @throws for no runs, and where no run has taken a step
 */
export function compare(runs: readonly Run[] | Named): Figure {
  const all = groups(runs);
  const kept = all.filter(({ runs }) => runs.length > 0);
  if (kept.length === 0) throw new Error("compare: none of the runs has taken a step without failing.");
  const drawn = kept.map((group, i) => draw(group, styleOf(kept, i)));
  const evaluated = drawn.flatMap(({ evaluated }) => [...evaluated.keys()]);
  const names = [...new Set(evaluated)].filter((name) => !isPart(name));
  const panels = names.filter((name) => name !== "loss");
  const height = HEIGHT.loss + panels.length * (HEIGHT.gap + HEIGHT.panel);
  const top = (i: number) => (height - HEIGHT.loss - i * (HEIGHT.gap + HEIGHT.panel) - HEIGHT.gap) / height;
  const title = finding(kept);
  const isSft = kept.every(({ runs }) =>
    runs.every(({ settings: { objective = "sft" } }) => objective === "sft"),
  );
  const layout = {
    title: { text: title },
    height: height + 80,
    xaxis: { title: { text: "step" }, anchor: panels.length > 0 ? `y${panels.length + 1}` : "y" },
    yaxis: {
      title: { text: isSft ? "loss (nats per token)" : "loss" },
      domain: [1 - HEIGHT.loss / height, 1],
    },
    ...Object.fromEntries(
      panels.map((name, i) => [
        `yaxis${i + 2}`,
        { title: { text: name }, domain: [Math.max(0, top(i) - HEIGHT.panel / height), top(i)] },
      ]),
    ),
    legend: { orientation: "h", x: 0, y: panels.length > 1 ? -0.1 : -0.22, yanchor: "top" },
  };
  const traces = drawn.flatMap((one) => [
    ...band(one),
    line(one),
    ...names.flatMap((name) => dots(one, name, name === "loss" ? "y" : `y${panels.indexOf(name) + 2}`)),
  ]);
  const results = resultRows(all);
  const align = `l${"r".repeat(results[0]!.length - 1)}`;
  const [heads, ...rows] = results;
  const text = [title, columns(results, align)].join("\n");
  const picture = chart(drawn.flatMap(pictured), title, { x: "step", y: "loss" });
  const colourOf = new Map(drawn.map(({ name, style }) => [name, style.colour]));
  const cells = rows.map(([name, ...rest]) => ({
    cells: [html`<span style="color:${colourOf.get(name!) ?? "inherit"}">●</span> ${name}`, ...rest],
  }));
  const summary = table(
    heads!.map((head, i) => ({ head, number: i > 0 })),
    cells,
  );
  return new Figure(traces, layout, {
    text,
    html: html`<div class="loralab"><p>${title}</p>${picture}${summary}</div>`,
  });
}

/** As a group's runs have the same method, the first of them stands for it. */
export const styleOf = (all: readonly Group[], i: number): MethodStyle =>
  styleAmong(
    all.map(({ runs }) => runs[0]!),
    i,
  );

function draw(group: Group, style: Drawn["style"]): Drawn {
  const { runs, name } = group;
  const smoothed = runs.map((run) => smooth(run.losses, Math.round(run.settings.steps * SMOOTHING)));
  // As far as all of them have come: further on, the mean would be of others.
  const reached = Math.min(...smoothed.map((losses) => losses.length));
  const training = Array.from({ length: reached }, (_, i) => ({
    step: runs[0]!.steps[i]!.step,
    of: statistics(smoothed.map((losses) => losses[i]!)),
  }));
  const evaluated = new Map<string, Point[]>();
  for (const { step } of runs[0]!.evaluations) {
    const values = runs.map((run) => run.evaluations.find((one) => one.step === step)?.values ?? {});
    for (const measure of Object.keys(values[0]!)) {
      const numbers = values.map((one) => one[measure]!);
      if (!numbers.every(Number.isFinite)) continue;
      evaluated.set(measure, [...(evaluated.get(measure) ?? []), { step, of: statistics(numbers) }]);
    }
  }
  return { ...group, style, label: `${name} (n = ${runs.length})`, training, evaluated };
}

/** Edges of the interval as two lines without ink, the space between filled. */
function band({ training, style, name }: Drawn): Trace[] {
  const known = thin(training, POINTS, ({ of }) => of.mean).filter(({ of }) => of.n > 1);
  if (known.length === 0) return [];
  const edge = (side: 0 | 1): Trace => ({
    type: "scatter",
    mode: "lines",
    name: `${name}, ${side ? "upper" : "lower"} end of the 95 % interval`,
    legendgroup: name,
    showlegend: false,
    hoverinfo: "skip",
    x: known.map(({ step }) => step),
    y: known.map(({ of }) => digits(of.interval[side])),
    line: { width: 0, color: style.colour },
    ...(side && { fill: "tonexty", fillcolor: `${style.colour}33` }),
  });
  return [edge(0), edge(1)];
}

function line({ training, style, name, label }: Drawn): Trace {
  const shown = thin(training, POINTS, ({ of }) => of.mean);
  return {
    type: "scatter",
    mode: "lines",
    name: label,
    legendgroup: name,
    x: shown.map(({ step }) => step),
    y: shown.map(({ of }) => digits(of.mean)),
    customdata: shown.map(({ of }) => (of.n > 1 ? digits(of.margin) : "unknown")),
    line: { color: style.colour, dash: style.dash, width: 2 },
    hovertemplate: `step %{x}<br>training loss %{y:.4~f} ± %{customdata}<extra>${label}</extra>`,
  };
}

function dots({ evaluated, style, name, label }: Drawn, measure: string, yaxis: string): Trace[] {
  const points = evaluated.get(measure);
  if (!points) return [];
  const said = measure === "loss" ? HELD_OUT : measure;
  return [
    {
      type: "scatter",
      mode: "lines+markers",
      name: `${name}: ${said}`,
      legendgroup: name,
      showlegend: false,
      yaxis,
      x: points.map(({ step }) => step),
      y: points.map(({ of }) => digits(of.mean)),
      ...(points[0]!.of.n > 1 && {
        error_y: { type: "data", array: points.map(({ of }) => digits(of.margin)), thickness: 1, width: 3 },
      }),
      marker: { color: style.colour, symbol: style.symbol, size: 7 },
      line: { color: style.colour, width: 1, dash: "dot" },
      hovertemplate: `after step %{x}<br>${said} %{y:.4~f}<extra>${label}</extra>`,
    },
  ];
}

function pictured({ training, evaluated, style }: Drawn): Line[] {
  const { colour } = style;
  const shown = thin(training, POINTS, ({ of }) => of.mean);
  const along = (value: (of: Statistics) => number) =>
    shown.map(({ step, of }) => ({ x: step, y: value(of) }));
  const held = (evaluated.get("loss") ?? []).map(({ step, of }) => ({ x: step, y: of.mean }));
  const edges = [0, 1].map((side) => ({ points: along((of) => of.interval[side]!), colour, opacity: 0.35 }));
  return [
    { points: along((of) => of.mean), colour },
    ...(shown[0] && shown[0].of.n > 1 ? edges : []),
    { points: held, colour, dots: true, opacity: 0.8 },
  ];
}

/** What runs are ranked by: the held-out loss where all have one. */
const criterion = (all: readonly Group[]): string =>
  all.every((group) => outcome(group, HELD_OUT)) ? HELD_OUT : TRAINING;

/** "rank 8 ends lowest: held-out loss 1.234 ± 0.050 (n = 3); apart from rank 1, not from rank 64". */
function finding(all: readonly Group[]): string {
  const by = criterion(all);
  const ends = all.map((group) => ({ name: group.name, of: outcome(group, by)! }));
  const [best, ...others] = ends.sort((a, b) => a.of.mean - b.of.mean);
  const reached = `${by} ${withMargin(best!.of)} (n = ${best!.of.n})`;
  if (others.length === 0) return `${best!.name}: ${reached}`;
  const apart = others.filter(({ of }) => overlap(best!.of, of) === false).map(({ name }) => name);
  const close = others.filter(({ of }) => overlap(best!.of, of) === true).map(({ name }) => name);
  const unknown = others.length - apart.length - close.length;
  return [
    `${best!.name} ends lowest: ${reached}`,
    ...(apart.length > 0 ? [`apart from ${some(apart)}`] : []),
    ...(close.length > 0 ? [`intervals overlap with ${some(close)}`] : []),
    ...(unknown > 0 ? ["a single seed has no interval"] : []),
  ].join("; ");
}

const some = (names: readonly string[]): string =>
  names.length > 2 ? `${names.length} others` : names.join(" and ");

/** "1.234 ± 0.050"; of a single value "1.234". */
export const withMargin = ({ n, mean, margin }: Statistics): string =>
  n > 1 ? `${nats(mean)} ± ${short(margin)}` : nats(mean);

/** A head and a row for each group: what it came to, with intervals. */
function resultRows(all: readonly Group[]): string[][] {
  const names = [...new Set(all.flatMap(({ runs }) => runs.flatMap((run) => Object.keys(run.outcome))))];
  return [
    ["", "seeds", ...names],
    ...all.map((group) => [
      group.name,
      group.failed > 0
        ? `${group.runs.length} (${counted(group.failed, "run")} failed)`
        : `${group.runs.length}`,
      ...names.map((name) => {
        const known = outcome(group, name);
        return known ? withMargin(known) : "–";
      }),
    ]),
  ];
}

/** As in the curves of a single run. */
const digits = (x: number): number => Number(x.toPrecision(5));
