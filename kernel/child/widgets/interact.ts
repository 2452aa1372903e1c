/**
 * `interact(fn, controls)`: controls above, what `fn` shows and returns below, and again after each change.
 *
 * The output is ordinary displays that are updated in place, not an Output widget: so it is in the saved notebook, and
 * readable where there are no widgets. Its price: a page of JupyterLab that is loaded again knows saved displays no more
 * by their ids, and shows changes only once the cell is run again. The lab's server remembers the ids for it.
 *
 * Runs do not wait in a queue: when one ends, the next has the latest values. One that takes long while its values are
 * out of date is stopped, as an interrupt would, and shows nothing more. A function that yields its results one by one, as
 * an async generator does, is stopped without delay after the first: what is quick follows the slider, the rest its rest.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import { inspect, isDeepStrictEqual } from "node:util";
import type { MimeBundle } from "../../protocol/messages";
import { Capture, type Captured, captured } from "../capture";
import { describeError } from "../errors";
import type { FromChild } from "../ipc";
import type { Run, Runner } from "../run";
import { control, type Make } from "./control";

/** A run whose values are out of date may go on for so long: a quick function stays live under a moving slider. */
const GRACE_MS = 300;
/** The next run waits so long for one that was stopped. */
const PATIENCE_MS = 1000;

export type Interact = (fn: (values: any) => unknown, controls: Record<string, unknown>) => void;

export function createInteract(
  runner: Runner,
  send: (message: FromChild) => void,
  display: (value: unknown) => void,
  make: Make,
): Interact {
  return (fn, controls) => {
    if (typeof fn !== "function")
      throw new TypeError(`interact: expected a function first, got ${inspect(fn)}`);
    if (typeof controls !== "object" || controls === null)
      throw new TypeError(`interact: expected an object of controls, got ${inspect(controls)}`);
    const longest = Math.max(0, ...Object.keys(controls).map((name) => name.length));
    // JupyterLab cuts names that are longer than its 80 pixels hold.
    const style = longest > 10 ? { descriptionWidth: `${longest + 1}ch` } : {};
    const widgets = Object.entries(controls).map(
      ([name, given]) =>
        [name, control(name, given, (kind, options) => make(kind, { ...options, style }))] as const,
    );
    if (widgets.length) display(make("VBox", { children: widgets.map(([, widget]) => widget) }));
    const values = () => Object.fromEntries(widgets.map(([name, widget]) => [name, widget.value]));
    const cell = runner.caller!;
    const latest = new Latest(runner, cell, new Place(cell.cell, send), display, () => fn(values()));
    for (const [, widget] of widgets) widget.onChange(() => latest.renew());
    const first = latest.first();
    if (!(first instanceof Promise)) return;
    first.catch(() => {}); // the cell waits for it, and fails with it
    cell.pending.push(first);
  };
}

/** A run of the function. */
interface Going {
  run: Run;
  capture: Capture;
  isOutdated: boolean;
  /** A part of what it yields is on screen. */
  hasYielded: boolean;
}

/** Runs a function again and again, with one run at a time. */
class Latest {
  private going: Going | undefined;
  private started = 0;
  private isWanted = false;
  /** Runs begin where `interact` was called, not in what calls for them. */
  private readonly here = AsyncLocalStorage.snapshot();

  constructor(
    private readonly runner: Runner,
    private readonly cell: Run,
    private readonly place: Place,
    private readonly display: (value: unknown) => void,
    private readonly body: () => unknown,
  ) {}

  /** The first run, whose error is its caller's. */
  first(): unknown {
    const going = this.begin();
    const stop = () => this.runner.stopCallback(going.run);
    this.cell.abort.signal.addEventListener("abort", stop, { once: true });
    try {
      const result = this.call(going);
      const end = () => this.end(going);
      if (!(result instanceof Promise)) return end();
      return result.then(end, (error) => {
        const { isOutdated } = going;
        end();
        if (!isOutdated) throw error;
      });
    } catch (error) {
      this.end(going);
      throw error;
    }
  }

  /** The values have changed. */
  renew(): void {
    if (this.isWanted) return;
    this.isWanted = true;
    const { going } = this;
    const grace = going?.hasYielded ? 0 : GRACE_MS - (performance.now() - this.started);
    if (going) setTimeout(() => this.stop(going), grace);
    else setImmediate(() => this.here(() => this.again())); // changes that have arrived already come first
  }

  private stop(going: Going): void {
    if (this.going !== going) return;
    going.isOutdated = true;
    this.runner.stopCallback(going.run);
    setTimeout(() => this.end(going), PATIENCE_MS);
  }

  private async again(): Promise<void> {
    const going = this.begin();
    try {
      const result = this.call(going);
      if (result instanceof Promise) await result;
    } catch (error) {
      const text = describeError(error).traceback.join("\n");
      going.capture.take({ type: "stream", cell: "", name: "stderr", text });
    }
    this.end(going);
  }

  private begin(): Going {
    const show = (outputs: readonly Captured[]) => {
      if (this.going === going && !going.isOutdated) this.place.show(outputs);
    };
    const going: Going = {
      run: this.cell.forCallback(),
      capture: new Capture(show),
      isOutdated: false,
      hasYielded: false,
    };
    this.going = going;
    this.started = performance.now();
    this.isWanted = false;
    return going;
  }

  /** Calls the function and shows what it returns or yields; a promise when either takes time. */
  private call(going: Going): unknown {
    const { run, capture } = going;
    const show = (value: unknown) => {
      if (value !== undefined) this.display(value);
      return run.displays;
    };
    return this.runner.callback(run, () =>
      captured(capture, () => {
        const value = this.body();
        if (isAsyncGenerator(value)) return this.callParts(going, value, show);
        return value instanceof Promise ? value.then(show) : show(value);
      }),
    );
  }

  /** Shows each part as it comes, while it is of the latest values. */
  private async callParts(
    going: Going,
    parts: AsyncGenerator,
    show: (value: unknown) => unknown,
  ): Promise<void> {
    for await (const part of parts) {
      await show(part);
      going.capture.flush();
      going.hasYielded = true;
      if (this.isWanted) going.isOutdated = true;
      if (going.isOutdated) return;
    }
  }

  private end(going: Going): void {
    if (this.going !== going) return;
    going.capture.flush();
    if (!going.isOutdated) this.place.clearAfter(going.capture.outputs.length);
    this.going = undefined;
    if (this.isWanted) this.here(() => this.again());
  }
}

/** Not anything that can be iterated: a stream may be a value like others. */
function isAsyncGenerator(value: unknown): value is AsyncGenerator {
  return Object.prototype.toString.call(value) === "[object AsyncGenerator]";
}

const EMPTY: MimeBundle = { "text/plain": "", "text/html": "" };

/** Printed text as a display, in the look of its stream where the front end knows that. */
function textBundle({ name, text }: { name: string; text: string }): MimeBundle {
  return { "text/plain": text, ...(name === "stderr" && { "application/vnd.jupyter.stderr": text }) };
}

/** Displays one below the other, each updated in place. */
class Place {
  private readonly displays: { id: string; data: MimeBundle }[] = [];

  constructor(
    private readonly cell: string,
    private readonly send: (message: FromChild) => void,
  ) {}

  show(outputs: readonly Captured[]): void {
    outputs.forEach((output, i) => {
      this.put(i, output.kind === "text" ? textBundle(output) : output.data);
    });
  }

  /** Empties what an earlier run showed beyond the latest one's outputs; not sooner, as that would flicker. */
  clearAfter(count: number): void {
    for (let i = count; i < this.displays.length; i++) this.put(i, EMPTY);
  }

  private put(i: number, data: MimeBundle): void {
    const there = this.displays[i];
    if (there && isDeepStrictEqual(there.data, data)) return;
    const id = there?.id ?? randomUUID();
    this.displays[i] = { id, data };
    this.send({ type: "display", cell: this.cell, data, id, update: there !== undefined });
  }
}
