/**
 * Runs that differ in nothing but their seed are repetitions of one experiment. What they share is told by their mean, how
 * far chance moves it by Student's interval (src/measure/statistics.ts).
 */
import { type Statistics, statistics } from "../measure/statistics";
import { hashOf } from "../train/origin";
import type { Run } from "../train/run";

/** Repetitions of one experiment. */
export interface Group {
  name: string;
  /** Those that count: with steps, not failed, each seed once. */
  runs: readonly Run[];
  /** How many failed. */
  failed: number;
}

/** One run or several by a name of one's own. */
export type Named = Readonly<Record<string, Run | readonly Run[]>>;

/**
 * Groups runs by what they were of, their seed apart, in the order of their first ones; each is named after the settings
 * in which the groups differ.
 * @param runs or groups that have names already, which stay as they are
 * @throws for no runs
 */
export function groups(runs: readonly Run[] | Named): Group[] {
  if (!Array.isArray(runs)) {
    const named = Object.entries(runs as Named);
    if (named.length === 0) throw new Error("compare: expected runs, got none.");
    return named.map(([name, some]) => group(name, [some].flat() as Run[]));
  }
  if (runs.length === 0) throw new Error("compare: expected runs, got none.");
  const byKey = new Map<string, Run[]>();
  for (const run of runs as readonly Run[]) {
    const key = hashOf(subject(run))!;
    byKey.set(key, [...(byKey.get(key) ?? []), run]);
  }
  const all = [...byKey.values()];
  const names = distinguish(
    all.map(([first]) => first!),
    { seed: false },
  );
  return all.map((some, i) => group(names[i] || `runs ${i + 1}`, some));
}

function group(name: string, runs: readonly Run[]): Group {
  const seen = new Set<string>();
  const counted = runs.filter((run) => {
    // The same run done twice is no second repetition.
    const key = JSON.stringify([run.settings.seed, run.losses]);
    if (run.status === "failed" || run.steps.length === 0 || seen.has(key)) return false;
    return seen.add(key);
  });
  return { name, runs: counted, failed: runs.filter(({ status }) => status === "failed").length };
}

/** All that decides a run but the seed. */
function subject({ origin, settings }: Run): Record<string, unknown> {
  // What an adapter starts from follows from its seed.
  const { notes: _notes, versions: _versions, start: _start, device, ...what } = origin;
  const { seed: _seed, ...course } = settings;
  return { ...what, device: device.name, ...course };
}

/**
 * The settings in which runs differ, in words: "rank 8", "full, learningRate 0.0001"; "" where in none. Of what
 * only some methods have, it is asked whether those that have it differ; an alpha that is always the rank says nothing.
 */
export function distinguish(runs: readonly Run[], { seed = true } = {}): string[] {
  const isRank = runs.every(({ origin: { adapter } }) => adapter.alpha === adapter.rank);
  const all = runs.map(({ origin, settings }): Record<string, unknown> => {
    const { model, method, adapter, earlierSteps, device } = origin;
    const { alpha, ...own } = adapter;
    const { seed: number, ...rest } = settings;
    return {
      model,
      method,
      ...own,
      ...(!isRank && { alpha }),
      ...rest,
      ...(seed && { seed: number }),
      "earlier steps": earlierSteps,
      device: device.name,
    };
  });
  const values = (some: typeof all, key: string) => new Set(some.map((one) => said(one[key])));
  const methods = [...new Set(all.map(({ method }) => method))];
  const differing = [...new Set(all.flatMap((one) => Object.keys(one)))].filter(
    (key) =>
      values(
        all.filter((one) => one[key] !== undefined),
        key,
      ).size > 1 ||
      methods.some(
        (method) =>
          values(
            all.filter((one) => one.method === method),
            key,
          ).size > 1,
      ),
  );
  return all.map((one) =>
    differing
      .filter((key) => one[key] !== undefined)
      .map((key) => (key === "method" ? said(one[key]) : `${key} ${said(one[key])}`))
      .join(", "),
  );
}

/** A setting's value in a word. */
export function said(value: unknown): string {
  if (Array.isArray(value)) return value.map(said).join("+");
  return typeof value === "object" && value !== null && !(value instanceof RegExp)
    ? JSON.stringify(value)
    : String(value);
}

/** What the runs of a group came to under a name; undefined where one lacks it. */
export function outcome({ runs }: Pick<Group, "runs">, name: string): Statistics | undefined {
  const values = runs.map((run) => run.outcome[name]);
  return values.length > 0 && values.every((value) => Number.isFinite(value))
    ? statistics(values as number[])
    : undefined;
}

/** Whether two means may be one: their 95 % intervals meet. Undefined where one of them has none. */
export function overlap(a: Statistics, b: Statistics): boolean | undefined {
  if (a.n < 2 || b.n < 2) return undefined;
  return a.interval[0] <= b.interval[1] && b.interval[0] <= a.interval[1];
}
