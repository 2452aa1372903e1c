/**
 * The parent's side of the child process: starts it, runs cells in it, interrupts it, and replaces it when it ends.
 */
import { type ChildProcess, fork } from "node:child_process";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { killGroup, OWN_GROUP } from "./child/group";
import {
  CALLBACKS,
  type CellError,
  type CellProgram,
  type CommMessage,
  type FromChild,
  type Outcome,
  readMessages,
  type ToChild,
} from "./child/ipc";
import { entryPoint } from "./entry";
import { heapOption, memoryLimit, size, watchMemory } from "./memory";

/** An interrupted cell that does not end within this time loses its process. */
const PATIENCE_MS = 1500;
/** How long to wait for the last outputs of a process that ended. */
const DRAIN_MS = 200;

/** `ended`: the process is gone, and a fresh one takes its place. */
export type EngineEvent =
  | Exclude<FromChild, { type: "ready" | "done" | "handled" }>
  | { type: "ended"; cell: string };

/**
 * Bytes from which glibc takes an array from the system and gives it back when it is freed. Left to itself it raises this
 * limit to the size of what was freed, and then keeps large arrays' places: the process of a session grew by tens of
 * megabytes that held nothing.
 */
const MALLOC_MMAP_THRESHOLD_ = String(4 * 1024 ** 2);

/** What became of a cell; `lost` when its process is gone, and with it all variables. */
export type EngineOutcome = Outcome & { lost?: boolean };

interface Running {
  run: number;
  cell: string;
  interrupted: boolean;
  resolve(outcome: EngineOutcome): void;
}

export class Engine {
  private child!: ChildProcess;
  private ready!: Promise<void>;
  private running: Running | undefined;
  /** Messages of comms whose callbacks have not run yet, by their request. */
  private readonly handling = new Map<string, () => void>();
  private runs = 0;
  private latestCell = "";
  private stderrTail = "";
  private closed = false;
  private readonly memoryLimit = memoryLimit();
  /** Bytes that the child took when it was ended for them. */
  private excess: number | undefined;

  /** @param onEvent hears outputs and questions, of the running cell and of earlier ones */
  constructor(private readonly onEvent: (event: EngineEvent) => void) {
    this.start();
  }

  /**
   * Runs a cell; resolves when it ended, however it ended. One at a time.
   *
   * @param interrupt stops the cell; kills its process if it does not stop
   */
  async run(
    cell: string,
    program: CellProgram,
    { allowStdin, interrupt }: { allowStdin: boolean; interrupt: AbortSignal },
  ): Promise<EngineOutcome> {
    await this.ready;
    if (interrupt.aborted) return { error: cellError(STOPPED_BEFORE), unset: [] };
    interrupt.addEventListener("abort", () => this.interrupt(), { once: true });
    this.latestCell = cell;
    const run = ++this.runs;
    return new Promise((resolve) => {
      this.running = { run, cell, interrupted: false, resolve };
      this.send({ type: "run", run, cell, program, allowStdin });
    });
  }

  /** Passes a front end's message of a comm on; resolves when the callbacks for it have run. */
  async comm(request: string, comm: CommMessage): Promise<void> {
    await this.ready;
    return new Promise((resolve) => {
      this.handling.set(request, resolve);
      this.send({ type: "comm", request, comm });
    });
  }

  /** Stops callbacks of widgets, while no cell runs. */
  interruptCallbacks(): void {
    const handling = [...this.handling.keys()];
    this.tell(CALLBACKS, () => handling.some((request) => this.handling.has(request)));
  }

  private interrupt(): void {
    const running = this.running;
    if (!running) return;
    running.interrupted = true;
    this.tell(running.run, () => this.running === running);
  }

  /** Tells the child to stop a run, and ends it if the run is still on after some time. */
  private tell(run: number, isOn: () => boolean): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(run);
    (this.child.stdio[4] as Duplex).write(bytes);
    this.send({ type: "interrupt", run });
    const child = this.child;
    setTimeout(() => {
      if (isOn()) killGroup(child.pid);
    }, PATIENCE_MS).unref();
  }

  answer(value: string | null): void {
    this.send({ type: "input", value });
  }

  close(): void {
    this.closed = true;
    killGroup(this.child.pid);
  }

  private send(message: ToChild): void {
    // A child that just died gets nothing; its exit is reported on its own.
    if (this.child.connected) this.child.send(message, () => {});
  }

  private start(): void {
    const { file, execArgv } = entryPoint("child/main");
    const child = fork(file, [], {
      execArgv: [...execArgv, ...this.heapOptions()],
      serialization: "advanced",
      detached: OWN_GROUP,
      env: { MALLOC_MMAP_THRESHOLD_, ...process.env },
      // 3 is the IPC channel, 4 the pipe of the side thread (see child/side-thread.ts)
      stdio: ["ignore", "pipe", "pipe", "ipc", "pipe"],
    });
    this.child = child;
    this.stderrTail = "";
    this.excess = undefined;
    const endWatch = this.watch(child);
    // What native code prints goes past JavaScript's streams.
    for (const name of ["stdout", "stderr"] as const)
      child[name]!.setEncoding("utf8").on("data", (text: string) => {
        if (name === "stderr") this.stderrTail = (this.stderrTail + text).slice(-4000);
        this.onEvent({ type: "stream", cell: this.latestCell, name, text });
      });
    const pipe = child.stdio[4] as Duplex;
    pipe.on("error", () => {});
    this.ready = new Promise((resolve) => {
      readMessages(pipe, (message) => {
        if (message.type === "ready") resolve();
        else if (message.type === "done") this.finish(message.run, message.outcome);
        else if (message.type === "handled") this.handled(message.request);
        else this.onEvent(message);
      });
    });
    // Its last outputs are read before its end is told. But what a cell started in the background may hold the same
    // pipes open for as long as it likes.
    const drained = new Promise((resolve) => child.once("close", resolve));
    child.once("exit", async (code, signal) => {
      endWatch();
      killGroup(child.pid); // what its cells started ends with it
      await Promise.race([drained, delay(DRAIN_MS)]);
      this.ended(code, signal);
    });
  }

  private heapOptions(): string[] {
    if (this.memoryLimit !== undefined) return [heapOption(this.memoryLimit)];
    return process.execArgv.filter((arg) => arg.startsWith("--max-old-space-size"));
  }

  /** Ends the child when it takes more memory than it may. @returns what ends the watch */
  private watch({ pid }: ChildProcess): () => void {
    if (this.memoryLimit === undefined || pid === undefined) return () => {};
    const isBusy = () => this.running !== undefined || this.handling.size > 0;
    return watchMemory(pid, this.memoryLimit, isBusy, (bytes) => {
      this.excess = bytes;
      killGroup(pid);
    });
  }

  private handled(request: string): void {
    this.handling.get(request)?.();
    this.handling.delete(request);
  }

  private finish(run: number, outcome: EngineOutcome): void {
    if (this.running?.run !== run) return;
    const { resolve } = this.running;
    this.running = undefined;
    resolve(outcome);
  }

  /** The child is gone: a fresh one takes its place, and the cell that ran gets an error that says why. */
  private ended(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.closed) return;
    const running = this.running;
    const isHeapFull = /heap out of memory/.test(this.stderrTail);
    const reason =
      this.memoryLimit !== undefined && (this.excess !== undefined || isHeapFull)
        ? limitReason(this.memoryLimit, this.excess)
        : endReason(code, signal, running?.interrupted ?? false, isHeapFull);
    this.start();
    for (const request of this.handling.keys()) this.handled(request);
    this.onEvent({ type: "ended", cell: this.latestCell });
    if (running) {
      this.finish(running.run, { error: cellError(reason), unset: [], lost: true });
    } else {
      this.onEvent({ type: "stream", cell: this.latestCell, name: "stderr", text: `${reason.evalue}\n` });
    }
  }
}

const STOPPED_BEFORE = { ename: "Interrupted", evalue: "The cell was stopped before it ran." };

function cellError({ ename, evalue }: Reason): CellError {
  return { ename, evalue, traceback: [`\u001b[31m${ename}\u001b[39m: ${evalue}`] };
}

type Reason = Omit<CellError, "traceback">;

const LOST = "All variables are lost; run the cells again from the top.";

/** @param excess bytes that were taken; undefined when V8 ended the process first, with what it may have of the limit */
function limitReason(limit: number, excess: number | undefined): Reason {
  const took =
    excess === undefined
      ? `The cells needed more memory than the ${size(limit)} that they may take`
      : `The cells took ${size(excess)} of memory, and may take ${size(limit)}`;
  return {
    ename: "MemoryLimit",
    evalue:
      `${took} on this machine, so their process was ended. ${LOST} To need less, work on less at a time: smaller ` +
      "batches, shorter texts, fewer models at once. Who runs the machine can allow more (LORALAB_MEMORY_LIMIT).",
  };
}

function endReason(
  code: number | null,
  signal: string | null,
  interrupted: boolean,
  isHeapFull: boolean,
): Reason {
  if (interrupted)
    return { ename: "Interrupted", evalue: `The cell did not stop, so its process was ended. ${LOST}` };
  if (isHeapFull)
    return {
      ename: "OutOfMemory",
      evalue:
        `JavaScript ran out of memory. ${LOST} If the data really is this large, ` +
        "start the kernel with NODE_OPTIONS=--max-old-space-size=8192 (megabytes).",
    };
  const how = signal ? `by signal ${signal}` : `with exit code ${code}`;
  return { ename: "ProcessEnded", evalue: `The process that runs the cells ended ${how}. ${LOST}` };
}
