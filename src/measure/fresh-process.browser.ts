/** A page has no processes. */
import type { Resident, Work } from "./fresh-process";

export type { Resident };

export async function residentMemory(_work: Work): Promise<Resident> {
  throw new Error(
    "measureMemory: a page cannot start a process to measure; plan(model) says what training takes.",
  );
}
