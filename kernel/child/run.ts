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
import { STORED } from "./async-ids";
import { describeError, rememberMap } from "./errors";
import type { CellProgram, Outcome } from "./ipc";
import { type CellModules, createModules } from "./modules";
import type { SideThread } from "./side-thread";
import { mimeBundle } from "./values";

/** A cell while its code can still do something: outputs of its timers come long after it ended. */
export class Run {
  readonly abort = new AbortController();
  /** Display ids that this run has shown. */
  readonly shown = new Set<string>();
  /** Displays under way, one after the other. */
  displays?: Promise<void>;
  interrupted = false;

  /**
   * @param run number of the run in this process
   * @param cell id of the request that runs it
   */
  constructor(
    readonly run: number,
    readonly cell: string,
    readonly allowStdin: boolean,
  ) {}

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

  constructor(private readonly thread: SideThread) {
    // Without a handler the signal would end the process.
    process.on("SIGINT", () => {
      if (this.running && this.thread.isAsked(this.running.run.run)) this.interrupt(this.running.run.run);
    });
    Object.assign(globalThis, { require: this.modules.require });
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
      const returned = await this.owner.run(run, () => this.race(run, program));
      if (returned?.value !== undefined)
        outcome.result = await this.owner.run(run, () => mimeBundle(returned.value));
      await run.displays;
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
    if (this.running?.run.run !== number) return;
    const { run, reject } = this.running;
    run.interrupted = true;
    run.abort.abort(new Interrupted("the cell was stopped"));
    reject(new Interrupted("the cell was stopped"));
  }

  private async race(run: Run, program: CellProgram): Promise<{ value: unknown } | undefined> {
    const stopped = new Promise<never>((_, reject) => {
      this.running = { run, reject };
    });
    stopped.catch(() => {});
    (globalThis as any)[SIGNAL] = run.abort.signal;
    this.thread.begin(run.run, this.stopping.size > 0);
    let body: Promise<{ value: unknown } | undefined> | undefined;
    try {
      body = this.start(program);
      return await Promise.race([body, stopped]);
    } catch (error) {
      if ((error as NodeJS.ErrnoException)?.code === "ERR_SCRIPT_EXECUTION_INTERRUPTED")
        this.interrupt(run.run);
      throw error;
    } finally {
      this.running = undefined;
      if (run.interrupted && body) this.watchBody(run, body);
      this.thread.end(this.stopping.size > 0);
    }
  }

  /** Calls the cell inside `vm`, which is where SIGINT can break its synchronous part. */
  private start(program: CellProgram): Promise<{ value: unknown } | undefined> {
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
    return vm.runInThisContext(`${head}\n${program.code}\n${tail}`, {
      filename: program.filename,
      breakOnSigint: true,
      importModuleDynamically: vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    });
  }

  private watchBody(run: Run, body: Promise<unknown>): void {
    this.stopping.add(run);
    const ended = () => {
      this.stopping.delete(run);
      if (this.stopping.size === 0 && !this.running) this.thread.end(false);
    };
    body.then(ended, ended);
  }

  /** The flag is up: ends the calling code if it belongs to an interrupted cell. */
  private stop(): void {
    const run = this.owner.getStore();
    if (run?.interrupted || (run && this.thread.isAsked(run.run)))
      throw new Interrupted("the cell was stopped; variables are kept");
  }
}
