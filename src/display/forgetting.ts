/**
 * What runs learned and what they forgot by it: both against the step, and against each other. The plane is that of "LoRA
 * Learns Less and Forgets Less" (Biderman et al., arXiv:2405.09673): a line for each method, a dot for each checkpoint.
 *
 * Forgetting is what `forgetting()` measured beside training, the mean rise of the source losses over the base's.
 */

import { FORGETTING, isPart, KNOWN, SOURCE } from "../measure/forgetting";
import { columns, nats, percent, short } from "../measure/format";
import { type Statistics, statistics } from "../measure/statistics";
import { inWords } from "../runs/grid";
import { type Group, groups, type Named, overlap } from "../runs/groups";
import { type CellResult, Sweep } from "../runs/sweep-result";
import { Run } from "../train/run";
import { styleOf } from "./compare";
import { COLOURS, Figure, type Trace } from "./figure";
import { type Content, html, table } from "./html";
import { methodOfRun, methodStyle } from "./method-style";
import { chart } from "./picture";

export interface ForgettingOptions {
  /** The evaluated value that says what was learned; by default the first measure, or else the held-out loss. */
  learning?: string;
}

/** Of a second and a third point of one method. */
const OTHER_SYMBOLS = ["square", "diamond", "triangle-up"];

/** A point of a plane from elsewhere, such as those of `PEFT_BENCHMARK`. */
export interface PlanePoint {
  name: string;
  method: string;
  learning: number;
  forgetting: number;
}

/** Lines by names of one's own: runs through their checkpoints, or a sweep of one method through its cells. */
type Lines = Readonly<Record<string, Run | readonly Run[] | Sweep>>;

/** Evaluations of a group at one step; of a sweep those of a cell at its last step. */
interface Checkpoint {
  step: number;
  /** Of a cell: where in the grid it is. */
  setting?: string;
  /** Over the seeds, by name. */
  values: Record<string, Statistics>;
}

interface Drawn extends Group {
  style: { colour: string; dash: string; symbol: string };
  checkpoints: Checkpoint[];
}

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
  const { drawn, learning } = read("forgettingCurves", runs, options);
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
      title: titled(title),
      xaxis: { title: { text: "step" }, anchor: panels.length > 1 ? `y${panels.length}` : "y" },
      ...Object.fromEntries(axes),
      margin: { l: 56, r: 16, t: 56, b: 44 },
      height: 130 + 150 * panels.length,
      legend: { orientation: "h", x: 0, y: -0.14, yanchor: "top" },
    },
    fallback(title, drawn, learning, chart(lines, title, { x: "step", y: "forgetting (nats per token)" })),
  );
}

/**
 * What was learned against what was forgotten: a dot for each checkpoint, a line for each method or setting, in the
 * method's colour, from the base (open) on; upper left is best. Runs that differ in their seed alone are one line, with
 * 95 % intervals in both directions. A sweep is a line through its cells, such as its learning rates, at the end of their
 * runs, with a larger dot where it learned most: methods can be compared there, and where they learned as much.
 * @param options.beside points from elsewhere, drawn open: `PEFT_BENCHMARK` for "what the paper found, what you found".
 *   They share the axes and not the model, the data or the probes. With no runs, {}, they are drawn alone
 * @throws for runs without evaluations of `forgetting()` or of anything learned
 */
export function forgettingPlane(
  runs: Run | readonly Run[] | Sweep | Lines,
  { beside = [], ...options }: ForgettingOptions & { beside?: readonly PlanePoint[] } = {},
): Figure {
  const isEmpty = !(runs instanceof Run) && !(runs instanceof Sweep) && Object.keys(runs).length === 0;
  const { drawn, learning } =
    isEmpty && beside.length > 0
      ? { drawn: [], learning: options.learning ?? "learned" }
      : read("forgettingPlane", runs, options);
  if (!learning) {
    throw new Error(
      "forgettingPlane: nothing that was learned has been evaluated; give train held-out data or a measure: " +
        "evaluate: { every: 20, data: heldOut, measures: forgetting() }.",
    );
  }
  const title =
    drawn.length === 0
      ? extremes(beside, learning)
      : drawn.every(isThroughCells)
        ? bests(drawn, learning)
        : drawn.length === 1
          ? story(drawn[0]!, learning)
          : finding(drawn, learning);
  const pairs = drawn.map((group) =>
    group.checkpoints
      .map(({ step, setting = `after step ${step}`, values }) => ({
        ...{ step, at: setting },
        ...{ x: values[FORGETTING], y: values[learning] },
      }))
      .filter((point): point is Dot => !!point.x && !!point.y),
  );
  const traces = drawn.map((group, i): Trace => {
    const { colour, dash, symbol } = group.style;
    const points = pairs[i]!;
    const best = isThroughCells(group) ? mostLearned(group, learning) : undefined;
    return {
      type: "scatter",
      mode: "lines+markers",
      name: counted(group),
      x: points.map(({ x }) => digits(x.mean)),
      y: points.map(({ y }) => digits(y.mean)),
      error_x: bars(points.map(({ x }) => x.margin)),
      error_y: bars(points.map(({ y }) => y.margin)),
      customdata: points.map(({ at }) => at),
      line: { color: colour, width: 2, dash },
      marker: {
        color: colour,
        size: points.map(({ at }) => (at === best?.setting ? 15 : 9)),
        symbol: points.map(({ step }) => (step === 0 ? opened(symbol) : symbol)),
      },
      hovertemplate: `%{fullData.name}<br>%{customdata}: ${learning} %{y:.4~g}, forgetting %{x:.4~g}<extra></extra>`,
    };
  });
  const others = beside.map(({ name, method, learning: y, forgetting: x }, i): Trace => {
    const { colour, symbol: first } = methodStyle(method);
    const before = beside.slice(0, i).filter((one) => one.method === method).length;
    const symbol = before === 0 ? first : OTHER_SYMBOLS[(before - 1) % OTHER_SYMBOLS.length];
    return {
      type: "scatter",
      mode: "markers",
      name,
      x: [x],
      y: [y],
      marker: { color: "rgba(0,0,0,0)", size: 10, symbol, line: { color: colour, width: 1.5 } },
      hovertemplate: `${name}: %{y:.4~g}, forgetting %{x:.4~g}<extra></extra>`,
    };
  });
  const lines = [
    ...drawn.map((group, i) => ({
      points: pairs[i]!.map(({ x, y }) => ({ x: x.mean, y: y.mean })),
      colour: group.style.colour,
      dots: true,
    })),
    ...beside.map(({ method, learning: y, forgetting: x }) => ({
      points: [{ x, y }],
      colour: methodStyle(method).colour,
      dots: true,
      opacity: 0.6,
    })),
  ];
  const picture = chart(lines, title, { x: "forgetting (nats per token)", y: learning });
  return new Figure(
    [...traces, ...others],
    {
      title: titled(title),
      xaxis: { title: { text: "forgetting: rise of the source loss (nats per token)" } },
      yaxis: {
        title: { text: learningTitle(learning) },
        ...(lowerIsBetter(learning) ? { autorange: "reversed" } : {}),
      },
      margin: { l: 56, r: 16, t: 56, b: 44 },
      // Rows of the legend, three names each, must not cost the plot its height.
      height: 380 + 22 * Math.ceil((drawn.length + beside.length) / 3),
      legend: { orientation: "h", x: 0, y: -0.26, yanchor: "top" },
    },
    fallback(title, drawn, learning, picture, beside),
  );
}

function read(
  who: string,
  runs: Run | readonly Run[] | Sweep | Lines,
  { learning }: ForgettingOptions,
): { drawn: Drawn[]; learning?: string } {
  const all = linesOf(runs).filter(({ runs }) => runs.length > 0);
  const drawn = all.map((group, i) => ({
    ...group,
    style: styleOf(all, i),
    checkpoints: group.cells ? group.cells.flatMap(endOf) : checkpointsOf(group),
  }));
  const names = namesOf(drawn);
  const without = drawn.find((group) => valuesOf(group, FORGETTING).length === 0);
  if (drawn.length === 0 || without) {
    throw new Error(
      `${who}: ${without ? `"${without.name}"` : "no run"} has evaluations of forgetting; let train measure it: ` +
        "evaluate: { every: 20, measures: forgetting() }.",
    );
  }
  if (learning !== undefined && !names.includes(learning)) {
    throw new Error(`${who}: "${learning}" was not evaluated; evaluated were ${names.join(", ")}.`);
  }
  const learned = names.filter((name) => name !== FORGETTING && !isPart(name));
  return { drawn, learning: learning ?? learned.find((name) => name !== "loss") ?? learned[0] };
}

function linesOf(runs: Run | readonly Run[] | Sweep | Lines): (Group & { cells?: readonly CellResult[] })[] {
  if (runs instanceof Run) return groups({ [methodOfRun(runs)]: runs });
  if (Array.isArray(runs)) return groups(runs as readonly Run[]);
  const through = (name: string, cells: readonly CellResult[]) => {
    const failed = cells.reduce((sum, { failures }) => sum + failures.length, 0);
    return { name, cells, failed, runs: cells.flatMap((cell) => cell.runs) };
  };
  if (runs instanceof Sweep) {
    const methods = [...new Set(runs.cells.map(({ method }) => method))];
    return methods.map((name) =>
      through(
        name,
        runs.cells.filter(({ method }) => method === name),
      ),
    );
  }
  return Object.entries(runs as Lines).flatMap(([name, some]) =>
    some instanceof Sweep ? [through(name, some.cells)] : groups({ [name]: some }),
  );
}

/** A cell of a sweep as a point: what its runs came to at their end. */
function endOf({ point, runs }: CellResult): Checkpoint[] {
  const last = runs.length > 0 ? checkpointsOf({ runs }).at(-1) : undefined;
  return last ? [{ ...last, setting: inWords(point) }] : [];
}

const isThroughCells = ({ checkpoints }: Drawn): boolean =>
  checkpoints.length > 0 && checkpoints.every(({ setting }) => setting !== undefined);

function mostLearned({ checkpoints }: Drawn, learning: string): Checkpoint | undefined {
  const sign = lowerIsBetter(learning) ? 1 : -1;
  return checkpoints
    .filter(({ values }) => values[learning] && values[FORGETTING])
    .sort((a, b) => sign * (a.values[learning]!.mean - b.values[learning]!.mean))[0];
}

/** With the number of seeds, where there are several. */
function counted({ name, checkpoints }: Drawn): string {
  const most = Math.max(...checkpoints.map(({ values }) => values[FORGETTING]?.n ?? 1));
  return most > 1 ? `${name} (n = ${most})` : name;
}

/** What all runs of a group evaluated, at the steps that all reached. */
function checkpointsOf({ runs }: Pick<Group, "runs">): Checkpoint[] {
  return runs[0]!.evaluations.flatMap(({ step, values }) => {
    const all = runs.map((run) => run.evaluations.find((one) => one.step === step)?.values);
    if (!all.every((one) => one !== undefined)) return [];
    const kept = Object.keys(values).filter((name) => all.every((one) => Number.isFinite(one[name])));
    return [
      {
        step,
        values: Object.fromEntries(kept.map((name) => [name, statistics(all.map((one) => one[name]!))])),
      },
    ];
  });
}

const namesOf = (drawn: readonly Drawn[]): string[] => [
  ...new Set(drawn.flatMap(({ checkpoints }) => checkpoints.flatMap(({ values }) => Object.keys(values)))),
];

const valuesOf = ({ checkpoints }: Pick<Drawn, "checkpoints">, name: string) =>
  checkpoints.flatMap(({ step, values }) => (values[name] ? [{ step, of: values[name] }] : []));

const last = (group: Drawn, name: string): Statistics | undefined => valuesOf(group, name).at(-1)?.of;

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

const shown = (name: string): string => name.replace(/^(source|known)\//, "");

const opened = (symbol: string): string => (symbol.endsWith("-open") ? symbol : `${symbol}-open`);

/** Losses fall while a model learns; other measures rise. */
const lowerIsBetter = (learning: string): boolean => /loss|perplexity/i.test(learning);

const learningTitle = (learning: string): string =>
  learning === "loss" ? "held-out loss (nats per token)" : learning;

const titled = (text: string) => ({ text });

/** A point of the plane. */
interface Dot {
  step: number;
  at: string;
  x: Statistics;
  y: Statistics;
}

/** Error bars, where there is more than one seed. */
const bars = (margins: readonly number[]) =>
  margins.some(Number.isFinite)
    ? {
        type: "data",
        array: margins.map((x) => (Number.isFinite(x) ? digits(x) : 0)),
        thickness: 1,
        width: 3,
      }
    : undefined;

/** How one run went. */
function story(group: Drawn, learning: string | undefined): string {
  const forgot = last(group, FORGETTING)!;
  const learned = learning && valuesOf(group, learning);
  const change = learned
    ? `${learning === "loss" ? "held-out loss" : learning} ${short(learned[0]!.of.mean)} → ${short(learned.at(-1)!.of.mean)}, and `
    : "";
  const what = forgot.mean < 0 ? "came closer to its source by" : "forgot";
  return `${change}${what} ${nats(Math.abs(forgot.mean))} nats per token of what the base knew`;
}

/** Of points alone: the one that learned most, and the one that forgot least. */
function extremes(points: readonly PlanePoint[], learning: string): string {
  const sign = lowerIsBetter(learning) ? 1 : -1;
  const [most] = [...points].sort((a, b) => sign * (a.learning - b.learning));
  const [least] = [...points].sort((a, b) => a.forgetting - b.forgetting);
  const numbers = (of: PlanePoint) =>
    `(${learning} ${short(of.learning)}, forgetting ${short(of.forgetting)})`;
  return `${most!.name} learned most ${numbers(most!)}; ${least!.name} forgot least ${numbers(least!)}`;
}

/** Each line where it learned most. */
function bests(drawn: readonly Drawn[], learning: string): string {
  const each = drawn.map((line) => {
    const values = mostLearned(line, learning)?.values;
    const [learned, forgot] = [values?.[learning], values?.[FORGETTING]];
    return `${line.name} ${learned ? short(learned.mean) : "–"} (forgot ${forgot ? nats(forgot.mean) : "–"})`;
  });
  return `Where each learned most (large dots), by ${learning}: ${each.join(", ")}`;
}

/** The one that forgot least beside the one that forgot most: what it forgot less, and whether it learned less for it. */
function finding(drawn: readonly Drawn[], learning: string | undefined): string {
  const sorted = [...drawn].sort((a, b) => last(a, FORGETTING)!.mean - last(b, FORGETTING)!.mean);
  const [least, most] = [sorted[0]!, sorted.at(-1)!];
  const [forgotLeast, forgotMost] = [last(least, FORGETTING)!, last(most, FORGETTING)!];
  const difference = `${nats(forgotMost.mean - forgotLeast.mean)} nats per token`;
  const forgot = overlap(forgotLeast, forgotMost)
    ? `${least.name} and ${most.name} forgot the same as far as their seeds tell`
    : `${least.name} forgot ${difference} less than ${most.name}`;
  const [a, b] = learning ? [last(least, learning), last(most, learning)] : [];
  if (!learning || !a || !b) return forgot;
  const numbers = `(${learning} ${short(a.mean)} against ${short(b.mean)})`;
  const isBetter = lowerIsBetter(learning) ? a.mean < b.mean : a.mean > b.mean;
  const learned = overlap(a, b) || a.mean === b.mean ? "as much" : isBetter ? "more" : "less";
  return `${forgot} and learned ${learned} ${numbers}`;
}

/** Evaluations' part of the time of a group's runs. */
function share({ runs }: Group): number {
  const measuring = runs.reduce(
    (sum, { evaluations }) => sum + evaluations.reduce((ms, { milliseconds }) => ms + milliseconds, 0),
    0,
  );
  const training = 1000 * runs.reduce((sum, { seconds }) => sum + seconds, 0);
  return measuring === 0 ? 0 : measuring / (measuring + training);
}

function fallback(
  title: string,
  drawn: readonly Drawn[],
  learning: string | undefined,
  picture: Content,
  beside: readonly PlanePoint[] = [],
) {
  const known = namesOf(drawn).filter((name) => name.startsWith(KNOWN));
  const cell = (of: Statistics | undefined, say: (x: number) => string) =>
    of === undefined ? "" : of.n > 1 ? `${say(of.mean)} ± ${say(of.margin)}` : say(of.mean);
  const heads = [
    "",
    ...(learning ? [learning] : []),
    "forgetting",
    ...known.map(shown),
    ...(drawn.length > 0 ? ["time for evaluating"] : []),
  ];
  // A row for where each line ends, and of a sweep for each of its cells.
  const ends = drawn.flatMap((group) =>
    isThroughCells(group)
      ? group.checkpoints.map((one) => ({
          ...group,
          name: `${group.name}, ${one.setting}`,
          checkpoints: [one],
        }))
      : [group],
  );
  const rows = [
    ...ends.map((group) => [
      counted(group),
      ...(learning ? [cell(last(group, learning), short)] : []),
      cell(last(group, FORGETTING), short),
      ...known.map((name) => cell(last(group, name), (x) => percent(Number(x.toFixed(3))))),
      percent(Number(share(group).toFixed(3))),
    ]),
    ...beside.map(({ name, learning: y, forgetting: x }) => [
      name,
      ...(learning ? [short(y)] : []),
      short(x),
      ...known.map(() => ""),
      ...(drawn.length > 0 ? [""] : []),
    ]),
  ];
  const colours = [
    ...ends.map(({ style }) => style.colour),
    ...beside.map(({ method }) => methodStyle(method).colour),
  ];
  const body = table(
    heads.map((head, i) => ({ head, number: i > 0 })),
    rows.map(([name, ...rest], i) => ({
      cells: [html`<span style="color:${colours[i]}">●</span> ${name}`, ...rest],
    })),
  );
  return {
    text: [title, columns([heads, ...rows], `l${"r".repeat(heads.length - 1)}`)].join("\n"),
    html: html`<div class="loralab"><p>${title}</p>${picture}${body}</div>`,
  };
}

/** Four significant digits: seeds differ in the third. */
const digits = (x: number): number => Number(x.toPrecision(4));
