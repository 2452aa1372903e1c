/** What things cost and how large they are: parameters, memory. */
export { type Architecture, catalogueNames } from "./catalogue";
export { COMPUTERS, type Computer, type Fit } from "./hardware";
export type { MemoryTerm, PlanMethod, PlanSettings } from "./memory";
export { Plan, type Plannable, Plans, plan, plans } from "./plan";
