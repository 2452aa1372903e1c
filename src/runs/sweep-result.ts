/** What came of a sweep: cell by cell the runs, and what they say with their intervals. */
import { type Statistics, statistics } from "../measure/statistics";
import { HELD_OUT, type Run, TRAINING } from "../train/run";
import type { Cell } from "./grid";

/** A cell with its trials. */
export interface Trials extends Cell {
  /** The finished ones, in the order of the seeds. */
  runs: Run[];
  failures: { seed: number; reason: string }[];
}

/** A cell with what its seeds came to. */
export interface CellResult extends Trials {
  /** By name: "training loss", "held-out loss", and other measures that all runs have. */
  outcome: Readonly<Record<string, Statistics>>;
}

export class Sweep {
  /** In the order of the grid. */
  readonly cells: readonly CellResult[];
  /** Trials that were not begun or not finished, because the sweep was stopped. */
  readonly missing: number;

  constructor(
    /** The same for every call with the same arguments; the runs of the sweep have it as their note "sweep". */
    readonly id: string,
    /** Names of the axes. */
    readonly axes: readonly string[],
    trials: readonly Trials[],
    total: number,
  ) {
    this.cells = trials.map((cell) => ({ ...cell, outcome: outcomes(cell.runs) }));
    const over = trials.map(({ runs, failures }) => runs.length + failures.length);
    this.missing = total - over.reduce((sum, count) => sum + count, 0);
  }

  /** All finished runs, as `compare` takes them. */
  get runs(): Run[] {
    return this.cells.flatMap(({ runs }) => runs);
  }

  /** What was measured in any cell. */
  get measures(): string[] {
    return [...new Set(this.cells.flatMap(({ outcome }) => Object.keys(outcome)))];
  }

  /** What cells are ranked by: the held-out loss, or the training loss where nothing was held out. */
  get criterion(): string {
    return this.measures.includes(HELD_OUT) ? HELD_OUT : TRAINING;
  }

  /** The cell with the lowest mean of the criterion, of those in which no trial failed; undefined where there is none. */
  get best(): CellResult | undefined {
    return this.ranked(this.criterion)[0];
  }

  /** Cells in which no trial failed, the lowest mean of a measure first. */
  ranked(measure: string): CellResult[] {
    return this.cells
      .filter(({ outcome, failures }) => outcome[measure] && failures.length === 0)
      .sort((a, b) => a.outcome[measure]!.mean - b.outcome[measure]!.mean);
  }
}

function outcomes(runs: readonly Run[]): Record<string, Statistics> {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.outcome)))];
  const values = names.map((name): [string, number[]] => [name, runs.map((run) => run.outcome[name]!)]);
  return Object.fromEntries(
    values.filter(([, all]) => all.every(Number.isFinite)).map(([name, all]) => [name, statistics(all)]),
  );
}
