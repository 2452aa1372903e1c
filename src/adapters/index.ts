/** The methods: each a file, each a way to change the layers of a frozen model. */
export { type WeightChange, weightChange } from "./decomposition";
export { type DoraAdapter, type DoraSettings, dora } from "./dora";
export { full } from "./full";
export { type LoraAdapter, type LoraSettings, lora } from "./lora";
export { loadAdapter, saveAdapter } from "./peft";
export { linearLayers, type Targets } from "./targets";
export { type VeraAdapter, type VeraSettings, vera } from "./vera";
