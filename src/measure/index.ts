/** What things cost, and what adapters are inside: parameters, memory, spectra, intruder dimensions. */

export { type Alignment, alignments } from "./alignment";
export { blended, type Weights } from "./blend";
export { type Architecture, catalogueNames } from "./catalogue";
export type { Cloze } from "./cloze";
export { type Evidence, Exploration, type Position } from "./exploration";
export { type BlendExploration, type BlendValue, explore } from "./explore";
export { type ForgettingSettings, forgetting } from "./forgetting";
export { COMPUTERS, type Computer, type Fit } from "./hardware";
export {
  type IntruderCounts,
  IntruderReport,
  type IntruderSettings,
  Intruders,
  intruderMeasures,
  intruders,
} from "./intruders";
export type { MemoryTerm, PlanMethod, PlanSettings } from "./memory";
export { MemoryMeasurement, measureMemory } from "./memory-measurement";
export { type LayerError, OutputErrors, outputErrors } from "./output-errors";
export { type BenchmarkResult, PEFT_BENCHMARK } from "./peft-benchmark";
export { Plan, type Plannable, Plans, plan, plans } from "./plan";
export { PlanExploration } from "./plan-exploration";
export { scaleIntruders } from "./scaled-intruders";
export { type SourceProbes, sourceProbes } from "./source-probes";
export { effectiveRank, energy, principalAngles, rankFor, Spectra, type Spectrum, spectra } from "./spectra";
export { type Statistics, statistics } from "./statistics";
export { restricted, type Switches, scaled, truncated } from "./variants";
export { changeCorrelation, type ModuleChange, weightChanges } from "./weight-changes";
