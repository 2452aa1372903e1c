/**
 * `progress(items)`: the items again, with a bar that fills as they are taken.
 *
 * The bar is a display that is updated in place, HTML with a text beside it, so it stays in the saved notebook and reads
 * well in a terminal. It is drawn ten times a second at most: it costs the loop next to nothing.
 */
import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { escapeHtml } from "./html";

const PAUSE_MS = 100;
const WIDTH = 24;

export interface ProgressOptions {
  label?: string;
  total?: number;
}

type Items = Iterable<unknown> | AsyncIterable<unknown>;
type Display = (value: unknown, options: { id: string }) => void;

export function createProgress(display: Display) {
  return (items: Items, options: ProgressOptions = {}): Items => {
    const bar = () => new Bar(display, total(items, options), options);
    if (can(items, Symbol.asyncIterator)) return asynchronous(items as AsyncIterable<unknown>, bar());
    if (can(items, Symbol.iterator)) return synchronous(items as Iterable<unknown>, bar());
    throw new TypeError(
      `progress: expected something that can be iterated, such as an array, got ${inspect(items)}`,
    );
  };
}

function can(items: any, iterate: symbol): boolean {
  return typeof items?.[iterate] === "function";
}

/** How many items there are to be, if that can be known. */
function total(items: any, { total: given }: ProgressOptions): number | undefined {
  if (given !== undefined && !(Number.isInteger(given) && given >= 0))
    throw new RangeError(`progress: total should be an integer of at least 0, got ${inspect(given)}`);
  return [given, items.length, items.size].find((count) => typeof count === "number");
}

function* synchronous(items: Iterable<unknown>, bar: Bar): Generator {
  bar.begin();
  try {
    for (const item of items) {
      yield item;
      bar.step();
    }
    bar.isComplete = true;
  } finally {
    bar.end();
  }
}

async function* asynchronous(items: AsyncIterable<unknown>, bar: Bar): AsyncGenerator {
  bar.begin();
  try {
    for await (const item of items) {
      yield item;
      bar.step();
    }
    bar.isComplete = true;
  } finally {
    bar.end();
  }
}

class Bar {
  isComplete = false;
  private readonly id = randomUUID();
  private count = 0;
  private started = 0;
  private drawn = 0;

  constructor(
    private readonly display: Display,
    private readonly total: number | undefined,
    private readonly options: ProgressOptions,
  ) {}

  begin(): void {
    this.started = performance.now();
    this.draw(false);
  }

  step(): void {
    this.count++;
    if (performance.now() - this.drawn >= PAUSE_MS) this.draw(false);
  }

  end(): void {
    this.draw(true);
  }

  private draw(isOver: boolean): void {
    this.drawn = performance.now();
    const { label } = this.options;
    const total = this.isComplete ? this.count : this.total;
    const head = label === undefined ? "" : `${label}: `;
    const text = this.words(total, isOver);
    const max = total === undefined ? "" : ` max="${total || 1}" value="${total ? this.count : 1}"`;
    const bar = isOver && total === undefined ? "" : `<progress${max}></progress> `;
    const bundle = {
      "text/plain": `${head}${textBar(this.count, total)}${text}`,
      "text/html": `<div>${escapeHtml(head)}${bar}<span>${escapeHtml(text)}</span></div>`,
    };
    this.display({ [Symbol.for("Jupyter.display")]: () => bundle }, { id: this.id });
  }

  /** "30/100 · 12.5/s · 0:06 left" */
  private words(total: number | undefined, isOver: boolean): string {
    const seconds = (performance.now() - this.started) / 1000;
    const count = total === undefined ? `${this.count}` : `${this.count}/${total}`;
    const rate = this.count / seconds;
    if (isOver) return `${this.isComplete ? "" : "stopped at "}${count} · ${clock(seconds)}`;
    if (this.count === 0) return count;
    const left = total === undefined ? "" : ` · ${clock((total - this.count) / rate)} left`;
    return `${count} · ${rate >= 100 ? Math.round(rate) : Number(rate.toPrecision(2))}/s${left}`;
  }
}

function textBar(count: number, total: number | undefined): string {
  if (total === undefined) return "";
  const filled = Math.min(WIDTH, Math.round((total ? count / total : 1) * WIDTH));
  return `${"█".repeat(filled)}${"░".repeat(WIDTH - filled)} `;
}

/** Seconds as minutes and seconds, or hours, minutes and seconds. */
function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
