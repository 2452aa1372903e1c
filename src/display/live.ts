/**
 * Runs, and sweeps whose trials are done by workers, shown while they go on: in a notebook as a figure that is replaced in
 * place, in a terminal as one line that rewrites itself, elsewhere not at all.
 *
 * Showing is paid for by training, so its share is bounded: an update is followed by a pause of at least nineteen times
 * what the update took, which is 5 % at most, however long the run and however slow the front end. A display that fails
 * says so once and leaves the training alone.
 */
import { type LiveSweep, observeSweeps } from "../runs/live";
import { observeRuns } from "../train/observers";
import type { Run } from "../train/run";
import type { Displayable } from "./bundle";
import { curves } from "./curves";
import { liveSweepCurves } from "./live-sweep";
import { headline } from "./run-words";

/** The kernel's function of that name: shows a value; with an id that is on screen already, in its place. */
export type Show = (value: Displayable, options: { id: string }) => unknown;

interface Following<T = Run> {
  step(what: T): void;
  end(what: T): void | Promise<void>;
}

/** One that needs not be told what it follows. */
interface Untold {
  step(): void;
  end(): void;
}

/** Points per curve; the whole curve is sent with each update. */
const POINTS = 500;
/** Milliseconds between updates, at least. */
const PAUSE = 1000 / 3;
/** A pause in units of the update's cost: 1 / (1 + 19) = 5 %. */
const PAUSE_PER_COST = 19;

/** Follows every run from here on. Returns how to stop that. */
export const showRunsLive = (): (() => void) =>
  observeRuns({
    begin: (run) =>
      followHere(
        (show) => followInPlace(run, show),
        (terminal) => followInLine(run, terminal),
      ),
  });

/** Follows every sweep whose trials are done by workers. In a terminal its bar is all there is. Returns how to stop that. */
export const showSweepsLive = (): (() => void) =>
  observeSweeps({ begin: (sweep) => followHere((show) => followSweepInPlace(sweep, show)) });

/** In a notebook one way, in a terminal another if there is one, elsewhere not at all. */
export function followHere<T>(
  inNotebook: (show: Show) => T,
  inTerminal?: (terminal: Terminal) => T,
): T | Untold {
  const { display } = globalThis as { display?: unknown };
  if (typeof display === "function") return inNotebook(display as Show);
  const terminal = globalThis.process?.stderr;
  return inTerminal && terminal?.isTTY ? inTerminal(terminal) : { step() {}, end() {} };
}

/** Calls `update` as often as its cost allows. @param now milliseconds */
export function paced(update: () => void, now: () => number): () => void {
  let next = -Infinity;
  return () => {
    const started = now();
    if (started < next) return;
    update();
    const ended = now();
    next = ended + Math.max(PAUSE, PAUSE_PER_COST * (ended - started));
  };
}

/** @param now milliseconds */
export const followInPlace = (run: Run, show: Show, now?: () => number): Following =>
  inPlace(() => curves(run, { points: POINTS }), show, now);

export const followSweepInPlace = (sweep: LiveSweep, show: Show, now?: () => number): Following<LiveSweep> =>
  inPlace(() => liveSweepCurves(sweep, POINTS), show, now);

/** @param draw undefined while there is nothing to be seen */
function inPlace(
  draw: () => Displayable | undefined,
  show: Show,
  now: () => number = () => performance.now(),
): Following<unknown> {
  const id = `live-${crypto.randomUUID()}`;
  let failed = false;
  // What `show` promised and has not kept yet: a front end that is behind is not given more.
  let pending: Promise<void> | undefined;
  const fail = (error: unknown) => {
    if (!failed) console.warn("The live curve could not be shown; training goes on.", error);
    failed = true;
  };
  const update = () => {
    try {
      const drawn = draw();
      const shown = drawn && show(drawn, { id });
      if (!(shown instanceof Promise)) return;
      pending = shown.catch(fail).finally(() => {
        pending = undefined;
      });
    } catch (error) {
      fail(error);
    }
  };
  const follow = paced(update, now);
  const step = () => {
    if (!failed && !pending) follow();
  };
  step();
  return {
    step,
    async end() {
      await pending;
      if (!failed) update();
      await pending;
    },
  };
}

/** What a terminal offers of it. */
export interface Terminal {
  write(text: string): unknown;
  columns?: number;
}

export const followInLine = (run: Run, terminal: Terminal, now?: () => number): Following =>
  inLine(() => headline(run), terminal, now);

/** One line that rewrites itself. */
export function inLine(
  words: () => string,
  terminal: Terminal,
  now: () => number = () => performance.now(),
): Untold {
  // Back to the line's start and clear it; a longer text would wrap and leave its first line behind.
  const write = () => terminal.write(`\r\x1b[2K${words().slice(0, (terminal.columns ?? 80) - 1)}`);
  const step = paced(write, now);
  step();
  return {
    step,
    end() {
      write();
      terminal.write("\n");
    },
  };
}
