/** A run's settings as arguments of TRL, under TRL's names, and what TRL has no argument for beside them. */
import { type PeftConfig, toPeftConfig } from "../adapters/peft-config";
import type { Adapter } from "../model/adapter";
import type { LanguageModel } from "../model/language-model";
import { QuantizedWeight } from "../model/quantized";
import type { Run } from "../train/run";

/** Methods that PEFT trains as they are trained here. AdaLoRA's schedule is not among what TRL's trainers call. */
const METHODS = ["lora", "dora", "vera", "full"];
/** Starts that PEFT takes from the base by itself. */
const STARTS = ["pissa", "olora"];

export const OBJECTIVES = ["sft", "dpo", "grpo"] as const;
export type ObjectiveName = (typeof OBJECTIVES)[number];

/** @throws for a run that TRL and PEFT cannot follow */
export function checkPortable(run: Run, adapter: Adapter): ObjectiveName {
  const { objective = "sft", optimizer, weightDecay } = run.settings;
  const refuse = (what: string, known: readonly string[]) => {
    throw new Error(`exportRecipe: ${what}, which a recipe cannot follow: expected ${known.join(", ")}.`);
  };
  if (!OBJECTIVES.includes(objective as ObjectiveName)) refuse(`the objective is ${objective}`, OBJECTIVES);
  if (!METHODS.includes(adapter.method)) refuse(`the method is ${adapter.method}`, METHODS);
  if (adapter.replaced && !STARTS.includes(adapter.settings.init as string))
    refuse(`init is ${adapter.settings.init} and changes the base`, STARTS);
  if (optimizer === "sgd" && (weightDecay as number) > 0)
    refuse("the optimizer is sgd with decoupled weight decay, PyTorch's is another", ["weightDecay 0"]);
  return objective as ObjectiveName;
}

/** The base in 4 bits, as bitsandbytes is told; null for one that is not. @throws for what bitsandbytes has not got */
export function quantizationOf({ weights }: LanguageModel): Record<string, unknown> | null {
  const weight = [...weights.values()].find((one) => one instanceof QuantizedWeight);
  if (!weight) return null;
  const { quantized } = weight;
  if ("zeros" in quantized || quantized.blockSize !== 64) {
    const got = "zeros" in quantized ? "group-wise integers" : `blocks of ${quantized.blockSize}`;
    throw new Error(`exportRecipe: the base is in ${got}; bitsandbytes has NF4 and FP4 in blocks of 64.`);
  }
  return {
    bnb_4bit_quant_type: quantized.type,
    bnb_4bit_use_double_quant: !(quantized.absmax instanceof Float32Array),
  };
}

/** What config.json holds. */
export function configurationOf(
  run: Run,
  model: LanguageModel,
  adapter: Adapter,
  { base, heldOut }: { base: string; heldOut: boolean },
): Record<string, unknown> {
  const objective = checkPortable(run, adapter);
  const settings = run.settings as Record<string, any>;
  const group = objective === "grpo" ? settings.groupSize : 1;
  const every = Math.min(run.origin.evaluation?.every ?? settings.steps, settings.steps);
  return {
    objective,
    model: base,
    adapter: adapter.method === "full" ? null : "adapter",
    peft: adapter.method === "full" ? null : forAnyModel(toPeftConfig(model, adapter)),
    quantization: quantizationOf(model),
    rows_per_step: settings.batchSize * settings.accumulate * group,
    rows_at_once: settings.batchSize * group,
    optimizer: settings.optimizer,
    schedule: settings.schedule,
    warmup: settings.warmup,
    loraplus_ratio: adapter.settings.loraPlusRatio ?? null,
    ...(objective === "sft" && { completion_only: settings.completionOnly }),
    trainer: {
      max_steps: settings.steps,
      learning_rate: settings.learningRate,
      weight_decay: settings.weightDecay,
      adam_beta1: settings.beta1,
      adam_beta2: settings.beta2,
      adam_epsilon: settings.epsilon,
      max_grad_norm: Number.isFinite(settings.maxGradientNorm) ? settings.maxGradientNorm : 0,
      seed: settings.seed,
      ...OF_OBJECTIVE[objective](settings),
      eval_strategy: heldOut ? "steps" : "no",
      ...(heldOut && { eval_steps: every, eval_on_start: true }),
      train_sampling_strategy: "sequential",
      gradient_checkpointing: false,
      logging_steps: 1,
      save_strategy: "no",
      report_to: "none",
    },
    run: { id: run.id, origin: run.origin, settings: run.settings, panels: run.panels },
  };
}

const OF_OBJECTIVE: Record<ObjectiveName, (settings: Record<string, any>) => Record<string, unknown>> = {
  sft: () => ({ max_length: null, loss_type: "nll" }),
  dpo: ({ beta }) => ({ max_length: null, loss_type: "sigmoid", beta, disable_dropout: false }),
  grpo: ({ beta, clip, temperature, groupSize, maxTokens, iterations }) => ({
    loss_type: "grpo",
    scale_rewards: "group",
    beta,
    epsilon: clip,
    temperature,
    num_generations: groupSize,
    max_completion_length: maxTokens,
    num_iterations: iterations,
    shuffle_dataset: false,
  }),
};

/** The adapter's settings without the places that only this model has: "q_proj" for "model.layers.0.self_attn.q_proj". */
function forAnyModel({
  base_model_name_or_path: _base,
  revision: _revision,
  ...config
}: PeftConfig): PeftConfig {
  const names = (paths: unknown) => [...new Set((paths as string[]).map((path) => path.split(".").at(-1)!))];
  return {
    ...config,
    inference_mode: false,
    target_modules: names(config.target_modules),
    modules_to_save: config.modules_to_save ? names(config.modules_to_save) : null,
  };
}
