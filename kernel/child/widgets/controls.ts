/** The widgets whose behaviour is more than their state. */
import { inspect, isDeepStrictEqual } from "node:util";
import { Capture, type Captured, captured } from "../capture";
import type { Comms } from "../comms";
import type { Model, State } from "./models";
import { openWidgets, Widget } from "./widget";

/** A number between two ends. */
export class Bounded extends Widget {
  protected override fit(state: State): State {
    const [min, max] = ends(this.model, state);
    return { ...state, value: Math.min(Math.max(state.value as number, min), max) };
  }
}

/** Two numbers between two ends; at first a quarter of the way from them. */
export class BoundedRange extends Widget {
  constructor(comms: Comms, model: Model, options: State = {}) {
    const { min, max } = { ...model.state, ...options } as { min: number; max: number };
    const round = model.integers ? Math.trunc : (x: number) => x;
    const value = [round(0.75 * min + 0.25 * max), round(0.25 * min + 0.75 * max)];
    super(comms, model, { value, ...options });
  }

  protected override fit(state: State): State {
    const [min, max] = ends(this.model, state);
    const [lower, upper] = state.value as [number, number];
    if (lower > upper)
      throw new RangeError(`${this.model.name}.value should be [lower, upper], got ${inspect(state.value)}`);
    const clamp = (value: number) => Math.min(Math.max(value, min), max);
    return { ...state, value: [clamp(lower), clamp(upper)] };
  }
}

function ends({ name }: Model, { min, max, base }: State): [number, number] {
  const [from, to] = [min as number, max as number];
  if (from > to) throw new RangeError(`${name}: min should be at most max, got min ${from} and max ${to}`);
  // a logarithmic slider's ends are exponents
  return typeof base === "number" ? [base ** from, base ** to] : [from, to];
}

export type Options = readonly unknown[] | Readonly<Record<string, unknown>>;

/** One of several options, each with a label; the front end knows the labels alone. */
export class Dropdown extends Widget {
  private values: readonly unknown[];
  /** The value that listeners know of. */
  private toldValue: unknown;

  constructor(comms: Comms, model: Model, { options = [], value, ...others }: State = {}) {
    const { labels, values } = labelled(options as Options);
    const index = value === undefined ? (values.length ? 0 : null) : indexOf(values, labels, value);
    super(comms, model, { ...others, _options_labels: labels, index });
    this.values = values;
    this.toldValue = this.value;
  }

  get value(): unknown {
    const { index } = this.state as { index: number | null };
    return index === null ? null : this.values[index];
  }

  set value(value: unknown) {
    this.set({ index: indexOf(this.values, this.state._options_labels as string[], value) });
  }

  get options(): Record<string, unknown> {
    const labels = this.state._options_labels as string[];
    return Object.fromEntries(labels.map((label, i) => [label, this.values[i]]));
  }

  /** The option that was chosen stays so if it is among the new ones. */
  set options(options: Options) {
    const { labels, values } = labelled(options);
    const kept = values.findIndex((value) => isDeepStrictEqual(value, this.value));
    this.values = values;
    this.set({ _options_labels: labels, index: kept >= 0 ? kept : values.length ? 0 : null });
  }

  /** The same index may be another value, when the options change. */
  protected override notify(changed: string[], before: State): void {
    super.notify(changed, before);
    const [value, previous] = [this.value, this.toldValue];
    this.toldValue = value;
    if (!isDeepStrictEqual(value, previous)) this.call("value", value, previous);
  }

  protected override told(): State {
    const { index: _, ...others } = super.told();
    return { ...others, options: this.state._options_labels, value: this.value };
  }

  protected override fit(state: State): State {
    const count = (state._options_labels as string[]).length;
    const { index } = state as { index: number | null };
    const isOption = index === null || (index >= 0 && index < count);
    return isOption ? state : { ...state, index: this.state.index };
  }
}

function labelled(options: Options): { labels: string[]; values: readonly unknown[] } {
  if (Array.isArray(options)) return { labels: options.map(String), values: options };
  return { labels: Object.keys(options), values: Object.values(options) };
}

function indexOf(values: readonly unknown[], labels: string[], value: unknown): number | null {
  if (value === null) return null;
  const index = values.findIndex((option) => isDeepStrictEqual(option, value));
  if (index < 0) throw new RangeError(`expected one of ${labels.join(", ")}, got ${inspect(value)}`);
  return index;
}

export class Button extends Widget {
  private readonly clicks = new Set<() => void>();

  /** Calls back at each click; returns how to stop that. */
  onClick(callback: () => unknown): () => void {
    const click = this.comms.callback(callback);
    this.clicks.add(click);
    return () => void this.clicks.delete(click);
  }

  protected override onCustom(content: any): void {
    if (content?.event === "click") for (const click of [...this.clicks]) click();
  }
}

/** Widgets side by side, or one below the other. */
export class Box extends Widget {
  protected override fit(state: State, { children }: State): State {
    if (!children) return state;
    // A front end names them by their references.
    const widgets = (children as unknown[]).map((child) =>
      typeof child === "string" ? openWidgets.get(child.replace("IPY_MODEL_", "")) : child,
    );
    if (!widgets.every((child) => child instanceof Widget))
      throw new TypeError(`${this.model.name}.children should be widgets, got ${inspect(widgets)}`);
    return { ...state, children: widgets };
  }
}

/**
 * An area for outputs of any kind.
 *
 * They are kept in the model's `outputs`, not redirected in the front end by `msg_id`, which would take all that the
 * cell puts out meanwhile: what the function itself puts out goes here, also after it awaited.
 */
export class Output extends Widget {
  private readonly area = new Capture((outputs) => this.set({ outputs: outputs.map(notebookOutput) }));

  /** Runs a function whose prints and displays go into this widget. @returns what the function returns */
  capture<T>(body: () => T): T {
    const flush = () => this.area.flush();
    let result: T | undefined;
    try {
      result = captured(this.area, body);
      return result;
    } finally {
      flush();
      if (result instanceof Promise) result.then(flush, flush);
    }
  }

  /** Adds a value below what is there. */
  append(value: unknown): void {
    this.capture(() => (globalThis as any).display(value));
  }

  /** The text of what it holds. */
  override toString(): string {
    const texts = this.area.outputs.map((output) =>
      output.kind === "text" ? output.text : `${output.data["text/plain"]}\n`,
    );
    return texts.join("").trimEnd() || super.toString();
  }

  /** Empties the widget; with `wait`, when the next output arrives. */
  clear({ wait = false }: { wait?: boolean } = {}): void {
    this.area.take({ type: "clear", cell: "", wait });
    this.area.flush();
  }
}

/** An output as notebook files have it. */
function notebookOutput(output: Captured): State {
  return output.kind === "text"
    ? { output_type: "stream", name: output.name, text: output.text }
    : { output_type: "display_data", data: output.data, metadata: {} };
}

type Kind = new (comms: Comms, model: Model, options?: State) => Widget;

/** The class of each widget that is more than its state, by the model's name. */
export const kinds: Record<string, Kind> = {
  IntSlider: Bounded,
  FloatSlider: Bounded,
  FloatLogSlider: Bounded,
  IntRangeSlider: BoundedRange,
  FloatRangeSlider: BoundedRange,
  IntProgress: Bounded,
  FloatProgress: Bounded,
  Dropdown,
  Button,
  HBox: Box,
  VBox: Box,
  Output,
};
