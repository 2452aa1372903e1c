/** The computer that a run is made on, and its hash. The counterpart in a page is `computer.browser.ts`. */
import { createHash } from "node:crypto";
import { availableParallelism, cpus } from "node:os";
import { runtimeVersion } from "../engine";
import { packageVersion } from "../model/places";

/** Where steps are computed that are computed on the CPU. */
export const computer = (): { cpu: string; cores: number } => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: availableParallelism(),
});

/** Of loralab, Node and ONNX Runtime. */
export const versions = (): Record<string, string> => ({
  loralab: packageVersion(),
  node: process.versions.node,
  onnxruntime: runtimeVersion(),
});

/** A hash in the making. */
export interface Hash {
  update(data: string | ArrayBufferView): Hash;
  digest(encoding: "hex"): string;
}

export const sha256 = (): Hash => createHash("sha256");
