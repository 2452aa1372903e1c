/** The methods: each a file, each a way to change the layers of a frozen model. */
export { type AdaloraAdapter, type AdaloraSettings, adalora } from "./adalora";
export { type WeightChange, weightChange } from "./decomposition";
export { type DoraAdapter, type DoraSettings, dora } from "./dora";
export { type EvaMethod, type EvaSettings, eva } from "./eva";
export { full } from "./full";
export { type HoulsbyAdapter, type HoulsbySettings, houlsby } from "./houlsby";
export type { Initialisation } from "./initialisation";
export { type LoftqSettings, loftq } from "./loftq";
export { type LoraAdapter, type LoraSettings, lora } from "./lora";
export { type MixtureAdapter, type MixtureSettings, mixture, routing } from "./mixture";
export { olora } from "./olora";
export { loadAdapter, saveAdapter } from "./peft";
export { pissa } from "./pissa";
export { type QaLoraAdapter, type QaLoraSettings, qalora } from "./qalora";
export type { RankRecord } from "./rank-allocator";
export { fromSingular, type SingularVectors, svd, svdOfProduct } from "./svd";
export { linearLayers, type Targets } from "./targets";
export { type VeraAdapter, type VeraSettings, vera } from "./vera";
