/** loralab: low-rank fine-tuning of real language models, to look into. This is the whole public API. */
export * from "./everywhere";
export * from "./recipe";
export * from "./runs";
export { type CodeDomain, type CodeFile, codeDomain } from "./train/tasks/code";
export { type Review, type SentimentTask, sentiment } from "./train/tasks/sentiment";
