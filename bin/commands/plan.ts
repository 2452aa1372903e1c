/** `loralab plan MODEL`: what fine-tuning a model takes, from its configuration alone. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { PlanSettings } from "../../src/measure";

interface Options extends Partial<Omit<PlanSettings, "targets">> {
  targets?: string;
  inference?: boolean;
  compare?: boolean;
  json?: boolean;
}

export function planCommand(program: Command): void {
  program
    .command("plan")
    .description("what fine-tuning a model takes: parameters, and memory term by term")
    .argument("<model>", 'a name such as Llama-2-7B or "small", or a folder or file with a config.json')
    .addOption(new Option("--method <method>").choices(["full", "lora", "qlora", "dora"]).default("lora"))
    .option("--rank <r>", "rank of the adapters (default: 8)", whole)
    .option(
      "--targets <names>",
      'such as q_proj,v_proj, or all-linear, attention, mlp (default: "all-linear")',
    )
    .option("--batch <n>", "sequences in a step (default: 1)", whole)
    .option("--sequence <n>", "tokens in a sequence (default: 512)", whole)
    .addOption(new Option("--precision <precision>").choices(["float32", "mixed", "bfloat16"]))
    .addOption(new Option("--optimizer <optimizer>").choices(["adamw", "adamw-8bit", "sgd"]))
    .addOption(new Option("--attention <attention>").choices(["fused", "eager"]))
    .option("--recompute", "keep one input per layer and compute the rest again")
    .option("--no-double-quantization", "qlora: keep the blocks' scales in float32")
    .option("--inference", "run the model instead of training it")
    .option("--compare", "all methods side by side")
    .option("--json", "as JSON: trainable, total, and the bytes of each term")
    .action(async (model: string, options: Options) => {
      const loralab = await import("../../src/index.js");
      const { json, compare, inference, targets, method, precision, ...rest } = options;
      const settings = {
        ...rest,
        ...(targets !== undefined && { targets: parseTargets(targets) }),
        ...(inference && { use: "inference" as const }),
      };
      const planned = compare
        ? loralab.plans(model, settings)
        : loralab.plan(model, { ...settings, ...(method && { method }), ...(precision && { precision }) });
      if (json) console.log(JSON.stringify(planned, null, 2));
      else console.log(planned[loralab.DISPLAY]()["text/plain"]);
    });
}

function whole(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("expected a whole number");
  return Number(text);
}

/** A preset by its name, else names apart by commas. */
function parseTargets(text: string): PlanSettings["targets"] {
  if (text === "all-linear" || text === "attention" || text === "mlp") return text;
  return text.split(",").map((name) => name.trim());
}
