/**
 * One look for each method of fine-tuning, the same in every figure.
 *
 * Nine colours are all that stay readable on white and on a dark page, and under the colour blindnesses some of these
 * look alike. So colour is never the only sign: methods whose colours anyone could confuse differ in their dashes, and
 * no two have the same marker. What is compared most, LoRA with full fine-tuning and the base, needs no second look.
 */
import type { Adapter } from "../model/adapter";
import { QuantizedWeight } from "../model/quantized";
import type { Run } from "../train/run";
import { COLOURS } from "./figure";

/** How a method is drawn, in Plotly's words. */
export interface MethodStyle {
  /** "#rrggbb", in contrast of 3:1 at least with white and with JupyterLab's dark grey (WCAG 2.2, 1.4.11) */
  colour: string;
  dash: string;
  symbol: string;
}

const [BLUE, ORANGE, GREEN, PINK, OCHRE, GREY, VIOLET, RED, CYAN] = COLOURS;

const STYLES = new Map<string, readonly [colour: string, dash: string, symbol: string]>([
  ["base", [GREY, "solid", "circle-open"]],
  ["full", [ORANGE, "solid", "square"]],
  ["lora", [BLUE, "solid", "circle"]],
  ["dora", [GREEN, "dash", "diamond"]],
  ["qlora", [VIOLET, "dash", "triangle-up"]],
  ["houlsby", [OCHRE, "dash", "bowtie"]],
  ["rslora", [PINK, "dot", "triangle-right"]],
  ["lora+", [RED, "dot", "cross"]],
  ["adalora", [VIOLET, "dot", "triangle-down"]],
  ["pissa", [PINK, "longdash", "star"]],
  ["vera", [VIOLET, "longdash", "x"]],
  ["mixture", [ORANGE, "longdash", "hexagram"]],
  ["olora", [GREEN, "dashdot", "triangle-left"]],
  ["eva", [OCHRE, "dashdot", "pentagon"]],
  ["loftq", [RED, "longdashdot", "hexagon"]],
  ["qalora", [CYAN, "longdashdot", "hourglass"]],
]);

/** For methods of one's own: markers that no method above has. */
const OTHER_SYMBOLS = ["square-open", "diamond-open", "triangle-up-open", "star-open", "pentagon-open"];
const DASHES = ["dot", "dash", "longdash", "dashdot", "longdashdot"];

/** The names that have a style of their own; any other gets one by its letters. */
export const METHODS: readonly string[] = [...STYLES.keys()];

/**
 * The look of a method: the colour, dash and marker that it has in every figure.
 * @param method an adapter's `method`, or a variant: "full", "lora", "rslora", "pissa", "qlora", "base" …; upper and
 *   lower case are the same. A name that is not known always gets the same look, with a marker that no known one has.
 */
export function methodStyle(method: string): MethodStyle {
  const [colour, dash, symbol] = STYLES.get(method.toLowerCase()) ?? styleByName(method.toLowerCase());
  return { colour, dash, symbol };
}

/**
 * The name under which a model's adapter is drawn: its method, or the variant of LoRA that its settings make it
 * ("pissa", "rslora", "lora+", "qlora" on a base in 4 bits); "base" where there is none.
 */
export function methodOf({ adapter, weights }: Drawn): string {
  if (!adapter) return "base";
  const isQuantized = [...weights.values()].some((weight) => weight instanceof QuantizedWeight);
  return variantOf(adapter.method, adapter.settings, isQuantized);
}

/** The same of a run, which has no weights any more. */
export const methodOfRun = ({ origin }: Run): string =>
  variantOf(origin.method, origin.adapter, origin.quantized);

function variantOf(method: string, settings: Adapter["settings"], isQuantized: boolean): string {
  if (method !== "lora") return method;
  if (typeof settings.init === "string") return settings.init;
  if (isQuantized) return "qlora";
  if (settings.rsLoRA) return "rslora";
  return settings.loraPlusRatio === undefined ? "lora" : "lora+";
}

/** What of a model tells its method. */
interface Drawn {
  readonly adapter?: Adapter;
  readonly weights: ReadonlyMap<string, unknown>;
}

/**
 * The look of the i-th of several runs: its method's where each has a method of its own, else one colour after the other,
 * since what differs is not the method.
 */
export function styleAmong(runs: readonly Run[], i: number): MethodStyle {
  const methods = runs.map(methodOfRun);
  if (new Set(methods).size === runs.length && runs.length > 1) return methodStyle(methods[i]!);
  return {
    colour: COLOURS[i % COLOURS.length]!,
    dash: ["solid", "dash", "dot"][Math.floor(i / COLOURS.length) % 3]!,
    symbol: ["circle", "square", "diamond", "triangle-up", "cross"][i % 5]!,
  };
}

function styleByName(name: string): [string, string, string] {
  // Horner's scheme over the letters: the same number for a name in every session.
  const number = [...name].reduce((sum, letter) => (31 * sum + letter.codePointAt(0)!) % 1_000_003, 0);
  const pick = <T>(list: readonly T[], turn: number): T => list[Math.floor(number / turn) % list.length]!;
  return [pick(COLOURS, 1), pick(DASHES, COLOURS.length), pick(OTHER_SYMBOLS, 7)];
}
