/**
 * ONNX Runtime as a page has it: the same operators compiled to WebAssembly, and its WebGPU provider. Its .wasm file is
 * looked for beside the script; `env.wasm.wasmPaths` says where else it may be.
 */
import * as ort from "onnxruntime-web/webgpu";

export * from "onnxruntime-web/webgpu";

declare const navigator: { readonly gpu?: object };

/** What Node calls "cpu" is WebAssembly here. Whether there is an adapter behind WebGPU is known only when it is asked for. */
export const providers = (): string[] => ["cpu", ...("gpu" in navigator ? ["webgpu"] : [])];

export const runtimeVersion = (): string => ort.env.versions.web ?? ort.env.versions.common;
