/**
 * What runs learned against what they forgot by it. The plane is that of "LoRA Learns Less and Forgets Less" (Biderman et
 * al., arXiv:2405.09673): a line for each method, a dot for each checkpoint.
 */

import { FORGETTING } from "../measure/forgetting";
import { nats, short } from "../measure/format";
import type { Statistics } from "../measure/statistics";
import { Sweep } from "../runs/sweep-result";
import { Run } from "../train/run";
import { Figure, type Trace } from "./figure";
import {
  bars,
  counted,
  type Drawn,
  digits,
  drawnOf,
  type ForgettingOptions,
  fallback,
  finding,
  isThroughCells,
  type Lines,
  learningTitle,
  lowerIsBetter,
  mostLearned,
  type PlanePoint,
  story,
} from "./forgetting";
import { methodStyle } from "./method-style";
import { chart } from "./picture";

/** Of a second and a third point of one method. */
const OTHER_SYMBOLS = ["square", "diamond", "triangle-up"];

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
      : drawnOf("forgettingPlane", runs, options);
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
      title: { text: title },
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

const opened = (symbol: string): string => (symbol.endsWith("-open") ? symbol : `${symbol}-open`);

/** A point of the plane. */
interface Dot {
  step: number;
  at: string;
  x: Statistics;
  y: Statistics;
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
