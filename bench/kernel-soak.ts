/**
 * A long session of the kernel: 1,000 cells of many kinds, 100 interrupts at random moments, 20 crashes. It must answer to the
 * end, with the variables that should be there, and its memory must return to what it was after the first cells.
 */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Exchange, KernelClient } from "../kernel/client";
import { packageRoot } from "../kernel/entry";
import { generator } from "../src/engine";

const CELLS = 1000;
const INTERRUPTS = 100;
const CRASHES = 20;
const WARM_UP = 100;
const PAUSE_SECONDS = 30;

/** Ordinary cells, which a session runs again and again; `i` is the number of the cell. */
const KINDS: ((i: number) => string)[] = [
  (i) => `${i} + 1`,
  (i) => `let a = ${i}; let b = [a, a * 2]; b`,
  (i) => `function f(x: number): number { return x * ${i} }\nf(2)`,
  (i) => `interface Point { x: number; y: number }\nconst p: Point = { x: ${i}, y: 1 }; p`,
  (i) => `for (let k = 0; k < 500; k++) console.log(${i}, k)`,
  (i) => `const wrong: string = ${i}`,
  (i) => `throw new RangeError("on purpose, ${i}")`,
  () => "await new Promise((resolve) => setTimeout(resolve, 5)); 'waited'",
  () => "import path from 'node:path'; path.join('a', 'b')",
  (i) => `display({ n: ${i} }, { id: 'one' }); display('again', { id: 'one' })`,
  () => "const large = new Float32Array(2_000_000).fill(1); large.length",
  () => "setTimeout(() => console.log('late'), 1);",
];

/** What is interrupted: it never ends by itself. */
const ENDLESS = [
  "while (true) {}",
  "await new Promise(() => {})",
  "while (true) await new Promise((resolve) => setTimeout(resolve, 1))",
  "await new Promise((resolve) => setTimeout(resolve, 1)); while (true) Math.random()",
  "while (true) console.log('without end')",
  "setTimeout(() => { while (true) {} }, 1); await new Promise(() => {})",
];

const DEADLY = [
  "process.exit(1)",
  "process.kill(process.pid, 'SIGKILL'); await new Promise(() => {})",
  "process.abort()",
];

export async function kernelSoak(): Promise<Record<string, unknown>> {
  const main = path.join(packageRoot(), "dist", "kernel", "main.js");
  if (!existsSync(main)) throw new Error("this runs the built kernel: run npm run build first");
  const client = await KernelClient.start({ argv: [process.execPath, main, "{connection_file}"] });
  const random = generator(1);
  const pick = <T>(list: T[]): T => list[Math.floor(random() * list.length)]!;
  let [kept, lost] = [0, 0];

  const ordinary = async (i: number) => {
    const code = pick(KINDS)(i);
    const { reply } = await client.execute(code);
    const shouldFail = /wrong|on purpose/.test(code);
    if ((reply.content.status === "error") !== shouldFail)
      throw new Error(`cell ${i} was answered ${JSON.stringify(reply.content)}:\n${code}`);
  };
  const interrupted = async () => {
    const marker = randomUUID();
    await expectOk(client.execute(`var marker = "${marker}"`));
    const cell = client.execute(pick(ENDLESS));
    await delay(random() * 60);
    await client.interrupt();
    // One that comes before the cell has begun stops nothing, in any kernel: ask again, as a user would.
    const again = setInterval(() => void client.interrupt().catch(() => {}), 2500);
    const { reply } = await cell;
    clearInterval(again);
    if (reply.content.ename !== "Interrupted") throw new Error(`got ${JSON.stringify(reply.content)}`);
    if (/are lost/.test(String(reply.content.evalue))) {
      lost++;
      return;
    }
    await expectOk(client.execute(`if (marker !== "${marker}") throw new Error("the marker is gone")`));
    kept++;
  };
  const crashed = async () => {
    const { reply } = await client.execute(pick(DEADLY));
    if (reply.content.ename !== "ProcessEnded") throw new Error(`got ${JSON.stringify(reply.content)}`);
  };

  for (let i = 0; i < WARM_UP; i++) await ordinary(i);
  const start = await settledMegabytes(client);
  const everyInterrupt = Math.floor(CELLS / INTERRUPTS);
  const everyCrash = Math.floor(CELLS / CRASHES);
  let peak = start.both;
  for (let i = 0; i < CELLS; i++) {
    await ordinary(i);
    if (i % everyInterrupt === everyInterrupt - 1) await interrupted();
    if (i % everyCrash === everyCrash - 1) await crashed();
    client.published.length = 0;
    if (i % 10 === 0) peak = Math.max(peak, (await megabytes(client)).both);
  }
  for (let i = 0; i < WARM_UP; i++) await ordinary(i); // the last crash left a fresh child: as at the start
  const end = await settledMegabytes(client);
  await expectOk(client.execute("1 + 1"));
  await client.shutdown();
  return {
    cells: CELLS,
    interrupts: kept + lost,
    variablesLost: lost,
    crashes: CRASHES,
    startMegabytes: start.both,
    startOfKernel: start.kernel,
    startOfChild: start.child,
    peakMegabytes: peak,
    endMegabytes: end.both,
    endOfKernel: end.kernel,
    endOfChild: end.child,
    growth: end.both / start.both - 1,
    logLines: client.log.split("\n").length - 1,
  };
}

async function expectOk(running: Promise<Exchange>): Promise<void> {
  const { reply } = await running;
  if (reply.content.status !== "ok") throw new Error(`a cell failed: ${JSON.stringify(reply.content)}`);
}

/** Resident memory of the kernel, its compiler included, and of the process that runs the cells. */
async function megabytes(client: KernelClient): Promise<Memory> {
  return residentMegabytes(client.process.pid!, await childOf(client));
}

async function childOf(client: KernelClient): Promise<number> {
  const { reply } = await client.execute("", { silent: true, user_expressions: { pid: "process.pid" } });
  return Number((reply.content.user_expressions as any).pid.data["text/plain"]);
}

interface Memory {
  kernel: number;
  child: number;
  both: number;
}

function residentMegabytes(...pids: [kernel: number, child: number]): Memory {
  const [kernel, child] = pids.map(
    (pid) => Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) / 1000,
  ) as [number, number];
  return { kernel, child, both: kernel + child };
}

/** What a cell runs to collect the garbage of the cells before it: twice, as the kernel itself does. */
const COLLECT = `
  require("node:v8").setFlagsFromString("--expose-gc");
  for (let pass = 0; pass < 2; pass++) {
    await require("node:vm").runInNewContext("gc")({ type: "major", execution: "async", flavor: "last-resort" });
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }`;

/** The least within a pause: an idle kernel collects its own garbage after ten and twenty seconds. */
async function settledMegabytes(client: KernelClient): Promise<Memory> {
  await expectOk(client.execute(COLLECT));
  const child = await childOf(client);
  let least = { kernel: 0, child: 0, both: Number.POSITIVE_INFINITY };
  for (let i = 0; i < PAUSE_SECONDS; i++) {
    await delay(1000);
    const now = residentMegabytes(client.process.pid!, child);
    if (now.both < least.both) least = now;
  }
  return least;
}
