/** A language model: its files, its forward pass, its tokenizer, and the texts it writes. */
export type { Adapter, AdapterContext, Base, Method, TrainingPart } from "./adapter";
export type { Message } from "./chat";
export { configToJson, type ModelConfig, parseConfig, type RopeScaling } from "./config";
export { capacityFor, type Decodable, Decoder } from "./decoder";
export {
  type GenerateOptions,
  Generation,
  generate,
  generateBatch,
  type Prompt,
  stream,
  type TextModel,
} from "./generate";
export { LanguageModel, type LoadOptions, loadModel, saveModel } from "./language-model";
export { type ModelFiles, readModelFolder, writeModelFolder } from "./load";
export { Parameters } from "./parameters";
export { resolveModelFolder } from "./places";
export { bytesHeld } from "./quantized";
export {
  type FloatFormat,
  readSafetensors,
  readSafetensorsHeader,
  type Tensors,
  writeSafetensors,
} from "./safetensors";
export { distribution, type SamplingOptions, sample } from "./sample";
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
