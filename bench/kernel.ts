/**
 * The kernel beside ipykernel and stock tslab: what a user waits for, through real sockets, in the same run.
 *
 * Each round starts every kernel once and takes all rows from it. Times are milliseconds, medians over rounds; "never"
 * means that there was no answer within five seconds, that variables were lost, or that the cell went on behind the
 * answer. ipykernel is started by the Python that PYTHON names.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Request } from "zeromq";
import { type Exchange, KernelClient } from "../kernel/client";
import { address } from "../kernel/connection";
import { packageRoot } from "../kernel/entry";
import { median } from "./measure";

const ROUNDS = 3;
const NEVER_MS = 5000;
/** How long a cell runs before it is interrupted. */
const RUNNING_MS = 300;
/** How long the awaited cell would take, and a late output takes. */
const AWAITED_MS = 6000;
const LATE_MS = 300;

/** In the order in which they are measured, with the time that each may take. A trivial cell is `1+1`, from the tenth on. */
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

/** What has no time but a right answer. */
const RIGHT = { processExit: "kernel lives", lateOutput: "its own cell" };
type Fact = keyof typeof RIGHT;
type Measured = Record<Row, number> & Record<Fact, string>;
type Situation = Extract<Row, `interrupt${string}`>;

interface Contender {
  argv: string[];
  /** Asks for an interrupt, as the kernelspec says that it wants to be asked. */
  interrupt(client: KernelClient): void;
  cells: Record<Situation | "keep" | "kept" | "busy" | "exit" | "late", string>;
}

const TYPESCRIPT: Contender["cells"] = {
  keep: "const kept: number = 7; const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms)); const went = { on: false };",
  kept: "if (kept !== 7 || went.on) throw new Error()",
  interruptLoop: "while (true) {}",
  interruptAwait: `await sleep(${AWAITED_MS}); went.on = true;`,
  interruptAfterAwait: "await sleep(1); while (true) {}",
  interruptTimer: "setTimeout(() => { while (true) {} }, 1); await new Promise(() => {});",
  busy: "const end = Date.now() + 4000; while (Date.now() < end) {}",
  exit: "process.exit(1)",
  late: `setTimeout(() => console.log("late"), ${LATE_MS});`,
};

const PYTHON: Contender["cells"] = {
  keep: "import asyncio, os, time\nkept = 7\nwent_on = False\ndef spin():\n    while True: pass",
  kept: "assert kept == 7 and not went_on",
  interruptLoop: "while True: pass",
  interruptAwait: `await asyncio.sleep(${AWAITED_MS / 1000})\nwent_on = True`,
  interruptAfterAwait: "await asyncio.sleep(0.001)\nwhile True: pass",
  interruptTimer: "asyncio.get_running_loop().call_later(0.001, spin)\nawait asyncio.sleep(600)",
  busy: "end = time.time() + 4\nwhile time.time() < end: pass",
  exit: "os._exit(1)",
  late: `_ = asyncio.get_running_loop().call_later(${LATE_MS / 1000}, print, "late")`,
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
  const measured: Record<string, Measured[]> = {};
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, contender] of Object.entries(contenders())) {
      measured[name] ??= [];
      measured[name].push(await measure(contender));
    }
  const ms = (name: string, row: Row) => {
    if (!measured[name]) return null;
    const time = median(measured[name].map((round) => round[row]));
    return Number.isFinite(time) ? time : "never";
  };
  const ratio = (name: string, row: Row) => {
    const [ours, theirs] = [ms("loralab", row), ms(name, row)];
    return typeof ours === "number" && typeof theirs === "number" ? ours / theirs : null;
  };
  const told = (name: string, fact: Fact) =>
    measured[name] ? [...new Set(measured[name].map((round) => round[fact]))].join(", ") : null;
  const times = (Object.keys(TARGETS) as Row[]).map((row) => [
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
  const facts = (Object.keys(RIGHT) as Fact[]).map((fact) => [
    fact,
    {
      target: RIGHT[fact],
      loralab: told("loralab", fact),
      ipykernel: told("ipykernel", fact),
      tslab: told("tslab", fact),
    },
  ]);
  return Object.fromEntries([...times, ...facts]);
}

/** All rows of one kernel. */
async function measure(contender: Contender): Promise<Measured> {
  const start = () => KernelClient.start({ argv: contender.argv, cwd: packageRoot() });
  const times = {} as Measured;
  let client!: KernelClient;
  const prepared = async () => {
    client = await start();
    await ok(client.execute(contender.cells.keep));
  };
  times.start = await elapsed(async () => {
    client = await start();
  });
  for (let i = 0; i < 9; i++) await ok(client.execute("1+1"));
  const trivial: number[] = [];
  for (let i = 0; i < 10; i++) trivial.push(await elapsed(() => ok(client.execute("1+1"))));
  times.trivialCell = median(trivial);
  await ok(client.execute(contender.cells.keep));

  for (const situation of Object.keys(TARGETS).filter((row) => row.startsWith("interrupt")) as Situation[]) {
    const time = await interrupted(client, contender, situation);
    times[situation] = time;
    if (Number.isFinite(time)) continue;
    await client.kill();
    await prepared();
  }
  times.lateOutput = await ownerOfLateOutput(client, contender);
  times.heartbeat = await longestHeartbeat(client, contender);
  times.crashRecovery = await elapsed(async () => {
    // A kernel that ends with its cell is started again, as a front end would.
    const survived = await client.execute(contender.cells.exit).then(
      () => true,
      () => false,
    );
    times.processExit = survived ? "kernel lives" : "kernel ends";
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
  // What was awaited would be over then; and tslab skips what comes soon after an error.
  await delay(situation === "interruptAwait" ? AWAITED_MS : 500);
  const kept = await within(client.execute(contender.cells.kept).catch(() => {}));
  return kept?.reply.content.status === "ok" ? time : Number.POSITIVE_INFINITY;
}

/** Which cell a front end shows an output with that came after its cell had ended, and after another had run. */
async function ownerOfLateOutput(client: KernelClient, contender: Contender): Promise<string> {
  const { reply } = await client.execute(contender.cells.late);
  await ok(client.execute("1+1"));
  await delay(2 * LATE_MS);
  const message = client.published.find(({ content }) => /^late/.test(String(content.text)));
  if (!message) return "nowhere";
  return message.parent.msg_id === reply.parent.msg_id ? "its own cell" : "another cell";
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
