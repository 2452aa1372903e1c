/** `loralab worker [redis-url]`: does trials of sweeps that were handed to Redis. */
import { type Command, InvalidArgumentError } from "commander";

export function workerCommand(program: Command): void {
  program
    .command("worker")
    .summary('do trials of sweeps with on: "redis://…"')
    .description(
      "Takes trials of sweeps from Redis, does them and gives back what came of them, until Ctrl-C, which gives back what is " +
        "begun for others to do. Runs are recorded in .loralab/runs here too. A model is loaded by the name or the folder that " +
        "the sweep's has.",
    )
    .argument("[redis-url]", "the address of Redis", "redis://localhost:6379")
    .option("--trials <n>", "trials at a time (default: one for each core, 8 at most; 1 on a GPU)", whole)
    .action(async (url: string, { trials }: { trials?: number }) => {
      const { work } = await import("../../src/runs/worker.js");
      const stop = new AbortController();
      for (const name of ["SIGINT", "SIGTERM"] as const) {
        process.on(name, () => {
          if (stop.signal.aborted) process.exit(1);
          console.log("gives back what is begun; once more to end at once");
          stop.abort();
        });
      }
      await work(url, { trials, signal: stop.signal, say: (line) => console.log(line) });
    });
}

function whole(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("expected a whole number from 1");
  return Number(text);
}
