/** Training, and what it is fed with. */
export { chunks, type Example, encode } from "./data";
export { type EvaluateOptions, evaluateLoss } from "./evaluate";
export type { OptimizerName } from "./optimizers";
export { type EvaluationRecord, Run, type RunStatus, type StepRecord } from "./run";
export { type ScheduleName, scheduleFactor } from "./schedule";
export * from "./tasks";
export { observeRuns, type TrainOptions, train } from "./trainer";
