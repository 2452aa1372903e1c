/**
 * The same experiment elsewhere: a run as a Python project for TRL and PEFT.
 *
 * The project is ordinary TRL, in `project/` beside this file and copied as it stands; what is of the run is data: its
 * settings under TRL's names, the examples and the order in which they were seen, the base, and the adapter with the very
 * values it began with. So the loss curve can be followed step by step and not only in the mean.
 */
import { copyFile, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeAdapter } from "../adapters/peft";
import type { Message } from "../model/chat";
import { writeJson } from "../model/files";
import type { LanguageModel } from "../model/language-model";
import { writeModelFolder } from "../model/load";
import { packageRoot } from "../model/places";
import { plain } from "../train/origin";
import type { Run } from "../train/run";
import { rewardDigit } from "../train/tasks/largest-digit";
import { checkPortable, configurationOf, type ObjectiveName, quantizationOf } from "./configuration";
import { gather, type RecipeMaterial } from "./gather";
import { orderOf } from "./order";
import { readme } from "./readme";

export interface RecipeOptions extends RecipeMaterial {
  /**
   * What transformers is to load as the base: a name of the hub, such as "HuggingFaceTB/SmolLM2-135M", or a folder. By
   * default the base's weights are written into the recipe.
   */
  base?: string;
}

/** Where the base lies in a recipe. */
export const BASE = "base";

/**
 * Writes a run as a Python project that trains the same with TRL and PEFT: SFT, DPO or GRPO as the run was, with its
 * hyper-parameters, data, order, seed and initial adapter. README.md in it tells the two commands, for one GPU, several,
 * and FSDP with QLoRA. What it gives comes back with `importRun`.
 *
 * A run of this session needs nothing else while its model is in use; for one that was read from the store give what it
 * holds only hashes of:
 * `exportRecipe(loadRun(id), "recipe", { model: base.attach(lora({ rank: 8 })), data, heldOut })`.
 * @throws for what is missing or is not the run's own, and for objectives and methods that TRL and PEFT have not got
 */
export async function exportRecipe(run: Run, folder: string, options: RecipeOptions = {}): Promise<void> {
  const { base = BASE, ...material } = options;
  const { model, adapter, data, heldOut, reward } = gather(run, material);
  const objective = checkPortable(run, adapter);
  // For their errors, before anything is written.
  quantizationOf(model);
  checkAlike(objective, [...data, ...(heldOut ?? [])]);
  const place = (...names: string[]) => join(folder, ...names);
  const project = join(packageRoot(), "src", "recipe", "project");

  await mkdir(folder, { recursive: true });
  await cp(join(project, "accelerate"), place("accelerate"), { recursive: true });
  await copyFile(join(project, "common.py"), place("common.py"));
  await copyFile(join(project, `${objective}.py`), place("train.py"));
  const needed = await readFile(join(project, "requirements.txt"), "utf8");
  await writeFile(place("requirements.txt"), needed);
  await writeFile(place("requirements-qlora.txt"), `-r requirements.txt\n${BITSANDBYTES}\n`);

  if (base === BASE) await writeModelFolder(place(BASE), { ...model.files, weights: new Map(model.weights) });
  await rm(place("adapter"), { recursive: true, force: true });
  if (adapter.method !== "full") {
    const start = adapter.replaced && { init_lora_weights: adapter.settings.init };
    await writeAdapter(model, adapter, place("adapter"), { ...start, base_model_name_or_path: base });
  }

  const lines = (values: readonly unknown[]) =>
    values.map((one) => `${JSON.stringify(plain(one))}\n`).join("");
  const examples = data.map((one) => portable(objective, one));
  await writeFile(place("train.jsonl"), lines(examples));
  await writeFile(place("order.jsonl"), lines(orderOf(run, model, data)));
  await rm(place("held-out.jsonl"), { force: true });
  const held = heldOut?.map((one) => portable(objective, one));
  if (held) await writeFile(place("held-out.jsonl"), lines(held));
  if (reward) await writeReward(project, place("reward.py"), reward);

  const configuration = configurationOf(run, model, adapter, { base, heldOut: held !== undefined });
  await writeJson(place("config.json"), plain(configuration));
  const apart = objective === "dpo" ? cutOtherwise(model, examples as Pair[]) : 0;
  await writeFile(place("README.md"), readme(run, configuration, { reward, apart }));
}

const BITSANDBYTES = "bitsandbytes==0.50.2";

interface Pair {
  prompt: unknown;
  chosen: unknown;
  rejected: unknown;
}

/** An example as TRL's objectives read it. */
function portable(objective: ObjectiveName, example: unknown): unknown {
  if (objective === "sft") return typeof example === "string" ? { text: example } : example;
  if (objective === "grpo") return example;
  const { prompt, chosen, rejected } = example as Pair;
  if (typeof prompt === "string") return { prompt, chosen, rejected };
  const turns = (words: unknown) =>
    typeof words === "string" ? [{ role: "assistant", content: words }] : (words as Message[]);
  return { prompt, chosen: turns(chosen), rejected: turns(rejected) };
}

/** @throws for prompts of both kinds: a column of TRL's data holds texts or conversations */
function checkAlike(objective: ObjectiveName, examples: readonly unknown[]): void {
  if (objective === "sft") return;
  const texts = examples.filter((example) => typeof (example as Pair).prompt === "string").length;
  if (texts === 0 || texts === examples.length) return;
  throw new Error(
    `exportRecipe: ${texts} of ${examples.length} prompts are texts, the others conversations; TRL's ${objective} takes ` +
      "data of one kind.",
  );
}

/** Texts that TRL, which cuts prompt and completion into tokens together, cuts otherwise than one after the other. */
function cutOtherwise({ tokenizer }: LanguageModel, pairs: readonly Pair[]): number {
  const whole = (a: string, b: string) => `${tokenizer.encode(a + b)}`;
  const apart = (a: string, b: string) =>
    `${[...tokenizer.encode(a), ...tokenizer.encode(b, { special: false })]}`;
  return pairs.filter(({ prompt, ...both }) =>
    Object.values(both).some(
      (words) =>
        typeof prompt === "string" && whole(prompt, words as string) !== apart(prompt, words as string),
    ),
  ).length;
}

/** The reward in Python: where the course has it, the same; for one's own a file that refuses to work until it is written. */
async function writeReward(project: string, path: string, reward: object): Promise<void> {
  if (reward === rewardDigit) return copyFile(join(project, "rewards", "digit.py"), path);
  const template = await readFile(join(project, "rewards", "yours.py"), "utf8");
  const source =
    typeof reward === "function" ? String(reward) : "a model that was trained with rewardModel()";
  const quoted = source.replaceAll("\\", "\\\\").replaceAll('"""', '\\"\\"\\"');
  await writeFile(
    path,
    template.replace("{source}", () => quoted.replace(/^/gm, "    ")),
  );
}
