/** The child leads a process group of its own (not on Windows): what its cells start ends with it. */
export const OWN_GROUP = process.platform !== "win32";

/** Ends the child `pid` and all processes of its group; of a child that is gone, what is left of them. */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return; // it never started
  try {
    process.kill(OWN_GROUP ? -pid : pid, "SIGKILL");
  } catch {
    // all are gone
  }
}
