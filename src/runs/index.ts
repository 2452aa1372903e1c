/** Many runs: repetitions over seeds, and sweeps over settings. */
export type { Named } from "./groups";
