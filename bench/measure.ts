/** Timing in turns, and peers that run in a process of their own. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Runs its work once and says how many milliseconds that took. */
export type Timed = () => Promise<number>;

export const timed =
  (work: () => unknown): Timed =>
  async () => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Takes `rounds` rounds; in each, every contender runs `times` times in a row. The first run of each is not counted.
 * @returns the times of each contender, by round
 */
export async function inTurns(
  contenders: Record<string, Timed>,
  { rounds, times }: { rounds: number; times: number },
): Promise<Record<string, number[][]>> {
  const results: Record<string, number[][]> = Object.fromEntries(
    Object.keys(contenders).map((name) => [name, []]),
  );
  for (const run of Object.values(contenders)) await run();
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(contenders)) {
      const measured: number[] = [];
      for (let i = 0; i < times; i++) measured.push(await run());
      results[name]!.push(measured);
    }
  }
  return results;
}

/** One contender's median time over another's, round by round; none where one of them is absent. */
export function ratios(results: Record<string, number[][]>, ours: string, theirs: string): number[] {
  const [a, b] = [results[ours] ?? [], results[theirs] ?? []];
  return b.length === 0 ? [] : a.map((round, i) => median(round) / median(b[i]!));
}

/** The median of these ratios. */
export function ratio(results: Record<string, number[][]>, ours: string, theirs: string): number | null {
  const all = ratios(results, ours, theirs);
  return all.length > 0 ? median(all) : null;
}

/**
 * The largest resident memory of this process so far, in bytes. What `resourceUsage` tells counts what the process that
 * started this one had, so Linux is asked itself.
 */
export function peakMemory(): number {
  const kilobytes = existsSync("/proc/self/status")
    ? Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))![1])
    : process.resourceUsage().maxRSS;
  return 1024 * kilobytes;
}

export interface Peer {
  /** Sends a line and resolves with the number that comes back. */
  ask(line: string): Promise<number>;
  close(): void;
}

/** A Python script of `peers/` that answers each line of input with a line holding a number; null without PYTHON. */
export async function peer(script: string, ...args: string[]): Promise<Peer | null> {
  const { PYTHON } = process.env;
  if (!PYTHON) {
    console.error(`PYTHON is not set: leaving out ${script}`);
    return null;
  }
  const child = spawn(PYTHON, [join(__dirname, "peers", script), ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error" },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${script} ended before it answered`);
    return value as string;
  };
  if ((await next()) !== "ready") throw new Error(`${script} did not start`);
  return {
    ask: async (line) => {
      child.stdin.write(`${line}\n`);
      return Number(await next());
    },
    close: () => child.stdin.end(),
  };
}
