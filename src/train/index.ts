/** Training, and what it is fed with. */
export { chunks, encode, type Example } from "./data";
export { type EvaluateOptions, evaluateLoss } from "./evaluate";
export type { OptimizerName } from "./optimizers";
export { type EvaluationRecord, Run, type RunStatus, type StepRecord } from "./run";
export { type ScheduleName, scheduleFactor } from "./schedule";
export { observeRuns, type TrainOptions, train } from "./trainer";
