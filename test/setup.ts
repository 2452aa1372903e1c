/**
 * Loaded before all tests. Properties are tried on the same cases in every run, so a failure can be repeated. Runs are
 * recorded, as everywhere, but in a folder that is gone afterwards.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";

fc.configureGlobal({ seed: 20261101 });

const runs = mkdtempSync(join(tmpdir(), "loralab-runs-"));
process.env.LORALAB_RUNS = runs;
process.on("exit", () => rmSync(runs, { recursive: true, force: true }));
