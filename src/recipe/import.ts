/** What a recipe gave, back in the notebook: its log as a run, its adapter on the base. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { full } from "../adapters/full";
import { loadAdapter } from "../adapters/peft";
import { readJson } from "../model/files";
import { type LanguageModel, loadModel } from "../model/language-model";
import type { Origin } from "../train/origin";
import { type EvaluationRecord, Run, type StepRecord } from "../train/run";

/** An entry of the Trainer's log. */
type Entry = Record<string, number> & { step: number };

/** What finish() of common.py writes beside the log. */
interface About {
  /** Another base than the run's own. */
  model: string | null;
  device: string;
  processes: number;
  precision: string;
  quantized: boolean;
  versions: Record<string, string>;
}

/** Entries that are no metrics: how far and how fast it went. */
const PACE = /^(step|epoch|total_flos|num_tokens|step_time)$|runtime|_per_second$/;

/**
 * Reads the results of a recipe that was trained. The run is like one of `train`, so `.curves` and `compare` take it; time
 * per step is the mean, since the Trainer's log has no other. With a base also the model with the trained adapter in use.
 * @param folder of the recipe, or the one that `train.py --output` was told
 * @param base the recipe's, or whatever `--model` was
 * @throws when the recipe has not been trained, and when the adapter does not fit the base
 */
export function importRun(folder: string): Promise<{ run: Run }>;
export function importRun(folder: string, base: LanguageModel): Promise<{ run: Run; student: LanguageModel }>;
export async function importRun(
  folder: string,
  base?: LanguageModel,
): Promise<{ run: Run; student?: LanguageModel }> {
  const output = existsSync(join(folder, "about.json")) ? folder : join(folder, "output");
  for (const file of ["trainer_state.json", "about.json"]) {
    if (!existsSync(join(output, file))) {
      throw new Error(
        `importRun: no ${file} in ${output}: expected a recipe that was trained. Its README.md tells the commands.`,
      );
    }
  }
  const configuration = await readJson(join(output, "config.json"));
  const state = parseState(await readFile(join(output, "trainer_state.json"), "utf8"));
  const about = (await readJson(join(output, "about.json"))) as unknown as About;
  const run = runOf(configuration.run as Recorded, state, about);
  if (!base) return { run };
  return { run, student: await studentOf(base, output) };
}

interface Recorded {
  id: string;
  origin: Origin;
  settings: Run["settings"];
  panels: Run["panels"];
}

/** Python writes NaN and Infinity, which JSON has not got. */
function parseState(text: string): { log_history: Entry[]; max_steps: number } {
  const quoted = text.replace(/(:\s*)(-?Infinity|NaN)\b/g, '$1"$2"');
  return JSON.parse(quoted, (_key, value) =>
    ["NaN", "Infinity", "-Infinity"].includes(value) ? Number(value) : value,
  );
}

function runOf(
  recorded: Recorded,
  { log_history: entries, max_steps: steps }: ReturnType<typeof parseState>,
  { model, device, processes, precision, quantized, versions }: About,
): Run {
  const place = processes > 1 ? `${processes} × ${device}` : device;
  const run = new Run(
    {
      ...recorded.origin,
      ...(model !== null && { model, fingerprint: "" }),
      quantized,
      device: { ...recorded.origin.device, name: `PyTorch, ${place}, ${precision}` },
      versions,
      notes: { ...recorded.origin.notes, recipe: recorded.id },
    },
    { ...recorded.settings, steps },
    recorded.panels,
  );
  const last = entries.find((entry) => "train_runtime" in entry);
  const milliseconds = last ? (1000 * last.train_runtime!) / steps : 0;
  let read = 0;
  for (const entry of entries) {
    const evaluation = evaluationOf(entry);
    if (evaluation) run.evaluations.push(evaluation);
    if (!("loss" in entry)) continue;
    const tokens = (entry.num_tokens ?? read) - read;
    read += tokens;
    run.steps.push({ ...stepOf(entry), tokens, milliseconds });
    run.epoch = Math.max(run.epoch, Math.ceil(entry.epoch ?? 0));
  }
  run.status = run.steps.at(-1)?.step === steps ? "finished" : "stopped";
  return run;
}

function stepOf({
  step,
  loss,
  learning_rate,
  grad_norm,
  ...rest
}: Entry): Omit<StepRecord, "tokens" | "milliseconds"> {
  const metrics = Object.fromEntries(Object.entries(rest).filter(([name]) => !PACE.test(name)));
  return { step, loss: loss!, learningRate: learning_rate!, gradientNorm: grad_norm!, metrics };
}

function evaluationOf(entry: Entry): EvaluationRecord | undefined {
  const values = Object.entries(entry).flatMap(([name, value]): [string, number][] =>
    name.startsWith("eval_") && !PACE.test(name.slice("eval_".length))
      ? [[name.slice("eval_".length), value]]
      : [],
  );
  if (values.length === 0) return undefined;
  return {
    step: entry.step,
    values: Object.fromEntries(values),
    milliseconds: 1000 * (entry.eval_runtime ?? 0),
  };
}

/** The base with what was trained on it. */
async function studentOf(base: LanguageModel, output: string): Promise<LanguageModel> {
  if (existsSync(join(output, "adapter"))) return loadAdapter(base, join(output, "adapter"));
  const { weights } = await loadModel(join(output, "model"));
  const student = base.attach(full());
  const { parameters } = student.adapter!;
  for (const name of parameters.names) {
    const weight = weights.get(name);
    if (!weight)
      throw new Error(`importRun: ${join(output, "model")} has no ${name}, which ${base.name} has.`);
    parameters.set(name, weight.data);
  }
  return student;
}
