/**
 * The compiler on a thread of its own.
 *
 * Building it takes a second and checking a cell can take half of one; meanwhile the kernel still answers
 * heartbeats, interrupts and `kernel_info`.
 */
import { Worker } from "node:worker_threads";
import { entryPoint } from "../entry";
import type { Compiler } from "./index";

export interface Call {
  id: number;
  method: keyof Compiler;
  args: unknown[];
}
export type Returned = { id: number; value: unknown } | { id: number; error: string };

/** `Compiler`, with promises. */
export type RemoteCompiler = {
  [M in keyof Compiler]: (...args: Parameters<Compiler[M]>) => Promise<ReturnType<Compiler[M]>>;
} & { close(): Promise<void> };

export function startCompiler(): RemoteCompiler {
  const { file, execArgv } = entryPoint("compiler/worker");
  const worker = new Worker(file, { execArgv });
  const waiting = new Map<number, { resolve(value: any): void; reject(error: Error): void }>();
  let failure: Error | undefined;
  let calls = 0;

  worker.on("message", (returned: Returned) => {
    const { resolve, reject } = waiting.get(returned.id)!;
    waiting.delete(returned.id);
    if ("error" in returned) reject(new Error(`the compiler failed: ${returned.error}`));
    else resolve(returned.value);
  });
  worker.on("error", (error) => {
    failure = new Error(`the compiler stopped: ${error.message}`);
    for (const { reject } of waiting.values()) reject(failure);
    waiting.clear();
  });

  const call =
    (method: keyof Compiler) =>
    (...args: unknown[]): Promise<any> => {
      if (failure) return Promise.reject(failure);
      const id = ++calls;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        worker.postMessage({ id, method, args } satisfies Call);
      });
    };
  return {
    compile: call("compile"),
    commit: call("commit"),
    reset: call("reset"),
    complete: call("complete"),
    inspect: call("inspect"),
    isComplete: call("isComplete"),
    async close() {
      await worker.terminate();
    },
  };
}
