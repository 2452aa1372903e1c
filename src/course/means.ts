/**
 * A measurement repeated over seeds, as a figure: the means, each in the interval that holds the mean of very many seeds
 * with 95 % confidence (Student's t), and every single value beside them as a small dot.
 */
import { COLOURS, Figure, type Trace } from "../display/figure";
import { card, html, table } from "../display/html";
import { METHODS, type MethodStyle, methodStyle } from "../display/method-style";
import { columns, short } from "../measure/format";
import { type Statistics, statistics } from "../measure/statistics";

/** For each x the values that were measured there, one per seed. */
export type Repeated<X extends number | string> = ReadonlyMap<X, readonly number[]>;

export interface Means<X extends number | string> {
  /** What the figure shows, as a sentence. */
  title: string;
  /** What the axes are, with the unit: "rank", "answered right, %". */
  x: string;
  y: string;
  /** What is compared, by name. Names in place of numbers on the x axis stand side by side. */
  series: Record<string, Repeated<X>>;
  /** Whether the y axis is logarithmic, for values that differ by factors, as losses do. Default false. */
  logarithmic?: boolean;
}

/** From this ratio of its ends on the x axis is logarithmic. */
const WIDE = 20;

/** Whether numbers above 0, in their order, stand more evenly on a logarithmic axis, as rates do that are doubled each time. */
function isGeometric(numbers: readonly number[]): boolean {
  if (numbers.length < 3) return false;
  const unevenness = (of: (x: number) => number) => {
    const gaps = numbers.slice(1).map((x, i) => of(x) - of(numbers[i]!));
    return Math.max(...gaps) / Math.min(...gaps);
  };
  return unevenness(Math.log) < unevenness((x) => x);
}

const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];

/** A method has its own look in every figure; other names take what the methods beside them leave. */
function stylesOf(names: readonly string[]): MethodStyle[] {
  const own = names.map((name) => (METHODS.includes(name.toLowerCase()) ? methodStyle(name) : undefined));
  const free = (all: readonly string[], key: keyof MethodStyle) =>
    all.filter((value) => !own.some((style) => style?.[key] === value));
  const [colours, symbols, dashes] = [free(COLOURS, "colour"), free(SYMBOLS, "symbol"), free(DASHES, "dash")];
  let next = 0;
  return own.map((style) => {
    if (style) return style;
    const i = next++;
    return {
      colour: colours[i % colours.length]!,
      symbol: symbols[i % symbols.length]!,
      dash: dashes[i % dashes.length]!,
    };
  });
}

/**
 * Ticks of a logarithmic axis, in full (Plotly writes a bare 2 and 5): the sparsest of the usual kinds with three within
 * the range, which are powers of ten, 1 and 2 and 5 times these, all digits; else even steps.
 */
function ticks(low: number, high: number): { tickvals: number[]; ticktext: string[] } {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const powers = Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
  const multiples = (step: number) => {
    const from = Math.floor(low / step) - 1;
    const many = Math.ceil(high / step) + 2 - from;
    return Array.from({ length: many }, (_, i) => (from + i) * step).filter((at) => at > 0);
  };
  const size = 10 ** Math.floor(Math.log10(high - low || low));
  const kinds = [
    ...[[1], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]].map((digits) =>
      powers.flatMap((power) => digits.map((digit) => digit * power)),
    ),
    ...[1, 0.5, 0.2].map((part) => multiples(part * size)),
  ];
  const within = (kind: number[]) => kind.filter((at) => at >= low && at <= high).length;
  const tickvals = kinds.find((kind) => within(kind) >= 3) ?? kinds.at(-1)!;
  return { tickvals, ticktext: tickvals.map(short) };
}

/** How far series at one place stand from each other, and the ends of an axis from what is drawn, in parts of its length. */
const [BESIDE, MARGIN] = [0.007, 0.05];
/** Up to so many places each has its tick. */
const FEW = 7;

/**
 * The x axis of numbers, and where a series is drawn on it: a little beside its place, since series with about the same
 * value would hide each other. A range of its own, for Plotly's reaches to places where nothing is.
 */
function numberAxis(numbers: readonly number[], many: number) {
  const isWide = numbers[0]! > 0 && (numbers.at(-1)! / numbers[0]! >= WIDE || isGeometric(numbers));
  const [to, from] = isWide
    ? [Math.log10, (at: number) => 10 ** at]
    : [(at: number) => at, (at: number) => at];
  const along = numbers.map(to);
  const [low, high] = [along[0]!, along.at(-1)!];
  const span = high - low || Math.abs(low) || 1;
  const gaps = along.slice(1).map((at, i) => at - along[i]!);
  const hasRoom = numbers.length <= FEW && gaps.every((gap) => gap > span / 20);
  const moved = (at: number, i: number) =>
    Number(from(to(at) + (i - (many - 1) / 2) * BESIDE * span).toPrecision(5));
  return {
    moved,
    layout: {
      range: [low - MARGIN * span, high + MARGIN * span],
      ...(isWide && { type: "log" }),
      ...((isWide || hasRoom) && { tickvals: numbers, ticktext: numbers.map(short) }),
    },
  };
}

/**
 * The y axis of values that differ by factors. It holds every single value; an interval may run out of it, for one that
 * reaches down to 0 has no end on it.
 */
function factorAxis(lowest: number, highest: number, highestEnd: number) {
  const top = Math.min(highestEnd, 2 * highest);
  const [low, high] = [Math.log10(lowest), Math.log10(top)];
  const beyond = MARGIN * Math.max(high - low, 0.1);
  return { type: "log", range: [low - beyond, high + beyond], ...ticks(lowest, top) };
}

/** 0.913 ± 0.02, or the mean alone where there is one value. */
const words = ({ mean, margin, n }: Statistics) =>
  n > 1 ? `${short(mean)} ± ${short(margin)}` : short(mean);

/**
 * @example
 * means({
 *   title: "Facts kept, by rank", x: "rank", y: "facts kept, %",
 *   series: { LoRA: new Map([[1, [12, 15, 11]], [16, [80, 84, 79]]]) },
 * })
 * @throws where nothing was measured, for a value that is not a finite number, and for one that is not above 0 on a
 *   logarithmic axis
 */
export function means<X extends number | string>({
  title,
  x,
  y,
  series,
  logarithmic = false,
}: Means<X>): Figure {
  const all = Object.entries(series).map(([name, values]) => ({
    name,
    points: [...values].map(([at, measured]) => ({ at, measured, of: statistics(measured) })),
  }));
  if (!all.some(({ points }) => points.length > 0)) throw new Error("means: nothing was measured.");
  const everything = all.flatMap(({ points }) => points.flatMap(({ measured }) => measured));
  const [lowest, highest] = [Math.min(...everything), Math.max(...everything)];
  if (logarithmic && lowest <= 0)
    throw new Error(`means: a logarithmic axis holds values above 0, got ${lowest}.`);
  const highestEnd = Math.max(
    ...all.flatMap(({ points }) => points.map(({ of }) => of.mean + (of.n > 1 ? of.margin : 0))),
    highest,
  );
  const isPercentage = /%$/.test(y) && lowest >= 0 && highest <= 100;
  const styles = stylesOf(all.map(({ name }) => name));
  // Between names there is nothing that a line could stand for.
  const isNamed = all.every(({ points }) => points.every(({ at }) => typeof at === "string"));
  const met = [...new Set(all.flatMap(({ points }) => points.map(({ at }) => at)))];
  const numbers = met.filter((at) => typeof at === "number").sort((a, b) => a - b);
  const hasNumbers = numbers.length === met.length;
  const axis = hasNumbers ? numberAxis(numbers, all.length) : undefined;
  const data = all.flatMap(({ name, points }, i): Trace[] => {
    const placed = (at: number | string) => (axis ? axis.moved(at as number, i) : at);
    const { colour, dash, symbol } = styles[i]!;
    const line = { color: colour, dash };
    const marker = { color: colour, symbol };
    const margins = points.map(({ of }) => (of.n > 1 ? of.margin : 0));
    const beside = isNamed ? { offsetgroup: String(i) } : {};
    const mode = isNamed ? "markers" : "lines+markers";
    return [
      {
        ...{ type: "scatter", mode, name, line, marker: { ...marker, size: 8 }, ...beside },
        x: points.map(({ at }) => placed(at)),
        y: points.map(({ of }) => of.mean),
        text: points.map(
          ({ at, of }) => `${typeof at === "number" ? `${x} ${short(at)}` : at}: ${words(of)}`,
        ),
        hoverinfo: all.length > 1 ? "text+name" : "text",
        error_y: {
          ...{ type: "data", array: margins, visible: margins.some((margin) => margin > 0) },
          ...(isPercentage && {
            symmetric: false, // no share is below 0 % or above 100
            array: points.map(({ of }, i) => Math.min(margins[i]!, 100 - of.mean)),
            arrayminus: points.map(({ of }, i) => Math.min(margins[i]!, of.mean)),
          }),
        },
      },
      {
        ...{ type: "scatter", mode: "markers", hoverinfo: "skip", showlegend: false, ...beside },
        marker: { ...marker, size: 4, opacity: 0.5 },
        x: points.flatMap(({ at, measured }) => measured.map(() => placed(at))),
        y: points.flatMap(({ measured }) => measured),
      },
    ];
  });
  const places: (number | string)[] = hasNumbers ? numbers : met;
  const rows = places.map((at) => [
    typeof at === "number" ? short(at) : String(at),
    ...all.map(({ points }) => {
      const point = points.find((one) => one.at === at);
      return point ? words(point.of) : "–";
    }),
  ]);
  const counts = all.flatMap(({ points }) => points.map(({ of }) => of.n));
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const seeds = least === most ? `${most}` : `${least} to ${most}`;
  const how = most > 1 ? `Means of ${seeds} seeds with their 95 % intervals` : "One seed";
  const sentence = `${title}. ${how}; ${y}.`;
  const heads = [x, ...all.map(({ name }) => name)];
  return new Figure(
    data,
    {
      title: { text: title, font: { size: 13 }, x: 0, xanchor: "left", xref: "paper" },
      xaxis: {
        title: { text: x },
        ...(isNamed && { type: "category" }),
        ...axis?.layout,
      },
      yaxis: {
        title: { text: y },
        ...(logarithmic
          ? factorAxis(lowest, highest, highestEnd)
          : isPercentage
            ? { range: [-3, 103] }
            : { rangemode: lowest < 0 ? "normal" : "tozero" }), // up to 0 from below, markers at 0 would be cut
      },
      // Of one name, too, series stand side by side.
      ...(isNamed && { scattermode: "group", scattergap: 0.7 }),
      showlegend: all.length > 1,
    },
    {
      text: `${sentence}\n${columns([heads, ...rows], `l${"r".repeat(all.length)}`)}`,
      html: card(
        html`<p>${sentence}</p>`,
        table(
          heads.map((head, i) => ({ head, number: i > 0 })),
          rows.map((cells) => ({ cells })),
        ),
      ),
    },
  );
}
