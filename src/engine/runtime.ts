/** ONNX Runtime as Node has it: its native library. Its counterpart in a page is `runtime.browser.ts`. */
import * as ort from "onnxruntime-node";

export * from "onnxruntime-node";

/** Names of the execution providers that this build was made with; a driver may still be missing. */
export const providers = (): string[] => ort.listSupportedBackends().map(({ name }) => name);

export const runtimeVersion = (): string => ort.env.versions.node ?? ort.env.versions.common;
