/** Write tfjs, run ONNX Runtime. */
export { type Compiled, compile } from "./compile";
export { mapOnCores } from "./cores";
export { chosenDevice, type Device, type DeviceReport, device } from "./device";
export { type EagerReport, eager } from "./eager";
export { type DType, sizeOf, type TypedArray } from "./graph";
export { crossEntropy, matMul4bit, matMulInt4, rmsNorm, rotate, softmaxAttention, swiglu } from "./ops";
export {
  type HostArray,
  type InputSpec,
  Program,
  record,
  type Tensors,
  type TraceOptions,
  trace,
} from "./program";
export { drawSeed, generator, Random } from "./random";
export { runtimeVersion } from "./runtime";
export { ComputeThread, computeThread, onThread } from "./thread";
export { mostThreads } from "./threads";
