/** The compiler's thread: builds the compiler, then answers calls in order. */
import v8 from "node:v8";
import vm from "node:vm";
import { parentPort } from "node:worker_threads";
import type { Call, Returned } from "./remote";
import { createCompiler } from "./tslab";

const compiler = createCompiler();

/** After a pause of this length the thread collects its garbage, which V8 alone does not do when nothing happens. */
const IDLE_MS = 3000;
v8.setFlagsFromString("--expose-gc");
const collect: (options: object) => Promise<void> = vm.runInNewContext("gc");
const idle = setTimeout(() => {
  // Takes a tenth of a second, and halves the kernel's memory after some hundred cells.
  void collect({ type: "major", execution: "async", flavor: "last-resort" });
}, IDLE_MS);

parentPort!.on("message", ({ id, method, args }: Call) => {
  let returned: Returned;
  try {
    returned = { id, value: (compiler[method] as (...args: any[]) => unknown)(...args) };
  } catch (error) {
    const isTooDeep = error instanceof RangeError && /call stack/.test(error.message);
    const reason = isTooDeep ? "the code is nested too deeply" : ((error as Error).stack ?? String(error));
    returned = { id, error: reason };
  }
  parentPort!.postMessage(returned);
  idle.refresh();
});
