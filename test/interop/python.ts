/** Runs the reference scripts with the interpreter that the environment variable PYTHON names. */
import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs `script` of this folder, which writes into a fresh folder given as its first argument; returns that folder. */
export function reference(script: string, ...args: string[]): string {
  const { PYTHON } = process.env;
  if (!PYTHON) {
    throw new Error(
      "Set PYTHON to an interpreter that has torch, transformers, peft and safetensors: the interop tests compare with them.",
    );
  }
  const out = mkdtempSync(join(tmpdir(), "loralab-interop-"));
  execFileSync(PYTHON, [join(__dirname, script), out, ...args], {
    stdio: ["ignore", "inherit", "pipe"],
    env: { ...process.env, HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error" },
  });
  return out;
}
