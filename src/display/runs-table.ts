/** All recorded runs as a danfo DataFrame, to be looked through, filtered and sorted. */
import { said } from "../runs/groups";
import type { Run } from "../train/run";
import { loadRuns } from "../train/store";
import { type DataFrame, dataFrame } from "./data-frame";

/**
 * The runs that were recorded in this folder, one row each, the newest first: id, time, status, model, method with its
 * settings, what training was told, what the run came to ("training loss", "held-out loss" and other measures), seconds, and
 * notes. `loadRun(id)` gives one of them back, with its curves; `compare(loadRuns())` compares them.
 */
export function runs(): DataFrame {
  return runsTable(loadRuns());
}

export function runsTable(all: readonly Run[]): DataFrame {
  const union = (names: (run: Run) => object) => [...new Set(all.flatMap((run) => Object.keys(names(run))))];
  const outcomes = union(({ outcome }) => outcome);
  // What a sweep knows its trials by tells a reader nothing.
  const notes = union(({ origin }) => origin.notes).filter((name) => name !== "trial");
  const columns: [name: string, value: (run: Run) => string | number][] = [
    ["id", ({ id }) => id],
    ["time", ({ time }) => localTime(time)],
    ["status", ({ status }) => status],
    ["model", ({ origin }) => origin.model],
    ["method", ({ origin }) => origin.method],
    ["settings", ({ origin }) => settingsInWords(origin.adapter)],
    ["trainable", ({ origin }) => origin.trainable],
    ["objective", ({ settings }) => String(settings.objective ?? "sft")],
    ["learningRate", ({ settings }) => number(settings.learningRate)],
    ["batchSize", ({ settings }) => number(settings.batchSize)],
    ["seed", ({ settings }) => number(settings.seed)],
    ["steps", ({ steps }) => steps.at(-1)?.step ?? 0],
    ...outcomes.map((name): [string, (run: Run) => number] => [name, ({ outcome }) => number(outcome[name])]),
    ["seconds", ({ seconds }) => Number(seconds.toFixed(1))],
    ...notes.map((name): [string, (run: Run) => string] => [name, ({ origin }) => origin.notes[name] ?? ""]),
  ];
  const rows = all.map((run) => columns.map(([, value]) => value(run)));
  return dataFrame(
    rows,
    columns.map(([name]) => name),
  );
}

const number = (value: unknown): number => (typeof value === "number" ? value : Number.NaN);

/** "2026-11-24 09:30:12", on the clock of this computer. */
function localTime(time: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  return `${date} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":")}`;
}

/** "rank 8, alpha 16, targets q_proj+v_proj": what is set; what is off or empty is left out. */
function settingsInWords(settings: Readonly<Record<string, unknown>>): string {
  const isSet = (value: unknown) => ![undefined, null, false, 0].includes(value as never) && !isEmpty(value);
  return Object.entries(settings)
    .filter(([, value]) => isSet(value))
    .map(([name, value]) => (value === true ? name : `${name} ${said(value)}`))
    .join(", ");
}

const isEmpty = (value: unknown) => typeof value === "object" && Object.keys(value as object).length === 0;
