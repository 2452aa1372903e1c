/**
 * The kernel beside ipykernel and stock tslab: what a user waits for, through real sockets, in the same run.
 *
 * Each round starts every kernel once and takes all rows from it. Times are milliseconds, medians over rounds; "never"
 * means no answer within ten seconds, or variables that were lost. ipykernel is started by the Python that PYTHON names.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Request } from "zeromq";
import { type Exchange, KernelClient } from "../kernel/client";
import { address } from "../kernel/connection";
import { packageRoot } from "../kernel/entry";
import { median } from "./measure";

const ROUNDS = 1;
const NEVER_MS = 10_000;
/** How long a cell runs before it is interrupted. */
const RUNNING_MS = 300;

/** In the order in which they are measured, with the time that each may take. */
const TARGETS = {
  start: 300,
  trivialCell: 10,
  interruptLoop: 50,
  interruptAwait: 50,
  interruptAfterAwait: 50,
  interruptTimer: 50,
  heartbeat: 20,
  crashRecovery: 500,
};
type Row = keyof typeof TARGETS;
type Situation = Extract<Row, `interrupt${string}`>;

interface Contender {
  argv: string[];
  /** Asks for an interrupt, as the kernelspec says that it wants to be asked. */
  interrupt(client: KernelClient): void;
  cells: Record<Situation | "keep" | "kept" | "busy" | "exit", string>;
}

const TYPESCRIPT: Contender["cells"] = {
  keep: "const kept: number = 7; const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms));",
  kept: "if (kept !== 7) throw new Error()",
  interruptLoop: "while (true) {}",
  interruptAwait: "await new Promise(() => {});",
  interruptAfterAwait: "await sleep(1); while (true) {}",
  interruptTimer: "setTimeout(() => { while (true) {} }, 1); await new Promise(() => {});",
  busy: "const end = Date.now() + 4000; while (Date.now() < end) {}",
  exit: "process.exit(1)",
};

const PYTHON: Contender["cells"] = {
  keep: "import asyncio, os, time\nkept = 7\ndef spin():\n    while True: pass",
  kept: "assert kept == 7",
  interruptLoop: "while True: pass",
  interruptAwait: "await asyncio.sleep(600)",
  interruptAfterAwait: "await asyncio.sleep(0.001)\nwhile True: pass",
  interruptTimer: "asyncio.get_running_loop().call_later(0.001, spin)\nawait asyncio.sleep(600)",
  busy: "end = time.time() + 4\nwhile time.time() < end: pass",
  exit: "os._exit(1)",
};

function contenders(): Record<string, Contender> {
  const main = path.join(packageRoot(), "dist", "kernel", "main.js");
  if (!existsSync(main)) throw new Error("this measures the built kernel: run npm run build first");
  const bySignal = (client: KernelClient) => void client.process.kill("SIGINT");
  const tslab = path.join(path.dirname(require.resolve("tslab/package.json")), "bin", "tslab");
  const found: Record<string, Contender> = {
    loralab: {
      argv: [process.execPath, main, "{connection_file}"],
      interrupt: (client) => void client.interrupt().catch(() => {}),
      cells: TYPESCRIPT,
    },
    tslab: {
      argv: [process.execPath, tslab, "kernel", "--config-path", "{connection_file}"],
      interrupt: bySignal,
      cells: TYPESCRIPT,
    },
  };
  if (process.env.PYTHON)
    found.ipykernel = {
      argv: [process.env.PYTHON, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
      interrupt: bySignal,
      cells: PYTHON,
    };
  else console.error("PYTHON is not set: leaving out ipykernel");
  return found;
}

export async function kernelBench(): Promise<Record<string, unknown>> {
  const times: Record<string, Record<Row, number[]>> = {};
  const named = Object.entries(contenders());
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, contender] of named)
      for (const [row, time] of Object.entries(await measure(contender))) {
        times[name] ??= Object.fromEntries(Object.keys(TARGETS).map((r) => [r, [] as number[]])) as any;
        times[name]![row as Row].push(time);
      }
  const ms = (name: string, row: Row) => {
    if (!times[name]) return null;
    const time = median(times[name][row]);
    return Number.isFinite(time) ? time : "never";
  };
  const ratio = (name: string, row: Row) => {
    const [ours, theirs] = [ms("loralab", row), ms(name, row)];
    return typeof ours === "number" && typeof theirs === "number" ? ours / theirs : null;
  };
  const table = (Object.keys(TARGETS) as Row[]).map((row) => [
    row,
    {
      target: TARGETS[row],
      loralab: ms("loralab", row),
      ipykernel: ms("ipykernel", row),
      tslab: ms("tslab", row),
      ratioIpykernel: ratio("ipykernel", row),
      ratioTslab: ratio("tslab", row),
    },
  ]);
  return Object.fromEntries(table);
}

/** All rows of one kernel. */
async function measure(contender: Contender): Promise<Record<Row, number>> {
  const start = () => KernelClient.start({ argv: contender.argv, cwd: packageRoot() });
  const times = {} as Record<Row, number>;
  let client!: KernelClient;
  const prepared = async () => {
    client = await start();
    await ok(client.execute(contender.cells.keep));
  };
  times.start = await elapsed(async () => {
    client = await start();
  });
  for (let i = 0; i < 9; i++) await ok(client.execute("1+1"));
  times.trivialCell = await elapsed(() => ok(client.execute("1+1")));
  await ok(client.execute(contender.cells.keep));

  for (const situation of Object.keys(TARGETS).filter((row) => row.startsWith("interrupt")) as Situation[]) {
    const time = await interrupted(client, contender, situation);
    times[situation] = time;
    if (Number.isFinite(time)) continue;
    await client.kill();
    await prepared();
  }
  times.heartbeat = await longestHeartbeat(client, contender);
  times.crashRecovery = await elapsed(async () => {
    // A kernel that ends with its cell is started again, as a front end would.
    const survived = await client.execute(contender.cells.exit).then(
      () => true,
      () => false,
    );
    if (!survived) {
      await client.kill();
      client = await start();
    }
    await ok(client.execute("1+1"));
  });
  await client.shutdown();
  return times;
}

/** From the request to the cell's reply and `idle`; infinite unless its variables are there afterwards. */
async function interrupted(
  client: KernelClient,
  contender: Contender,
  situation: Situation,
): Promise<number> {
  const cell = client.execute(contender.cells[situation]);
  cell.catch(() => {});
  await delay(RUNNING_MS);
  const within = <T>(promise: Promise<T>) =>
    Promise.race([promise, delay(NEVER_MS, undefined, { ref: false })]);
  let exchange: Exchange | undefined;
  const time = await elapsed(async () => {
    contender.interrupt(client);
    exchange = (await within(cell)) ?? undefined;
  });
  if (exchange?.reply.content.status !== "error") return Number.POSITIVE_INFINITY;
  await delay(500); // tslab skips what comes sooner after an error
  const kept = await within(client.execute(contender.cells.kept).catch(() => {}));
  return kept?.reply.content.status === "ok" ? time : Number.POSITIVE_INFINITY;
}

/** The longest time that a heartbeat took while a synchronous cell ran for four seconds. */
async function longestHeartbeat(client: KernelClient, contender: Contender): Promise<number> {
  const heart = new Request({ linger: 0 });
  heart.connect(address(client.connection, "hb"));
  const beat = () =>
    elapsed(async () => {
      await heart.send("ping");
      await heart.receive();
    });
  await beat(); // connects
  let running = true;
  const cell = ok(client.execute(contender.cells.busy)).finally(() => {
    running = false;
  });
  let longest = 0;
  while (running) {
    longest = Math.max(longest, await beat());
    await delay(20);
  }
  await cell;
  heart.close();
  return longest;
}

async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function ok(running: Promise<Exchange>): Promise<void> {
  const { reply } = await running;
  if (reply.content.status !== "ok") throw new Error(`a cell failed: ${JSON.stringify(reply.content)}`);
}
