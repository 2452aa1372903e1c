/**
 * What the authors of PEFT found with their benchmark of methods: Llama-3.2-3B trained on MetaMathQA, asked GSM8K, on one
 * GPU. Numbers of its published results; forgetting is the rise of the loss on Wikipedia.
 */
export interface BenchmarkResult {
  name: string;
  method: string;
  /** Accuracy on GSM8K, 0 … 1. */
  learning: number;
  /** Nats per token. */
  forgetting: number;
  /** Of training. */
  seconds: number;
  /** Most memory of the GPU. */
  gigabytes: number;
}

const result = (
  name: string,
  method: string,
  learning: number,
  forgetting: number,
  seconds: number,
  gigabytes: number,
): BenchmarkResult => ({ name, method, learning, forgetting, seconds, gigabytes });

export const PEFT_BENCHMARK: readonly BenchmarkResult[] = [
  result("full fine-tuning", "full", 0.472, 0.03, 2147, 38.9),
  result("LoRA, rank 32 on q and v", "lora", 0.478, 0.05, 942, 22.3),
  result("rsLoRA, rank 64", "rslora", 0.513, 0.111, 966, 22.6),
  result("LoRA, rank 10 on the MLP", "lora", 0.494, 0.032, 1050, 24.7),
  result("DoRA, rank 32", "dora", 0.469, 0.051, 1191, 24.5),
  result("AdaLoRA", "adalora", 0.373, 0.022, 1169, 22.8),
  result("VeRA", "vera", 0.354, 0.1, 1011, 21.6),
];
