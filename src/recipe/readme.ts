/** The README of a recipe: what the run was, the commands, and where Python's numbers must differ. */
import type { Run } from "../train/run";
import { rewardDigit } from "../train/tasks/largest-digit";

/** @param about the reward of GRPO; pairs whose tokens TRL cuts otherwise */
export function readme(
  { id, origin, settings }: Run,
  configuration: Record<string, unknown>,
  { reward, apart }: { reward?: object; apart: number },
): string {
  const own = reward && reward !== rewardDigit;
  const { objective, quantization } = configuration;
  const inHalf = quantization ? " --no-qlora" : "";
  return `# ${String(objective).toUpperCase()} of ${origin.model} with ${origin.method}, as run ${id} of loralab

The same experiment for TRL and PEFT: the settings, the data in the order in which they were seen, the base and the adapter as it
was before the first step.
${own ? "\n**First** write the reward in Python: `reward.py` says what it was.\n" : ""}
\`\`\`sh
pip install -r requirements${quantization ? "-qlora" : ""}.txt
accelerate launch --config_file accelerate/one-gpu.yaml train.py
\`\`\`

On several GPUs, and with a base in 4 bits spread over them (\`pip install -r requirements-qlora.txt\`):

\`\`\`sh
accelerate launch --config_file accelerate/several-gpus.yaml train.py
accelerate launch --config_file accelerate/fsdp-qlora.yaml train.py --qlora
\`\`\`

\`--model\` takes another base, by its name on the hub or a folder; it gets a new adapter of the same settings. \`--bf16\` computes in
bfloat16, \`--per-device 1\` takes fewer rows at once and accumulates. A step has ${configuration.rows_per_step} rows however many
processes share it.

The results are in \`output\`: ${configuration.adapter ? "the adapter in PEFT's files" : "the model"} and the log. In the notebook:

\`\`\`ts
const { run, student } = await importRun("path/of/this/folder", base);
compare({ here: mine, there: run });
\`\`\`

## How close it comes

${closeness(origin, settings, { apart, inHalf, quantized: quantization !== null })
  .map((line) => `- ${line}`)
  .join("\n")}
`;
}

function closeness(
  { start, adapter, method }: Run["origin"],
  settings: Record<string, unknown>,
  { apart, inHalf, quantized }: { apart: number; inHalf: string; quantized: boolean },
): string[] {
  return [
    settings.objective === "grpo"
      ? "Completions are sampled, and PyTorch draws others: the curves agree in the mean and not step by step."
      : "In float32 on one process the loss follows the run's step by step; what differs is the order in which sums are rounded.",
    ...(quantized
      ? [
          `The base was in 4 bits and is so here (bitsandbytes, in bfloat16); \`train.py${inHalf}\` takes its values in float32.`,
        ]
      : []),
    ...((adapter.dropout as number) > 0
      ? [`Dropout of ${adapter.dropout} falls on other places: the curves agree in the mean.`]
      : []),
    ...(settings.packing
      ? [
          "Rows that were packed are sequences side by side here, which gives the same loss; with `--attention flash_attention_2` they are taken end to end.",
        ]
      : []),
    ...(start === undefined && method !== "full"
      ? ["What the adapter began with was not recorded: it begins here as it was attached."]
      : []),
    ...(apart > 0
      ? [
          `TRL cuts ${apart} pairs into other tokens than loralab, since it reads prompt and completion as one text.`,
        ]
      : []),
  ];
}
