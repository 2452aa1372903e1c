/** Runs the command line from its sources, as a user would run it built. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";

const entry = path.join(__dirname, "../../bin/loralab.ts");

export function loralab(args: string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(
    process.execPath,
    ["--import", pathToFileURL(require.resolve("tsx")).href, entry, ...args],
    {
      encoding: "utf8",
      env: { ...process.env, ...env },
    },
  );
}
