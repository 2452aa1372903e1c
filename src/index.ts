/** loralab: low-rank fine-tuning of real language models, to look into. This is the whole public API. */
export {
  type DoraAdapter,
  type DoraSettings,
  dora,
  full,
  type LoraAdapter,
  type LoraSettings,
  linearLayers,
  loadAdapter,
  lora,
  saveAdapter,
  type Targets,
} from "./adapters";
export * from "./display";
export {
  type Compiled,
  compile,
  crossEntropy,
  type Device,
  type DeviceReport,
  device,
  type EagerReport,
  eager,
  type HostArray,
  type InputSpec,
  matMul4bit,
  Program,
  Random,
  rmsNorm,
  type TraceOptions,
  trace,
} from "./engine";
export {
  type Adapter,
  type AdapterContext,
  type Base,
  type GenerateOptions,
  Generation,
  LanguageModel,
  type Layers,
  loadModel,
  type Method,
  type ModelConfig,
  Parameters,
  saveModel,
  Tokenizer,
} from "./model";
export {
  dequantize4bit,
  dequantizeInt4,
  type Quantized4bit,
  type QuantizedInt4,
  quantize4bit,
  quantizeInt4,
  type Settings4bit,
} from "./quantize";
export * from "./train";
