/**
 * The store of runs: what `train` did, kept beyond the process that did it.
 *
 * One file for each run, of JSON lines that are only ever appended: what the run was of, then steps and evaluations as they
 * happen, then how it ended. So a run that is killed leaves all but its last half second, and a file without an end is
 * known for what it is; runs that go on at the same time, in one process or several, never touch the same file; nothing is
 * ever rewritten, locked or migrated; and any tool reads it: `jq`, or pandas' `read_json(lines=True)`. A database would
 * answer questions over very many runs sooner, but Node 20 brings none, and a native one would have to be downloaded.
 *
 * The files lie in `.loralab/runs` of the working folder, or where LORALAB_RUNS says; LORALAB_RUNS=off keeps nothing. What
 * goes wrong in writing is said once and ends no training. Trained weights are not kept: `saveAdapter` is for those that
 * are wanted.
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { type Origin, plain } from "./origin";
import { type EvaluationRecord, Run, type RunStatus, type StepRecord } from "./run";

/** Of the form of a file; raised when one could not be read as another. */
const FORMAT = 1;
/** Milliseconds between writes, at least: what a kill may cost. */
const PAUSE = 500;

interface Head {
  format: number;
  id: string;
  time: string;
  origin: Origin;
  settings: Run["settings"];
  panels: Run["panels"];
  /** Who writes it. */
  process: { pid: number; host: string };
}

interface End {
  status: RunStatus;
  error?: string;
  epoch: number;
  compileMilliseconds: number;
}

type Line =
  | ({ type: "run" } & Head)
  | ({ type: "step" } & StepRecord)
  | ({ type: "evaluation" } & EvaluationRecord)
  | ({ type: "end" } & End);

export interface Recorder {
  /** Writes what is new, if the last time is long enough ago. */
  update(): void;
  /** Writes what is left and how the run ended. */
  end(): void;
}

/** Where runs are kept; undefined for nowhere. */
export function runsFolder(): string | undefined {
  const { LORALAB_RUNS: wanted } = process.env;
  return wanted === "off" ? undefined : resolve(wanted || join(".loralab", "runs"));
}

/** The runs of this process that go on. */
const live = new Set<string>();
/** Folders that could not be written to, and of which that has been said. */
const reported = new Set<string>();

/** Begins the file of a run. @returns undefined where runs are not kept */
export function beginRecord(run: Run): Recorder | undefined {
  const folder = runsFolder();
  if (!folder) return undefined;
  const path = join(folder, fileName(run));
  const written = { steps: 0, evaluations: 0 };
  let next = performance.now() + PAUSE;
  let isOver = false;

  const write = (lines: readonly Line[], flag = "a") => {
    if (isOver || lines.length === 0) return;
    try {
      // At once: a few kilobytes twice a second take less than the bookkeeping of doing it later, and outlive a crash.
      appendFileSync(path, textOf(lines), { flag });
    } catch (error) {
      isOver = true;
      report(folder, error);
    }
  };
  const writeNew = (...more: Line[]) => {
    const steps = run.steps.slice(written.steps);
    const evaluations = run.evaluations.slice(written.evaluations);
    written.steps += steps.length;
    written.evaluations += evaluations.length;
    write([...linesOf(steps, evaluations), ...more]);
    next = performance.now() + PAUSE;
  };

  live.add(run.id);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    isOver = true;
    report(folder, error);
  }
  write([headOf(run)], "ax");
  return {
    update() {
      if (performance.now() >= next) writeNew();
    },
    end() {
      writeNew(endOf(run));
      live.delete(run.id);
    },
  };
}

const textOf = (lines: readonly Line[]): string =>
  lines.map((line) => `${JSON.stringify(plain(line))}\n`).join("");

const headOf = ({ id, time, origin, settings, panels }: Run): Line => ({
  ...{ type: "run", format: FORMAT, id, time: time.toISOString(), origin, settings, panels },
  process: { pid: process.pid, host: hostname() },
});

const linesOf = (steps: readonly StepRecord[], evaluations: readonly EvaluationRecord[]): Line[] => [
  ...steps.map((step): Line => ({ type: "step", ...step })),
  ...evaluations.map((evaluation): Line => ({ type: "evaluation", ...evaluation })),
];

const endOf = ({ status, error, epoch, compileMilliseconds }: Run): Line => ({
  ...{ type: "end", status, ...(error !== undefined && { error }), epoch, compileMilliseconds },
});

/** A run as its file has it, to be taken to another process. One that goes on has no end yet. */
export function writeRun(run: Run): string {
  const end = run.status === "running" ? [] : [endOf(run)];
  return textOf([headOf(run), ...linesOf(run.steps, run.evaluations), ...end]);
}

/**
 * Keeps a finished run that another process has recorded, as its text says, under the same id; taken twice, it is there once.
 * @throws for a text that is no run
 */
export function keepRun(text: string): Run {
  const run = parseRun(text);
  if (!run) throw new Error("keepRun: the text is no recorded run: its first line is none.");
  const folder = runsFolder();
  if (!folder) return run;
  const path = join(folder, fileName(run));
  try {
    mkdirSync(folder, { recursive: true });
    if (existsSync(path)) return run;
    // Renamed when it is whole: a process that is killed here leaves no half of a run.
    const unfinished = `${path}.${process.pid}`;
    writeFileSync(unfinished, text);
    renameSync(unfinished, path);
  } catch (error) {
    report(folder, error);
  }
  return run;
}

function report(folder: string, error: unknown): void {
  if (reported.has(folder)) return;
  reported.add(folder);
  console.warn(
    `Runs cannot be recorded in ${folder}: ${(error as Error).message}. Training goes on. ` +
      "Set LORALAB_RUNS to a folder that can be written to, or to off.",
  );
}

/** "20261124-093012-417-k3f9q2xw.jsonl": names in the order of time, to the millisecond. */
const fileName = ({ id, time }: Run): string =>
  `${time.toISOString().slice(0, 23).replace(/[-:]/g, "").replace(/[T.]/g, "-")}-${id}.jsonl`;

/**
 * One recorded run by its id, or by as much of the id as tells it apart. It is what the live run was, but for the weights:
 * `.curves`, `.table` and `compare` work with it.
 * @throws when there is none or more than one
 */
export function loadRun(id: string): Run {
  const names = files().filter((name) => idOf(name).startsWith(id));
  const [name] = names;
  if (id === "" || names.length !== 1) {
    const found = names.length > 1 ? names.map(idOf) : files().map(idOf);
    const shown = found.slice(0, 5).join(", ");
    throw new Error(
      `loadRun: ${names.length > 1 ? `${names.length} runs` : "no run"} of ${runsFolder() ?? "LORALAB_RUNS=off"} ` +
        `${names.length > 1 ? "begin" : "begins"} with "${id}"; ` +
        `${names.length > 1 ? "they" : "the newest"} are ${shown || "none"}${found.length > 5 ? ", …" : ""}. runs() lists them all.`,
    );
  }
  const run = readRun(join(runsFolder()!, name!));
  if (!run) throw new Error(`loadRun: ${join(runsFolder()!, name!)} is damaged: its first line is no run.`);
  return run;
}

/** All recorded runs, newest first; files that are none are passed over. */
export function loadRuns(): Run[] {
  return files()
    .flatMap((name) => readRun(join(runsFolder()!, name)) ?? [])
    .sort((a, b) => b.time.getTime() - a.time.getTime());
}

/** Names of the files that may hold runs, newest first. */
function files(): string[] {
  const folder = runsFolder();
  if (!folder || !existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^\d{8}-\d{6}-\d{3}-[a-z0-9]{8}\.jsonl$/.test(name))
    .sort()
    .reverse();
}

const idOf = (name: string): string => name.slice(-"k3f9q2xw.jsonl".length, -".jsonl".length);

/** Undefined for what is none of ours or cannot be read. Lines that are cut off or damaged are left out. */
function readRun(path: string): Run | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  return parseRun(text);
}

/** Undefined for a text that is no run. */
export function parseRun(text: string): Run | undefined {
  const lines = text.split("\n").map(parsed);
  const head = lines[0];
  if (head?.type !== "run" || head.format !== FORMAT) return undefined;
  const run = new Run(head.origin, head.settings, head.panels);
  run.id = head.id;
  run.time = new Date(head.time);
  run.status = isLive(head) ? "running" : "interrupted";
  for (const line of lines) {
    if (line?.type === "step") {
      const { type: _type, ...step } = line;
      run.steps.push(step);
    } else if (line?.type === "evaluation") {
      const { type: _type, ...evaluation } = line;
      run.evaluations.push(evaluation);
    } else if (line?.type === "end") {
      const { type: _type, ...end } = line;
      Object.assign(run, end);
    }
  }
  return run;
}

function parsed(line: string): Line | undefined {
  try {
    return JSON.parse(line, (_key, value) => (NUMBERS.has(value) ? Number(value) : value)) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Numbers that JSON lacks, as `plain` writes them. */
const NUMBERS = new Set<unknown>(["NaN", "Infinity", "-Infinity"]);

/** Whether the process that writes the file still does. One of our own number is ours, or of a container before. */
function isLive({ id, process: { pid, host } }: Head): boolean {
  if (pid === process.pid) return live.has(id);
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
