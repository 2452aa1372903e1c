/** A program run in a process of its own, whose resident memory is watched. In a page there is none: `fresh-process.browser.ts`. */
import { fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import type { InputSpec } from "../engine";

/** What the other process is given: a file with the model, one with the constants, and where they are in it. */
export interface Job {
  model: string;
  constants: string;
  places: { path: string; offset: number; length: number }[];
  inputs: Record<string, InputSpec>;
  steps: number;
}

/** Resident memory in bytes, above that of the process before it was given anything. */
export interface Resident {
  /** With the frozen weights read. */
  weights: number;
  /** With the session made. */
  session: number;
  /** The highest while it was training. */
  peak: number;
}

/** A program that takes training steps, with its constants. */
export interface Work extends Pick<Job, "inputs" | "steps"> {
  model: Uint8Array;
  externalData: readonly { path: string; data: Uint8Array }[];
}

/** What it takes to run the program, above what the process had before it was given anything. */
export async function residentMemory({ model, externalData, inputs, steps }: Work): Promise<Resident> {
  const folder = mkdtempSync(join(tmpdir(), "loralab-memory-"));
  try {
    let offset = 0;
    const places = externalData.map(({ path, data }) => {
      const place = { path, offset, length: data.byteLength };
      offset += data.byteLength;
      return place;
    });
    const [file, constants] = [join(folder, "step.onnx"), join(folder, "constants")];
    writeFileSync(file, model);
    writeFileSync(constants, "");
    for (const { data } of externalData) writeFileSync(constants, data, { flag: "a" });
    return await run({ model: file, constants, places, inputs, steps });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the job in a process of its own; from TypeScript, as tests do, with the loader that this process has. */
function run(job: Job): Promise<Resident> {
  const extension = extname(__filename);
  return new Promise((resolve, reject) => {
    const child = fork(join(__dirname, `memory-measurement.child${extension}`), [], {
      execArgv: ["--expose-gc", ...(extension === ".ts" ? ["--require", require.resolve("tsx/cjs")] : [])],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    let said = "";
    child.stderr!.on("data", (text) => {
      said += text;
    });
    child.on("message", (resident) => resolve(resident as Resident));
    child.on("error", reject);
    child.on("exit", (code, signal) =>
      reject(new Error(`measureMemory: the measuring process ended (${signal ?? code}): ${said}`)),
    );
    child.send(job);
  });
}
