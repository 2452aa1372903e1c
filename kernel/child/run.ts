/**
 * Runs one cell on the main thread of the child, and stops it when asked to.
 *
 * What stops a cell, by what it is doing: a synchronous stretch ends by `vm`'s breakOnSigint; a loop after an await
 * by the check of the flag at its head; a pending await by losing a race, after which the flag stops the body at its
 * next check. Whoever listens to `globalThis[Symbol.for("Jupyter.signal")]` is told too.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { inspect } from "node:util";
import vm from "node:vm";
import { CELL_PARAMETERS } from "../compiler/parameters";
import type { MimeBundle } from "../protocol/messages";
import { STORED } from "./async-ids";
import { describeError, rememberMap } from "./errors";
import { CALLBACKS, type CellProgram, type Outcome } from "./ipc";
import { type CellModules, createModules } from "./modules";
import type { SideThread } from "./side-thread";
import { mimeBundle } from "./values";

/** A cell while its code can still do something: outputs of its timers come long after it ended. */
export class Run {
  readonly abort = new AbortController();
  /** Displays under way, one after the other. */
  displays?: Promise<void>;
  /** What the cell waits for before it ends, beside its own code; it fails with any of them. */
  readonly pending: Promise<unknown>[] = [];
  interrupted = false;

  /**
   * @param run number of the run in this process
   * @param cell id of the request that runs it
   * @param shown display ids that its cell has shown
   */
  constructor(
    readonly run: number,
    readonly cell: string,
    readonly allowStdin: boolean,
    readonly shown = new Set<string>(),
  ) {}

  /** A run for code of the same cell that is called from outside of it. */
  forCallback(): Run {
    return new Run(CALLBACKS, this.cell, this.allowStdin, this.shown);
  }

  [inspect.custom](): string {
    return STORED;
  }
}

/** An interrupted cell's error. */
export class Interrupted extends Error {
  override name = "Interrupted";
}

const ARGUMENTS = Symbol.for("loralab.cell");
const SIGNAL = Symbol.for("Jupyter.signal");

export class Runner {
  private readonly owner = new AsyncLocalStorage<Run>();
  private readonly modules: CellModules = createModules(process.cwd());
  private readonly scope: Record<string, unknown> = {};
  /** Interrupted cells whose bodies have not ended: while there are any, the flag stays up. */
  private readonly stopping = new Set<Run>();
  private running: { run: Run; reject(error: Error): void } | undefined;
  private latest: Run | undefined;
  /** Asynchronous callbacks under way. */
  private readonly callbacks = new Map<Run, Promise<unknown>>();
  private isCallingBack = false;

  constructor(private readonly thread: SideThread) {
    // Without a handler the signal would end the process.
    process.on("SIGINT", () => {
      if (this.running && this.thread.isAsked(this.running.run.run)) this.interrupt(this.running.run.run);
    });
    Object.assign(globalThis, { require: this.modules.require });
    Object.defineProperty(globalThis, SIGNAL, { configurable: true, get: () => this.caller?.abort.signal });
  }

  /** The cell whose code is calling, or the latest one for code that no cell called. */
  get caller(): Run | undefined {
    return this.owner.getStore() ?? this.latest;
  }

  /** Runs a cell. Never rejects: what goes wrong in the cell is in the outcome. */
  async execute(run: Run, program: CellProgram): Promise<Outcome> {
    this.latest = run;
    this.modules.define(program.modules);
    rememberMap(program.filename, program.map, program.code);
    const outcome: Outcome = { unset: [] };
    try {
      outcome.result = await this.owner.run(run, () => this.race(run, program));
    } catch (error) {
      outcome.error = describeError(
        run.interrupted ? new Interrupted("the cell was stopped; variables are kept") : error,
      );
    }
    outcome.unset = program.names.filter((name) => !(name in this.scope) && name in globalThis);
    return outcome;
  }

  /** Stops a run that awaits, if it is still on; synchronous code does not come here but ends by the signal. */
  interrupt(number: number): void {
    if (number === CALLBACKS) for (const run of this.callbacks.keys()) this.stopCallback(run);
    if (this.running?.run.run !== number) return;
    const { run, reject } = this.running;
    run.interrupted = true;
    run.abort.abort(new Interrupted("the cell was stopped"));
    reject(new Interrupted("the cell was stopped"));
  }

  /**
   * Calls code of a cell from outside of it, as a run of its own (`run.run` is CALLBACKS): its output goes to its cell,
   * an interrupt stops it while no cell runs, and so does `stopCallback`.
   */
  callback<T>(run: Run, body: () => T): T {
    const isAlone = !this.running && !this.isCallingBack;
    if (isAlone) {
      this.isCallingBack = true;
      this.thread.begin(CALLBACKS, this.stopping.size > 0);
    }
    try {
      const value = this.owner.run(run, body);
      if (value instanceof Promise) {
        const forget = () => {
          this.callbacks.delete(run);
          this.rest();
        };
        this.callbacks.set(run, value.then(forget, forget));
      }
      return value;
    } finally {
      if (isAlone) {
        this.isCallingBack = false;
        this.rest();
      }
    }
  }

  /** While no cell runs, an interrupt is for the callbacks under way, if any. */
  private rest(): void {
    if (this.running || this.isCallingBack) return;
    const othersStop = this.stopping.size > 0;
    this.thread.end(othersStop);
    if (this.callbacks.size) this.thread.begin(CALLBACKS, othersStop);
  }

  /** Tells an asynchronous callback to end, and ends it at its next loop or await if it does not listen. */
  stopCallback(run: Run): void {
    const body = this.callbacks.get(run);
    if (!body || run.interrupted) return;
    run.interrupted = true;
    run.abort.abort(new Interrupted("stopped"));
    this.watchBody(run, body);
    this.thread.raiseFlag();
  }

  private async race(run: Run, program: CellProgram): Promise<MimeBundle | undefined> {
    const stopped = new Promise<never>((_, reject) => {
      this.running = { run, reject };
    });
    stopped.catch(() => {});
    this.thread.begin(run.run, this.stopping.size > 0);
    let body: Promise<{ value: unknown } | undefined> | undefined;
    let isBroken = false;
    try {
      body = this.start(run, program);
      return await Promise.race([body.then((returned) => this.finish(run, returned)), stopped]);
    } catch (error) {
      isBroken = (error as NodeJS.ErrnoException)?.code === "ERR_SCRIPT_EXECUTION_INTERRUPTED";
      if (isBroken) this.interrupt(run.run);
      throw error;
    } finally {
      this.running = undefined;
      if (run.interrupted && body) this.watchBody(run, body);
      this.rest();
      if (this.thread.isSignalled(run.run) && !isBroken) takeSignal();
    }
  }

  /** What a cell shows at its end, once everything that it has under way is done. */
  private async finish(run: Run, returned: { value: unknown } | undefined): Promise<MimeBundle | undefined> {
    const result = returned?.value === undefined ? undefined : await mimeBundle(returned.value);
    await run.displays;
    await Promise.all(run.pending);
    return result;
  }

  /** Calls the cell inside `vm`, which is where SIGINT can break its synchronous part. */
  private start(run: Run, program: CellProgram): Promise<{ value: unknown } | undefined> {
    const values: Record<(typeof CELL_PARAMETERS)[number], unknown> = {
      __scope: this.scope,
      __flag: this.thread.flag,
      __stop: () => this.stop(),
      __import: this.modules.import,
      __load: this.modules.load,
      __meta: this.modules.meta,
      require: this.modules.require,
    };
    (globalThis as any)[ARGUMENTS] = CELL_PARAMETERS.map((name) => values[name]);
    const head = `(async function (${CELL_PARAMETERS.join(", ")}) { "use strict";`;
    const tail = `}).apply(undefined, globalThis[Symbol.for("loralab.cell")])`;
    this.thread.beginSynchronous();
    try {
      return vm.runInThisContext(`${head}\n${program.code}\n${tail}`, {
        filename: program.filename,
        breakOnSigint: true,
        importModuleDynamically: vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER,
      });
    } finally {
      this.thread.endSynchronous(run.run);
    }
  }

  private watchBody(run: Run, body: Promise<unknown>): void {
    this.stopping.add(run);
    const ended = () => {
      this.stopping.delete(run);
      if (this.stopping.size === 0) this.rest();
    };
    body.then(ended, ended);
  }

  /** The flag is up: ends the calling code if it belongs to an interrupted cell. */
  private stop(): void {
    const run = this.owner.getStore();
    if (!run) return;
    // An interrupt of the running cell stops callbacks too, which keep it from going on.
    const asked = run.run === CALLBACKS && this.running ? this.running.run.run : run.run;
    // In its synchronous stretch a signal is on its way to the cell, and it is the signal that must end it.
    if (run.interrupted || (this.thread.isAsked(asked) && !this.thread.isSynchronous))
      throw new Interrupted("the cell was stopped; variables are kept");
  }
}

/** Node.js keeps a signal that arrives just as `vm` returns, and breaks what `vm` runs next: not the next cell. */
function takeSignal(): void {
  try {
    vm.runInThisContext("for (const end = Date.now() + 20; Date.now() < end; );", { breakOnSigint: true });
  } catch {
    // the signal
  }
}
