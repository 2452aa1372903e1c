/** Many runs: repetitions over seeds, and sweeps over settings. */
export type { Axes, Cell, MethodOf, Point } from "./grid";
export type { Named } from "./groups";
export { type SideBySideOptions, sideBySide } from "./side-by-side";
export { type SweepOptions, sweep } from "./sweep";
export { type CellResult, Sweep } from "./sweep-result";
