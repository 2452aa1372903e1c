/**
 * One training step of `small`, 8 × 128 tokens with every position supervised: LoRA (rank 8, all linear layers) and full
 * fine-tuning with AdamW and clipping, against the same code run eagerly by tfjs and against transformers + PEFT.
 */
import { availableParallelism } from "node:os";
import * as tf from "@tensorflow/tfjs";
import { full, lora } from "../src/adapters";
import { eager, generator, type TypedArray } from "../src/engine";
import type { Method } from "../src/model/adapter";
import { type LanguageModel, loadModel } from "../src/model/language-model";
import { resolveModelFolder } from "../src/model/places";
import { languageLoss } from "../src/train/language-loss";
import { stepFunction } from "../src/train/step";
import { inTurns, median, peer, ratio, ratios, type Timed, timed } from "./measure";
import { compiledStep, inputs, SHAPE, UPDATE } from "./training";

const MODEL = process.env.BENCH_MODEL ?? "small";

/** The same function on tfjs's current backend. */
function eagerly(base: LanguageModel, method: Method): Timed {
  const model = base.attach(method);
  const { fn, inputs: specs } = stepFunction(model, languageLoss(model.config, SHAPE), UPDATE);
  const random = generator(1);
  const size = model.trainableCount;
  const state = {
    parameters: model.adapter!.parameters.flat,
    first: new Float32Array(size),
    second: new Float32Array(size),
  };
  return timed(() => {
    const arrays: Record<string, TypedArray> = { ...inputs(model, random), ...state };
    tf.tidy(() => {
      const tensors = Object.entries(specs).map(([name, { shape, dtype }]) => [
        name,
        tf.tensor(arrays[name]!, shape, dtype),
      ]);
      fn(Object.fromEntries(tensors)).parameters!.dataSync();
    });
  });
}

export async function stepBench(): Promise<Record<string, unknown>> {
  const base = await loadModel(MODEL);
  const loraMethod = lora({ rank: 8 });
  const [compiled, compiledFull] = [
    await compiledStep(base.attach(loraMethod)),
    await compiledStep(base.attach(full())),
  ];
  const contenders: Record<string, Timed> = { lora: compiled.step, full: compiledFull.step };
  const peft = await peer("peft_step.py", resolveModelFolder(MODEL), String(availableParallelism()));
  if (peft) {
    contenders.peft = () => peft.ask("lora");
    contenders.peftFull = () => peft.ask("full");
  }
  const results = await inTurns(contenders, { rounds: 5, times: 6 });
  peft?.close();

  const eager = await eagerRatios(base, loraMethod, contenders.lora);
  const ms = (name: string) => (results[name] ? median(results[name].flat()) : null);
  return {
    ratioTfjsWasm: eager.wasm.length > 0 ? median(eager.wasm) : null,
    ratioTfjsNode: eager.node.length > 0 ? median(eager.node) : null,
    ratioPeft: ratio(results, "lora", "peft"),
    ratioFullFT: ratio(results, "lora", "full"),
    ratioPeftFullFT: ratio(results, "full", "peftFull"),
    compileMs: compiled.compileMilliseconds,
    loraMs: ms("lora"),
    fullMs: ms("full"),
    peftLoraMs: ms("peft"),
    peftFullMs: ms("peftFull"),
  };
}

/** Our step's time over that of the same code on tfjs's own backends, by rounds; these take seconds a step, so rounds are few. */
export async function eagerRatios(base: LanguageModel, method: Method, step?: Timed) {
  const ours = step ?? (await compiledStep(base.attach(method))).step;
  const of = async (backend: string, rounds: number) =>
    ratios(await eagerResults(backend, base, method, ours, rounds), "lora", "eager");
  return { node: await of("tensorflow", 5), wasm: await of("wasm", 2) };
}

async function eagerResults(
  backend: string,
  base: LanguageModel,
  method: Method,
  ours: Timed,
  rounds: number,
) {
  process.env.LORALAB_EAGER = backend;
  try {
    const report = await eager();
    // `eager` chooses once in a process; after that the other backend is registered and made current here.
    if (report.backend !== backend) {
      require("@tensorflow/tfjs-backend-wasm");
      await tf.setBackend(backend);
    }
  } catch (error) {
    console.error(`leaving out eager tfjs on ${backend}: ${(error as Error).message}`);
    return {};
  }
  return inTurns({ lora: ours, eager: eagerly(base, method) }, { rounds, times: 1 });
}
