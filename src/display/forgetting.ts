/**
 * What runs learned and what they forgot by it, as lines with their checkpoints, in words, and as a table: what the curves
 * and the plane are drawn of. Forgetting is what `forgetting()` measured beside training, the mean rise of the source losses
 * over the base's.
 */

import { FORGETTING, isPart, KNOWN } from "../measure/forgetting";
import { columns, nats, percent, short } from "../measure/format";
import { type Statistics, statistics } from "../measure/statistics";
import { inWords } from "../runs/grid";
import { type Group, groups, overlap } from "../runs/groups";
import { type CellResult, Sweep } from "../runs/sweep-result";
import { Run } from "../train/run";
import { styleOf } from "./compare";
import { type Content, html, table } from "./html";
import { methodOfRun, methodStyle } from "./method-style";

export interface ForgettingOptions {
  /** The evaluated value that says what was learned; by default the first measure, or else the held-out loss. */
  learning?: string;
}

/** A point of a plane from elsewhere, such as those of `PEFT_BENCHMARK`. */
export interface PlanePoint {
  name: string;
  method: string;
  learning: number;
  forgetting: number;
}

/** Lines by names of one's own: runs through their checkpoints, or a sweep of one method through its cells. */
export type Lines = Readonly<Record<string, Run | readonly Run[] | Sweep>>;

/** Evaluations of a group at one step; of a sweep those of a cell at its last step. */
interface Checkpoint {
  step: number;
  /** Of a cell: where in the grid it is. */
  setting?: string;
  /** Over the seeds, by name. */
  values: Record<string, Statistics>;
}

export interface Drawn extends Group {
  style: { colour: string; dash: string; symbol: string };
  checkpoints: Checkpoint[];
}

/** The lines of runs, with their checkpoints and looks, and what was learned: the value asked for, or the first there is. */
export function drawnOf(
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

export const isThroughCells = ({ checkpoints }: Drawn): boolean =>
  checkpoints.length > 0 && checkpoints.every(({ setting }) => setting !== undefined);

export function mostLearned({ checkpoints }: Drawn, learning: string): Checkpoint | undefined {
  const sign = lowerIsBetter(learning) ? 1 : -1;
  return checkpoints
    .filter(({ values }) => values[learning] && values[FORGETTING])
    .sort((a, b) => sign * (a.values[learning]!.mean - b.values[learning]!.mean))[0];
}

/** With the number of seeds, where there are several. */
export function counted({ name, checkpoints }: Drawn): string {
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

export const namesOf = (drawn: readonly Drawn[]): string[] => [
  ...new Set(drawn.flatMap(({ checkpoints }) => checkpoints.flatMap(({ values }) => Object.keys(values)))),
];

export const valuesOf = ({ checkpoints }: Pick<Drawn, "checkpoints">, name: string) =>
  checkpoints.flatMap(({ step, values }) => (values[name] ? [{ step, of: values[name] }] : []));

const last = (group: Drawn, name: string): Statistics | undefined => valuesOf(group, name).at(-1)?.of;

export const shown = (name: string): string => name.replace(/^(source|known)\//, "");

/** Losses fall while a model learns; other measures rise. */
export const lowerIsBetter = (learning: string): boolean => /loss|perplexity/i.test(learning);

export const learningTitle = (learning: string): string =>
  learning === "loss" ? "held-out loss (nats per token)" : learning;

/** Error bars, where there is more than one seed. */
export const bars = (margins: readonly number[]) =>
  margins.some(Number.isFinite)
    ? {
        type: "data",
        array: margins.map((x) => (Number.isFinite(x) ? digits(x) : 0)),
        thickness: 1,
        width: 3,
      }
    : undefined;

/** How one run went. */
export function story(group: Drawn, learning: string | undefined): string {
  const forgot = last(group, FORGETTING)!;
  const learned = learning && valuesOf(group, learning);
  const change = learned
    ? `${learning === "loss" ? "held-out loss" : learning} ${short(learned[0]!.of.mean)} → ${short(learned.at(-1)!.of.mean)}, and `
    : "";
  const what = forgot.mean < 0 ? "came closer to its source by" : "forgot";
  return `${change}${what} ${nats(Math.abs(forgot.mean))} nats per token of what the base knew`;
}

/** The one that forgot least beside the one that forgot most: what it forgot less, and whether it learned less for it. */
export function finding(drawn: readonly Drawn[], learning: string | undefined): string {
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

export function fallback(
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
export const digits = (x: number): number => Number(x.toPrecision(4));
