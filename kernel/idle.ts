/** Memory given back in pauses: V8 alone collects garbage only when more is asked for, so an idle kernel would keep it. */
import v8 from "node:v8";
import vm from "node:vm";

const IDLE_MS = 10_000;

/**
 * Collects the calling thread's garbage once it has been idle for some seconds: takes a tenth of a second, and halves
 * the kernel's memory after some hundred cells.
 *
 * @returns to be called whenever the thread has something to do
 */
export function collectWhenIdle(): () => void {
  v8.setFlagsFromString("--expose-gc");
  const collect: (options: object) => Promise<void> = vm.runInNewContext("gc");
  const timer = setTimeout(() => {
    void collect({ type: "major", execution: "async", flavor: "last-resort" });
  }, IDLE_MS).unref();
  return () => void timer.refresh();
}
