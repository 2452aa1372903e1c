/**
 * The child's connection to its parent, kept by a small thread so that it works while the main thread is busy.
 *
 * The thread owns an extra pipe (file descriptor 4). From it comes the number of a run to stop; if that run is still
 * on, the thread sends this process a SIGINT, which breaks the cell's first, synchronous stretch, or after that raises
 * the flag that loops check. Never both: the one could come when the other has already stopped the cell, and would
 * stop the next. Into the pipe goes everything that cells put out: Node's own channel sends nothing while a loop keeps the main thread, so
 * a progress text would come at the end and an endless `console.log` would fill the memory. As the pipe closes with the
 * parent's end, the thread ends this process and those that it started, even if the main thread never would.
 */
import v8 from "node:v8";
import { Worker } from "node:worker_threads";
import { OWN_GROUP } from "./group";
import type { FromChild } from "./ipc";

/** Extra pipe between parent and child, after stdio and the IPC channel. */
const PIPE_FD = 4;

const FLAG = 0; // loops stop (or ask whether they should) while this is not 0
const ASKED = 1; // the run that the parent wants stopped
const CURRENT = 2; // the run that is on, or 0
const SYNCHRONOUS = 3; // 1 while a SIGINT would break the run
const HANDLING = 4; // 1 while the thread deals with an interrupt
const SIGNALLED = 5; // the run that a SIGINT was sent to
const BACKLOG = 6; // kilobytes that wait in the thread, or in the pipe for the parent to read

/** A cell that puts out faster than the parent reads has to wait from here on. */
const BACKLOG_LIMIT = 4096;
const EXIT_PATIENCE_MS = 1000;

// Plain JavaScript in a string: a thread that starts in milliseconds, with no file and no loader.
const THREAD = `
const { workerData: shared, parentPort } = require("node:worker_threads");
const pipe = new (require("node:net").Socket)({ fd: ${PIPE_FD}, readable: true, writable: true });
let bytes = Buffer.alloc(0);
pipe.on("data", (chunk) => {
  bytes = Buffer.concat([bytes, chunk]);
  for (; bytes.length >= 4; bytes = bytes.subarray(4)) {
    const run = bytes.readInt32LE(0);
    Atomics.store(shared, ${HANDLING}, 1);
    if (Atomics.load(shared, ${CURRENT}) === run) {
      Atomics.store(shared, ${ASKED}, run);
      if (Atomics.load(shared, ${SYNCHRONOUS})) {
        Atomics.store(shared, ${SIGNALLED}, run);
        process.kill(process.pid, "SIGINT");
      } else Atomics.store(shared, ${FLAG}, 1);
    }
    Atomics.store(shared, ${HANDLING}, 0);
    Atomics.notify(shared, ${HANDLING});
  }
});
parentPort.on("message", (message) => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(message.length);
  pipe.cork();
  pipe.write(length);
  pipe.write(message, () => {
    Atomics.sub(shared, ${BACKLOG}, 1 + (message.length >>> 10));
    Atomics.notify(shared, ${BACKLOG});
  });
  pipe.uncork();
});
const end = () => process.kill(${OWN_GROUP} ? -process.pid : process.pid, "SIGKILL");
pipe.on("close", end);
pipe.on("error", end);
`;

export class SideThread {
  private readonly shared = new Int32Array(new SharedArrayBuffer(28));
  private readonly thread: Worker;

  constructor() {
    this.thread = new Worker(THREAD, { eval: true, workerData: this.shared, execArgv: [], stdin: false });
    this.thread.unref();
    process.on("exit", () => this.waitForBacklog(1, EXIT_PATIENCE_MS));
  }

  /** `flag[0]` is what the loops of cells read. */
  get flag(): Int32Array {
    return this.shared;
  }

  begin(run: number, othersStop: boolean): void {
    Atomics.store(this.shared, ASKED, 0);
    Atomics.store(this.shared, FLAG, othersStop ? 1 : 0);
    Atomics.store(this.shared, CURRENT, run);
  }

  /** After this, no interrupt of the run is under way. */
  end(othersStop: boolean): void {
    Atomics.store(this.shared, CURRENT, 0);
    while (Atomics.load(this.shared, HANDLING)) Atomics.wait(this.shared, HANDLING, 1, 50);
    Atomics.store(this.shared, FLAG, othersStop ? 1 : 0);
  }

  /** Makes loops ask whether they should stop. */
  raiseFlag(): void {
    Atomics.store(this.shared, FLAG, 1);
  }

  beginSynchronous(): void {
    if (process.platform !== "win32") Atomics.store(this.shared, SYNCHRONOUS, 1);
  }

  endSynchronous(run: number): void {
    Atomics.store(this.shared, SYNCHRONOUS, 0);
    if (this.isAsked(run)) Atomics.store(this.shared, FLAG, 1); // the signal came too late
  }

  isAsked(run: number): boolean {
    return Atomics.load(this.shared, ASKED) === run;
  }

  /** Whether a SIGINT would break the run. */
  get isSynchronous(): boolean {
    return Atomics.load(this.shared, SYNCHRONOUS) === 1;
  }

  isSignalled(run: number): boolean {
    return Atomics.load(this.shared, SIGNALLED) === run;
  }

  /** Sends a message, after those sent before. */
  send(message: FromChild): void {
    this.waitForBacklog(BACKLOG_LIMIT, Number.POSITIVE_INFINITY);
    const bytes = v8.serialize(message);
    this.thread.postMessage(bytes);
    Atomics.add(this.shared, BACKLOG, 1 + (bytes.length >>> 10));
  }

  /** Blocks until the backlog is below a limit, or time is up. */
  private waitForBacklog(limit: number, patience: number): void {
    const end = performance.now() + patience;
    for (;;) {
      const backlog = Atomics.load(this.shared, BACKLOG);
      if (backlog < limit || performance.now() > end) return;
      Atomics.wait(this.shared, BACKLOG, backlog, 50);
    }
  }
}
