/** The other side of `mapOnCores`: takes inputs as long as there are any. */
import { parentPort } from "node:worker_threads";
import { Count, type Result, type Share } from "./cores";

parentPort!.on("message", ({ module, name, inputs, counts, port }: Share) => {
  const send = (result: Result) => {
    port.postMessage(result);
    Atomics.add(counts, Count.Sent, 1);
    Atomics.notify(counts, Count.Sent);
  };
  for (;;) {
    const index = Atomics.add(counts, Count.Next, 1);
    if (index >= inputs.length) return;
    try {
      send({ index, value: require(module)[name](inputs[index]) });
    } catch (error) {
      send({ index, error: error as Error });
    }
  }
});
