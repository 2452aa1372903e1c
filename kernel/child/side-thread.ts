/**
 * Hears the parent's interrupts while the main thread is busy.
 *
 * A small thread reads an extra pipe (file descriptor 4). The parent writes the number of the run to stop; if that
 * run is still on, the thread raises the flag that loops check and sends this process a SIGINT, which breaks
 * synchronous code. The same thread notices the parent's end, as the pipe closes, and ends this process even if the
 * main thread never would.
 */
import { Worker } from "node:worker_threads";

/** Extra pipe between parent and child, after stdio and the IPC channel. */
export const INTERRUPT_FD = 4;

const FLAG = 0; // loops stop (or ask whether they should) while this is not 0
const ASKED = 1; // the run that the parent wants stopped
const CURRENT = 2; // the run that is on, or 0

// Plain JavaScript in a string: a thread that starts in milliseconds, with no file and no loader.
const LISTENER = `
const { workerData: shared } = require("node:worker_threads");
const pipe = new (require("node:net").Socket)({ fd: ${INTERRUPT_FD}, readable: true, writable: false });
let bytes = Buffer.alloc(0);
pipe.on("data", (chunk) => {
  bytes = Buffer.concat([bytes, chunk]);
  for (; bytes.length >= 4; bytes = bytes.subarray(4)) {
    const run = bytes.readInt32LE(0);
    if (Atomics.load(shared, ${CURRENT}) !== run) continue;
    Atomics.store(shared, ${ASKED}, run);
    Atomics.store(shared, ${FLAG}, 1);
    if (process.platform !== "win32") process.kill(process.pid, "SIGINT");
  }
});
const end = () => process.kill(process.pid, "SIGKILL");
pipe.on("close", end);
pipe.on("error", end);
`;

export class Interrupter {
  /** `flag[0]` is what the loops of cells read. */
  readonly flag = new Int32Array(new SharedArrayBuffer(12));

  constructor() {
    const listener = new Worker(LISTENER, { eval: true, workerData: this.flag, execArgv: [], stdin: false });
    listener.unref();
  }

  begin(run: number, othersStop: boolean): void {
    Atomics.store(this.flag, FLAG, othersStop ? 1 : 0);
    Atomics.store(this.flag, CURRENT, run);
  }

  end(othersStop: boolean): void {
    Atomics.store(this.flag, CURRENT, 0);
    Atomics.store(this.flag, FLAG, othersStop ? 1 : 0);
  }

  isAsked(run: number): boolean {
    return Atomics.load(this.flag, ASKED) === run;
  }
}
