/** Training, and what it is fed with. */
export { chunks, type Example, encode } from "./data";
export { type EvaluateOptions, evaluateLoss } from "./evaluate";
export type { Lesson, Material, Objective, Preparation } from "./objective";
export { type DpoSettings, dpo } from "./objectives/dpo";
export { type GrpoSettings, grpo } from "./objectives/grpo";
export type { Preference } from "./objectives/pairs";
export { rewardModel, rewards } from "./objectives/reward";
export type { Prompted, Reward, RewardFunction } from "./objectives/rollouts";
export { type SftSettings, sft } from "./objectives/sft";
export { observeRuns } from "./observers";
export type { OptimizerName } from "./optimizers";
export type { Origin } from "./origin";
export { type EvaluationRecord, Run, type RunStatus, type Sample, type StepRecord } from "./run";
export { type ScheduleName, scheduleFactor } from "./schedule";
export type { Measure, TrainOptions } from "./settings";
export { loadRun, loadRuns } from "./store";
export * from "./tasks";
export { train } from "./trainer";
