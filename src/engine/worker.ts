/** Threads of the engine's own, from src as well as from dist. */
import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";

/** Starts a thread that keeps no process alive. @param name of its file, without ".worker" and what follows */
export function startWorker(name: string): Worker {
  const extension = extname(__filename);
  const worker = new Worker(join(__dirname, `${name}.worker${extension}`), {
    ...(extension === ".ts" && { execArgv: ["--require", require.resolve("tsx/cjs")] }),
  });
  worker.unref();
  return worker;
}
