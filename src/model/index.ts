/** A language model: its files, its forward pass, its tokenizer. */
export { configToJson, type ModelConfig, parseConfig, type RopeScaling } from "./config";
export { type ModelFiles, readModelFolder, resolveModelFolder, writeModelFolder } from "./load";
export {
  type FloatFormat,
  readSafetensors,
  readSafetensorsHeader,
  type Tensors,
  writeSafetensors,
} from "./safetensors";
export { loadTokenizer, type StreamDecoder, Tokenizer } from "./tokenizer";
export {
  baseLayers,
  type HiddenOptions,
  hiddenStates,
  type Layers,
  logits,
  type Past,
  weightShapes,
} from "./transformer";
export type { Adapter, AdapterContext, Base, Method } from "./adapter";
export {
  type GenerateOptions,
  type Generation,
  generate,
  generateBatch,
  stream,
} from "./generate";
export { LanguageModel, loadModel } from "./language-model";
export { Parameters } from "./parameters";
