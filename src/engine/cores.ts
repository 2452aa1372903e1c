/**
 * Plain functions on all cores, while the caller waits: for mathematics on the host that takes seconds, such as the
 * decompositions of all weights of a model. The caller's thread takes its share of the work, so nothing is lost where there
 * is one core, or where a thread does not start.
 */
import { availableParallelism } from "node:os";
import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from "node:worker_threads";
import { mostThreads } from "./threads";
import { startWorker } from "./worker";

/** Each thread gets a copy of all inputs, so there are few. */
const MOST_THREADS = 4;

/** Milliseconds of work below which threads are not worth their start. */
const LITTLE = 200;

/** What all threads count together: the next input to take, and how many results were sent. */
export enum Count {
  Next,
  Sent,
}

export interface Share {
  /** File and exported name of the function. */
  module: string;
  name: string;
  inputs: readonly unknown[];
  counts: Int32Array;
  port: MessagePort;
}

export type Result = { index: number } & ({ value: unknown } | { error: Error });

let others: Worker[] | undefined;

function threads(): Worker[] {
  others ??= Array.from(
    { length: Math.min(mostThreads() ?? availableParallelism(), MOST_THREADS) - 1 },
    () => startWorker("cores").on("error", () => {}), // What it does not send, this thread does.
  );
  return others;
}

/**
 * `inputs.map(work)`, on all cores.
 * @param work exported by `module` under its own name; gets and returns what can be sent between threads
 * @param module its file: `() => __filename`; asked for only where there are threads
 * @throws what `work` throws, for the first input for which it does
 */
export function mapOnCores<I, O>(work: (input: I) => O, module: () => string, inputs: readonly I[]): O[] {
  const outputs = new Map<number, O>();
  let longest = 0;
  const here = (index: number) => {
    const start = performance.now();
    outputs.set(index, work(inputs[index]!));
    longest = Math.max(longest, performance.now() - start);
  };
  const all = () => inputs.map((_, index) => outputs.get(index)!);
  if (inputs.length > 0) here(0);
  if (longest * (inputs.length - 1) < LITTLE) {
    for (let index = 1; index < inputs.length; index++) here(index);
    return all();
  }

  const counts = new Int32Array(new SharedArrayBuffer(8));
  Atomics.store(counts, Count.Next, 1);
  const ports = threads().map((worker) => {
    const { port1, port2 } = new MessageChannel();
    const share: Share = { module: module(), name: work.name, inputs, counts, port: port2 };
    worker.postMessage(share, [port2]);
    return port1;
  });
  const receive = () => {
    for (const port of ports) {
      for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
        const { index, ...result } = got.message as Result;
        if ("error" in result) throw result.error;
        outputs.set(index, result.value as O);
      }
    }
  };
  try {
    for (;;) {
      const index = Atomics.add(counts, Count.Next, 1);
      if (index >= inputs.length) break;
      here(index);
    }
    // Nobody has more than one in work now. What does not come in many times the longest is done here.
    for (let isLate = false; !isLate; ) {
      const sent = Atomics.load(counts, Count.Sent);
      receive();
      if (outputs.size === inputs.length) break;
      isLate = Atomics.wait(counts, Count.Sent, sent, 1000 + 20 * longest) === "timed-out";
    }
    for (const index of inputs.keys()) if (!outputs.has(index)) here(index);
    return all();
  } finally {
    Atomics.store(counts, Count.Next, inputs.length);
    for (const port of ports) port.close();
  }
}
