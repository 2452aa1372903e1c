/** The compiler's thread: builds the compiler, then answers calls in order. */
import { parentPort } from "node:worker_threads";
import { collectWhenIdle } from "../idle";
import type { Call, Returned } from "./remote";
import { createCompiler } from "./tslab";

const compiler = createCompiler();

const active = collectWhenIdle();

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
  active();
});
