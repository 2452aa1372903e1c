/** What serving the lab takes, whoever is let in: for `loralab [folder]` and `loralab hub`. */
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { InvalidArgumentError } from "commander";
import { packageRoot } from "../kernel/entry";
import { bundleFolder, bundleState, ensureBundle } from "../lab/bundle";
import { type LabOptions, type LabServer, labFolder } from "../lab/server";

/** The lab of this package on a folder. */
export async function labOptions(root: string, cullIdleMinutes: number): Promise<LabOptions> {
  const { version } = JSON.parse(fs.readFileSync(path.join(packageRoot(), "package.json"), "utf8"));
  const tutorials = path.join(packageRoot(), "notebooks");
  return { root, data: labFolder(), version, ui: await frontEnd(), tutorials, cullIdleMinutes, device };
}

/** The folder of the front end's bundle: `$LORALAB_UI`, or our own, built when it is missing or stale. */
async function frontEnd(): Promise<string> {
  if (process.env.LORALAB_UI) return path.resolve(process.env.LORALAB_UI);
  try {
    await ensureBundle((line) => console.error(line));
  } catch (error) {
    if (bundleState() === "missing") throw error;
    console.error(`${(error as Error).message}\nThe lab starts with the front end that was built before.`);
  }
  return bundleFolder();
}

/** What runs compiled code here; asked for in a process of its own, as it loads the whole engine. */
async function device(): Promise<string> {
  const args = [...process.execArgv, process.argv[1]!, "device", "--json"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  for await (const chunk of child.stdout) text += chunk;
  return JSON.parse(text).compiled.description;
}

/**
 * Ends server and process when the system asks for it, and survives faults: one in one request must not cost the kernels
 * of all.
 *
 * @param before what is done first
 * @returns what ends them too
 */
export function stopOnSignals(server: LabServer, before: () => void = () => {}): () => void {
  let isStopping = false;
  const stop = async () => {
    if (isStopping) return;
    isStopping = true;
    const kernels = server.lab.kernels.list().length;
    console.error(kernels ? `Stopping ${count(kernels)} …` : "Stopping …");
    before();
    await server.close();
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => void stop());
  process.on("uncaughtException", (error) => console.error("internal error:", error));
  process.on("unhandledRejection", (error) => console.error("internal error:", error));
  return () => void stop();
}

export function count(kernels: number): string {
  return kernels === 1 ? "1 kernel" : `${kernels} kernels`;
}

/** Parses an option. */
export function minutes(text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new InvalidArgumentError("Expected a number of minutes; 0 means never.");
  return value;
}
