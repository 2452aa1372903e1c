/**
 * A classroom on one machine: 20 kernels at once. How long until all answer, what each takes of memory, and how long a user
 * waits for a trivial cell while the others are idle and while five of them train.
 *
 * Memory is proportional (PSS, Linux alone): what processes share, as the pages of Node.js and its libraries, is divided
 * among them, so that the sum is what the machine needs. Every kernel computes on one thread. Times are milliseconds.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Exchange, KernelClient } from "../kernel/client";
import { packageRoot } from "../kernel/entry";
import type { Message } from "../kernel/protocol/messages";
import { median } from "./measure";

const KERNELS = 20;
const TRAINING = 5;
const CELLS = 10;

/** Goes on for as long as the kernel, and says when it is under way. */
const TRAIN = `
import { capitals, loadModel, lora, train } from "loralab";
const base = await loadModel("small");
const student = base.attach(lora({ rank: 8 }));
await train(student, {
  data: capitals().train, steps: 100_000, batchSize: 8, display: false, record: false,
  onStep: ({ steps }) => { if (steps.length === 3) console.log("on"); },
});`;

export async function classroomBench(): Promise<Record<string, unknown>> {
  const main = path.join(packageRoot(), "dist", "kernel", "main.js");
  if (!existsSync(main)) throw new Error("this measures the built kernel: run npm run build first");
  const data = mkdtempSync(path.join(tmpdir(), "loralab-bench-"));
  const env = { LORALAB_THREADS: "1", JUPYTER_DATA_DIR: data };
  const start = () =>
    KernelClient.start({ argv: [process.execPath, main, "{connection_file}"], cwd: packageRoot(), env });
  const results: Record<string, unknown> = {};

  const alone = await begun(1, start);
  results.oneStarts = alone.started;
  results.oneHasRunACell = alone.ran;
  const [one] = alone.kernels as [KernelClient];
  await trivial(one); // the first are not counted
  results.trivialCellOfOne = median(await trivial(one));
  results.megabytesOfOne = megabytes(one);
  await one.shutdown();

  const { kernels, started, ran } = await begun(KERNELS, start);
  results.allStart = started;
  results.allHaveRunACell = ran;
  try {
    Object.assign(results, await together(kernels));
  } finally {
    await Promise.all(kernels.map((kernel) => kernel.kill()));
    rmSync(data, { recursive: true, force: true });
  }
  return results;
}

/** What they take and how they answer while all are idle, and while some train. */
async function together(kernels: readonly KernelClient[]): Promise<Record<string, number>> {
  for (const kernel of kernels) await trivial(kernel); // the first are not counted
  const idle = await waits("WhileAllAreIdle", kernels);
  const megabytesOfEach = median(kernels.map(megabytes));
  const megabytesOfAll = sum(kernels.map(megabytes));
  const training = kernels.slice(0, TRAINING);
  await Promise.all(training.map(train));
  return {
    ...idle,
    megabytesOfEach,
    megabytesOfAll,
    ...(await waits(`While${TRAINING}Train`, kernels.slice(TRAINING))),
    megabytesOfOneThatTrains: median(training.map(megabytes)),
    megabytesOfAllWhileTraining: sum(kernels.map(megabytes)),
  };
}

/** Starts kernels at once. @returns also when the last answered, and when the last had run its first cell */
async function begun(count: number, start: () => Promise<KernelClient>) {
  const from = performance.now();
  const starting = Array.from({ length: count }, start);
  const running = starting.map(async (kernel) => ok(await (await kernel).execute("1+1")));
  const kernels = await Promise.all(starting);
  const started = performance.now() - from;
  await Promise.all(running);
  return { kernels, started, ran: performance.now() - from };
}

/** Times of trivial cells, one after the other. */
async function trivial(kernel: KernelClient): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < CELLS; i++) {
    const from = performance.now();
    ok(await kernel.execute("1+1"));
    times.push(performance.now() - from);
  }
  return times;
}

async function waits(when: string, kernels: readonly KernelClient[]): Promise<Record<string, number>> {
  const times: number[] = [];
  for (const kernel of kernels) times.push(...(await trivial(kernel)));
  times.sort((a, b) => a - b);
  return {
    [`trivialCell${when}`]: median(times),
    [`percentile95${when}`]: times[Math.floor(times.length * 0.95)]!,
  };
}

/** Starts training. Resolves once it is under way; it ends with the kernel. */
function train(kernel: KernelClient): Promise<void> {
  return new Promise((resolve, reject) => {
    const onOutput = ({ header, content }: Message) => {
      if (header.msg_type === "stream" && String(content.text).includes("on")) resolve();
      if (header.msg_type === "error") reject(new Error(`training failed: ${content.evalue}`));
    };
    kernel.execute(TRAIN, { onOutput }).catch(() => {}); // the kernel is ended
  });
}

function ok({ reply }: Exchange): void {
  if (reply.content.status !== "ok") throw new Error(`a cell failed: ${JSON.stringify(reply.content)}`);
}

/** Proportional megabytes of a kernel with all its processes. */
function megabytes({ process: { pid } }: KernelClient): number {
  const parents = execFileSync("ps", ["-axo", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const tree = (root: number): number[] => [
    root,
    ...parents.filter(([, parent]) => parent === root).flatMap(([child]) => tree(child)),
  ];
  const kilobytes = tree(pid!).map((one) =>
    Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/smaps_rollup`, "utf8"))?.[1] ?? 0),
  );
  return sum(kilobytes) / 1000;
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
