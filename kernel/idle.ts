/** Memory given back in pauses: V8 alone collects garbage only when more is asked for, so an idle process would keep it. */
import v8 from "node:v8";
import vm from "node:vm";

const IDLE_MS = 10_000;
/** The first collection empties pages, the second gives back those that are still empty. */
const PASSES = 2;

/**
 * Collects the calling thread's garbage when it has been idle for some seconds: takes a tenth of a second, and halves
 * the kernel's memory after some hundred cells.
 *
 * @param idleMs after so long
 * @returns to be called whenever the thread has something to do
 */
export function collectWhenIdle(idleMs = IDLE_MS): () => void {
  v8.setFlagsFromString("--expose-gc");
  const collect: (options: object) => Promise<void> = vm.runInNewContext("gc");
  let passes = 0;
  const timer = setTimeout(() => {
    void collect({ type: "major", execution: "async", flavor: "last-resort" });
    if (++passes < PASSES) timer.refresh();
  }, idleMs).unref();
  return () => {
    passes = 0;
    timer.refresh();
  };
}
