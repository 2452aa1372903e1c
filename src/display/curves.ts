/** Training curves: the loss against the step, of one run or of several over each other. */
import { isPart } from "../measure/forgetting";
import { nats } from "../measure/format";
import { distinguish } from "../runs/groups";
import { Run, TRAINING } from "../train/run";
import { COLOURS, Figure, type Trace } from "./figure";
import { html } from "./html";
import { type MethodStyle, styleAmong } from "./method-style";
import { chart, type Line } from "./picture";
import { headline, sparkLine } from "./run-words";
import { smooth, thin } from "./series";

/** One run, several, or several with names of one's own. */
export type Runs = Run | readonly Run[] | Readonly<Record<string, Run>>;

/** Points per curve: about what a screen can show, few enough for a notebook's file. */
const POINTS = 1000;
/** The same for the picture that stands in for the figure. */
const PICTURE_POINTS = 320;
/** The line averages over this part of all steps to either side: it does not get smoother while the run goes on. */
const SMOOTHING = 1 / 50;

/** Heights in pixels: of the loss, of each panel below it, and between them. */
const HEIGHT = { loss: 267, panel: 147, gap: 46 };

/**
 * A Plotly figure of the training loss: every step faintly, their moving average as a line, evaluations as dots; learning
 * rate and gradient norm on hover. The objective's metrics get panels below, those that belong together in one, as moving
 * averages with evaluations as dots; measures of the user's own get one panel.
 * @param points at most this many per curve; peaks are kept
 * @param title in place of what the runs came to
 */
export function curves(
  runs: Runs,
  { points = POINTS, title: given }: { points?: number; title?: string } = {},
): Figure {
  const named = name(runs);
  const single = named.length === 1;
  const panels = panelsOf(named.map(([, run]) => run));
  const all = named.map(([, run]) => run);
  const styles = all.map((_, i) => styleAmong(all, i));
  const series = named.map(([label, run], i) => seriesOf(run, label, styles[i], points, single, panels));
  const title = given ?? (single ? headline(named[0][1]) : lowest(named));
  const height = HEIGHT.loss + panels.length * (HEIGHT.gap + HEIGHT.panel);
  const top = (i: number) => (height - HEIGHT.loss - i * (HEIGHT.gap + HEIGHT.panel) - HEIGHT.gap) / height;
  const axes = panels.map(({ title }, i) => [
    `yaxis${i + 2}`,
    { title: { text: title }, domain: [Math.max(0, top(i) - HEIGHT.panel / height), top(i)] },
  ]);
  const layout = {
    title: { text: title },
    xaxis: {
      title: { text: "step" },
      anchor: panels.length > 0 ? `y${panels.length + 1}` : "y",
      // While it runs, the axis shows the whole way.
      ...(single && named[0][1].status === "running" ? { range: [0, named[0][1].settings.steps] } : {}),
    },
    yaxis: {
      title: { text: named.every(([, run]) => isLanguageLoss(run)) ? "loss (nats per token)" : "loss" },
      ...(panels.length > 0 ? { domain: [1 - HEIGHT.loss / height, 1] } : {}),
    },
    ...(panels.length > 0 ? { ...Object.fromEntries(axes), height } : {}),
    legend: { orientation: "h", x: 0, y: panels.length > 1 ? -0.1 : -0.22, yanchor: "top" },
  };
  const traces = series.flatMap((one) => [...one.losses, ...one.below]);
  const each = named.map(([label, run]) =>
    [...(single ? [] : [label]), sparkLine(run), headline(run)].join("\n"),
  );
  const text = [...(given === undefined ? [] : [given]), ...each].join("\n\n");
  const picture = chart(
    series.flatMap((one) => one.lines),
    text,
    { x: "step", y: "loss" },
  );
  const captions = named.map(([label, run], i) =>
    single
      ? html`<p>${headline(run)}</p>`
      : html`<p><span style="color:${styles[i].colour}">●</span> ${label}: ${headline(run)}</p>`,
  );
  return new Figure(traces, layout, {
    text,
    html: html`<div class="loralab">${given === undefined ? "" : html`<p>${given}</p>`}${captions}${picture}</div>`,
  });
}

/** "dora ends lowest: training loss 0.071; highest is full with 0.089"; nothing before two of them have taken steps. */
function lowest(named: readonly [string, Run][]): string {
  const ends = named
    .map(([label, { outcome }]) => ({ label, loss: outcome[TRAINING] }))
    .filter(({ loss }) => Number.isFinite(loss))
    .sort((a, b) => a.loss - b.loss);
  if (ends.length < 2) return "";
  const [best, worst] = [ends[0], ends.at(-1)!];
  return `${best.label} ends lowest: ${TRAINING} ${nats(best.loss)}; highest is ${worst.label} with ${nats(worst.loss)}`;
}

/** What is drawn below the loss, on an axis of its own. */
interface Panel {
  title: string;
  names: readonly string[];
}

/** The panels of the runs' objectives, and one for measures that are in none of them. */
function panelsOf(runs: readonly Run[]): Panel[] {
  const groups = new Map(runs.flatMap((run) => run.panels.map((names) => [names.join(), names])));
  const metrics = [...groups.values()];
  const evaluated = runs.flatMap((run) => run.evaluations.flatMap(({ values }) => Object.keys(values)));
  const measures = [...new Set(evaluated)].filter(
    (name) =>
      name !== "loss" &&
      !isPart(name) &&
      !metrics.some((names) => names.includes(name)) &&
      !isMetric(runs, name),
  );
  return [
    ...metrics.map((names) => ({ title: names.length > 1 ? shared(names) : names[0], names })),
    ...(measures.length > 0 ? [{ title: "measures", names: measures }] : []),
  ];
}

/** Whether the objective measures it at every step; what of that is in no panel is in the table alone. */
const isMetric = (runs: readonly Run[], name: string): boolean =>
  runs.some((run) => name in (run.steps[0]?.metrics ?? {}));

/** "rewards" of rewards/chosen and rewards/rejected; else the first name. */
function shared(names: readonly string[]): string {
  const [first] = names[0].split("/");
  return names.every((name) => name.startsWith(`${first}/`)) ? first : names[0];
}

const isLanguageLoss = ({ settings: { objective = "sft" } }: Run): boolean => objective === "sft";

/** Runs with names: given ones, or else what tells them apart. */
function name(runs: Runs): [string, Run][] {
  if (runs instanceof Run) return [["training", runs]];
  const entries: [string, Run][] = Array.isArray(runs)
    ? distinguish(runs as readonly Run[]).map((name, i) => [name || `run ${i + 1}`, runs[i]])
    : Object.entries(runs as Readonly<Record<string, Run>>);
  if (entries.length === 0) throw new Error("curves: expected a run or several, got none.");
  return entries;
}

interface Series {
  losses: Trace[];
  /** In the panels below. */
  below: Trace[];
  /** The same for the picture. */
  lines: Line[];
}

function seriesOf(
  run: Run,
  label: string,
  { colour, dash, symbol }: MethodStyle,
  points: number,
  single: boolean,
  panels: readonly Panel[],
): Series {
  const { steps, evaluations } = run;
  const means = smooth(run.losses, Math.round(run.settings.steps * SMOOTHING));
  const all = steps.map((step, i) => ({ ...step, mean: means[i] }));
  const raw = thin(all, points, ({ loss }) => loss);
  const line = thin(all, points, ({ mean }) => mean);
  const about = single ? "" : `${label}: `;
  const common = { type: "scatter", ...(single ? {} : { legendgroup: label }) };
  const extra = single ? "<extra></extra>" : "<extra>%{fullData.name}</extra>";
  const hover =
    `step %{x}<br>loss %{customdata[0]:.4f}, mean %{customdata[1]:.4f}<br>learning rate %{customdata[2]:.3~g}` +
    `<br>gradient norm %{customdata[3]:.3~g}${extra}`;

  const losses: Trace[] = [
    {
      ...common,
      name: `${about}each step`,
      mode: "lines",
      x: raw.map(({ step }) => step),
      y: raw.map(({ loss }) => digits(loss)),
      line: { color: colour, width: 1 },
      opacity: 0.4,
      hoverinfo: "skip",
      showlegend: single,
    },
    {
      ...common,
      name: single ? "moving average" : label,
      // A line needs two points: of a single step there would be nothing to see.
      mode: line.length === 1 ? "markers" : "lines",
      x: line.map(({ step }) => step),
      y: line.map(({ mean }) => digits(mean)),
      customdata: line.map(({ loss, mean, learningRate, gradientNorm }) => [
        loss,
        mean,
        learningRate,
        gradientNorm,
      ]),
      line: { color: colour, width: 2, dash },
      hovertemplate: hover,
    },
  ];
  const names = [...new Set(evaluations.flatMap(({ values }) => Object.keys(values)))];
  const evaluated = (measure: string) => evaluations.filter(({ values }) => Number.isFinite(values[measure]));
  const dots = (measure: string, i: number): Trace => ({
    ...common,
    name: `${about}${measure === "loss" ? "held-out" : measure}`,
    mode: "lines+markers",
    x: evaluated(measure).map(({ step }) => step),
    y: evaluated(measure).map(({ values }) => digits(values[measure])),
    marker: { color: colour, size: 7, symbol: measure === "loss" ? symbol : SYMBOLS[i % SYMBOLS.length] },
    line: { color: colour, width: 1, dash: "dot" },
    hovertemplate: `after step %{x}<br>${measure === "loss" ? "held-out loss" : "%{fullData.name}"} %{y:.4~f}<extra></extra>`,
  });
  if (names.includes("loss")) losses.push({ ...dots("loss", 0), showlegend: single });
  const below = panels.flatMap(({ names: together }, p) =>
    together.flatMap((name, i) => {
      const own = { color: single ? COLOURS[i % COLOURS.length] : colour, dash: DASHES[single ? 0 : i % 3] };
      const line = metric(run, name, points, own);
      const held = evaluated(name).length > 0 ? [dots(name, i)] : [];
      return [
        ...line.map((one) => ({ ...common, ...one, name: `${about}${name}` })),
        ...held.map((one) => (line.length > 0 ? { ...one, name: `${one.name}, held-out` } : one)),
      ].map((one) => ({ ...one, yaxis: `y${p + 2}` }));
    }),
  );

  const pictured = (value: (step: (typeof all)[number]) => number) =>
    thin(all, PICTURE_POINTS, value).map((step) => ({ x: step.step, y: value(step) }));
  const lines: Line[] = [
    { points: pictured(({ loss }) => loss), colour, opacity: 0.4 },
    { points: pictured(({ mean }) => mean), colour },
    {
      points: evaluated("loss").map(({ step, values }) => ({ x: step, y: values.loss })),
      colour,
      dots: true,
      opacity: 0.8,
    },
  ];
  return { losses, below, lines };
}

/** The moving average of a metric of the steps; nothing where the run has none of that name. */
function metric(run: Run, name: string, points: number, line: { color: string; dash: string }): Trace[] {
  const known = run.steps.filter(({ metrics }) => Number.isFinite(metrics[name]));
  if (known.length === 0) return [];
  const means = smooth(
    known.map(({ metrics }) => metrics[name]),
    Math.round(run.settings.steps * SMOOTHING),
  );
  const drawn = thin(
    known.map(({ step, metrics }, i) => ({ step, value: metrics[name], mean: means[i] })),
    points,
    ({ mean }) => mean,
  );
  return [
    {
      type: "scatter",
      mode: "lines",
      x: drawn.map(({ step }) => step),
      y: drawn.map(({ mean }) => digits(mean)),
      customdata: drawn.map(({ value }) => digits(value)),
      line: { ...line, width: 2 },
      hovertemplate: "step %{x}<br>%{fullData.name} %{customdata:.4~g}, mean %{y:.4~g}<extra></extra>",
    },
  ];
}

const DASHES = ["solid", "dash", "dot"];
const SYMBOLS = ["square", "diamond", "triangle-up", "cross"];

/** Five significant digits: float32 noise beyond them would double the size of a notebook. */
const digits = (x: number): number => Number(x.toPrecision(5));
