/**
 * A widget: a model whose state the kernel and all views of it in front ends keep the same.
 *
 * A change by the user's code is sent as an `update`. One by a front end is echoed to all (`echo_update`, so that other
 * front ends and later messages agree on the order), applied, and corrected by an `update` when the widget does not take
 * it as it is, as a slider does not take a value beyond its ends.
 */
import { inspect, isDeepStrictEqual } from "node:util";
import type { Comm, Comms } from "../comms";
import { DISPLAY } from "../values";
import { layoutModel, type Model, modelNames, type State, styleModels } from "./models";

const PROTOCOL = "2.1.0";
export const TARGET = "jupyter.widget";
const REFERENCE = "IPY_MODEL_";

type OnChange = (value: any, previous: any) => unknown;

/** All open widgets of the session, by id. */
export const openWidgets = new Map<string, Widget>();

/** `continuousUpdate` → `continuous_update`. */
export function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export function camel(name: string): string {
  return name.replace(/(?!^)_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export class Widget {
  readonly model: Model;
  protected readonly comm: Comm;
  protected state: State;
  private readonly listeners = new Set<{ property: string; callback: OnChange }>();

  /**
   * @param options initial state, in camel case; `layout` and `style` as objects
   * @throws TypeError naming the property that does not exist or the type that was expected
   */
  constructor(
    protected readonly comms: Comms,
    model: Model,
    options: State = {},
  ) {
    const { layout, style, ...own } = options;
    this.model = model;
    this.state = structuredClone(model.state);
    const changes = this.checked(own);
    this.state = this.fit({ ...this.state, ...changes }, changes);
    if (model.module !== "base" && !model.name.endsWith("Style")) {
      this.state.layout = part(comms, layoutModel, layout);
      if (model.style) this.state.style = part(comms, styleModels[model.style]!, style);
    }
    this.comm = comms.open(
      TARGET,
      { state: this.fullState(), buffer_paths: [] },
      { metadata: { version: PROTOCOL } },
    );
    this.comm.onMessage((data) => this.receive(data));
    this.comm.onClose(() => void openWidgets.delete(this.id));
    openWidgets.set(this.id, this);
  }

  get id(): string {
    return this.comm.id;
  }

  /** Ends the widget: its views disappear. */
  close(): void {
    openWidgets.delete(this.id);
    this.comm.close();
  }

  /** Calls back when a property changes; returns how to stop that. */
  onChange(callback: OnChange, property = "value"): () => void {
    const listener = { property, callback: this.comms.callback(callback) };
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  get(property: string): unknown {
    return this.state[snake(property)];
  }

  /** Changes properties and tells the front end. */
  set(changes: State): void {
    this.apply(this.checked(changes));
  }

  /** The whole state, as it is sent. */
  fullState(): State {
    return serialized({ ...modelNames(this.model), ...this.state }) as State;
  }

  /** The view of the widget; where there are no widgets, or no more this one, a text. */
  [DISPLAY](): Record<string, unknown> {
    const view = { version_major: 2, version_minor: 0, model_id: this.id };
    const text = { "text/plain": this.toString() };
    return this.comm.isOpen ? { ...text, "application/vnd.jupyter.widget-view+json": view } : text;
  }

  /** The name and what differs from the model's defaults. */
  toString(): string {
    const shown = Object.entries(this.told()).map(
      ([name, value]) => `${name}: ${inspect(value, { depth: 3, breakLength: Infinity })}`,
    );
    return `${this.model.name}(${shown.join(", ")})`;
  }

  /** What the widget's text tells of it. */
  protected told(): State {
    const entries = Object.entries(this.state).filter(
      ([key, value]) => !/^(_|layout$|style$)/.test(key) && !isDeepStrictEqual(value, this.model.state[key]),
    );
    return Object.fromEntries(entries.map(([key, value]) => [camel(key), value]));
  }

  [inspect.custom](): string {
    return this.toString();
  }

  /** A custom message of the front end, such as a button's click. */
  protected onCustom(_content: any): void {}

  /**
   * The state as this widget takes it.
   *
   * @param changes what is new in it
   * @throws RangeError when it cannot be taken at all
   */
  protected fit(state: State, _changes: State): State {
    return state;
  }

  private receive(data: any): void {
    if (data?.method === "update" && isRecord(data.state)) {
      this.send("echo_update", data.state);
      const changes = this.known(data.state);
      this.apply(this.canTake(changes) ? changes : {}, data.state);
    } else if (data?.method === "request_state") this.send("update", this.fullState());
    else if (data?.method === "custom") this.onCustom(data.content);
    else throw new TypeError(`${this.model.name}: the front end sent a message without a known method`);
  }

  private send(method: string, state: State): void {
    if (this.comm.isOpen) this.comm.send({ method, state: serialized(state), buffer_paths: [] });
  }

  /** @param there what a front end has just made of its own state */
  private apply(changes: State, there: State = {}): void {
    const before = this.state;
    const after = this.fit({ ...before, ...changes }, changes);
    const isNew = (key: string) => !isDeepStrictEqual(serialized(after[key]), serialized(before[key]));
    const changed = Object.keys(after).filter(isNew);
    this.state = after;
    const seen: State = { ...before, ...there };
    const keys = Object.keys(after).filter(
      (key) => !isDeepStrictEqual(serialized(after[key]), serialized(seen[key])),
    );
    if (keys.length) this.send("update", Object.fromEntries(keys.map((key) => [key, after[key]])));
    this.notify(changed, before);
  }

  /** Tells the listeners of properties that changed. */
  protected notify(changed: string[], before: State): void {
    for (const key of changed) this.call(key, this.state[key], before[key]);
  }

  /** Calls the listeners of a property. */
  protected call(key: string, value: unknown, previous: unknown): void {
    for (const { property, callback } of [...this.listeners])
      if (snake(property) === key) callback(value, previous);
  }

  private canTake(changes: State): boolean {
    try {
      this.fit({ ...this.state, ...changes }, changes);
      return true;
    } catch {
      return false; // the front end is told what the state is instead
    }
  }

  /** A front end's changes: of properties that this model has, as the right types; others are left out. */
  private known(changes: State): State {
    const own = Object.entries(changes).filter(([key, value]) => {
      return Object.hasOwn(this.model.state, key) && typeError(this.model, key, value) === undefined;
    });
    return Object.fromEntries(own);
  }

  private checked(changes: State): State {
    const entries = Object.entries(changes).filter(([, value]) => value !== undefined);
    return Object.fromEntries(
      entries.map(([name, value]) => {
        const key = snake(name);
        const { name: model } = this.model;
        if (!Object.hasOwn(this.model.state, key)) {
          const names = Object.keys(this.model.state).filter((other) => !other.startsWith("_"));
          throw new TypeError(`${model} has no property "${name}"; it has ${names.map(camel).join(", ")}`);
        }
        const expected = typeError(this.model, key, value);
        if (expected) throw new TypeError(`${model}.${name} should be ${expected}, got ${inspect(value)}`);
        return [key, value];
      }),
    );
  }
}

/** A layout or a style: one that is there, or a new one from its properties. */
function part(comms: Comms, model: Model, given: unknown): Widget {
  return given instanceof Widget ? given : new (widgetClass(model))(comms, model, given as State | undefined);
}

type WidgetClass = new (comms: Comms, model: Model, options?: State) => Widget;
const classes = new Map<Model, WidgetClass>();

/** The class of a model: `base` with a property, in camel case, for each field of the state that it has none for. */
export function widgetClass(model: Model, base: WidgetClass = Widget): WidgetClass {
  let made = classes.get(model);
  if (made) return made;
  made = class extends base {};
  Object.defineProperty(made, "name", { value: model.name });
  const isPart = model.module === "base" || model.name.endsWith("Style");
  const names = Object.keys(model.state)
    .filter((key) => !key.startsWith("_"))
    .map(camel);
  for (const name of names.filter((name) => !(name in base.prototype)))
    Object.defineProperty(made.prototype, name, {
      get(this: Widget) {
        return this.get(name);
      },
      set(this: Widget, value: unknown) {
        this.set({ [name]: value });
      },
    });
  for (const name of isPart ? [] : model.style ? ["layout", "style"] : ["layout"])
    Object.defineProperty(made.prototype, name, {
      get(this: Widget) {
        return this.get(name);
      },
      set(this: Widget, value: State) {
        (this.get(name) as Widget).set(value);
      },
    });
  classes.set(model, made);
  return made;
}

/** What the default's type says a value should be, in words, when it is something else. */
function typeError({ state, integers }: Model, key: string, value: unknown): string | undefined {
  const example = state[key];
  const isNumber = integers ? Number.isInteger : Number.isFinite;
  const number = integers ? "an integer" : "a finite number";
  if (key === "index") return value === null || Number.isInteger(value) ? undefined : "an integer or null";
  if (typeof example === "number") return isNumber(value) ? undefined : number;
  if (key === "value" && Array.isArray(example))
    return Array.isArray(value) && value.length === 2 && value.every((v) => isNumber(v))
      ? undefined
      : `[lower, upper], each ${number}`;
  if (Array.isArray(example)) return Array.isArray(value) ? undefined : "an array";
  if (example === null) return isPlain(value) ? undefined : "a text, a number, a boolean or null";
  const article = typeof example === "string" ? "a text" : "a boolean";
  return typeof value === typeof example ? undefined : article;
}

function isPlain(value: unknown): boolean {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

function isRecord(value: unknown): value is State {
  return Object.prototype.toString.call(value) === "[object Object]";
}

/** Widgets inside a value become references. */
function serialized(value: unknown): unknown {
  if (value instanceof Widget) return REFERENCE + value.id;
  if (Array.isArray(value)) return value.map(serialized);
  if (isRecord(value))
    return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, serialized(v)]));
  return value;
}
