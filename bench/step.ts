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
import { resolveModelFolder } from "../src/model/load";
import { batch } from "../src/train/data";
import { batchInputs, languageLoss } from "../src/train/language-loss";
import { adamw } from "../src/train/optimizers";
import { stepFunction, stepProgram, updateInputs } from "../src/train/step";
import { inTurns, median, peer, ratio, type Timed, timed } from "./measure";

const MODEL = process.env.BENCH_MODEL ?? "small";
const SHAPE = { rows: 8, length: 128, capacity: 1024, packed: false };
const UPDATE = { optimizer: adamw, settings: adamw.defaults, maxGradientNorm: 1 };

/** Random tokens, with one step's learning-rate numbers and seed. */
function inputs(model: LanguageModel, random: () => number): Record<string, TypedArray> {
  const { vocabSize } = model.config;
  const rows = Array.from({ length: SHAPE.rows }, () => [
    { ids: Array.from({ length: SHAPE.length + 1 }, () => Math.floor(random() * vocabSize)), from: 0 },
  ]);
  const made = batch(rows, SHAPE.length, SHAPE.capacity, false);
  return { ...batchInputs(made, made.count), ...updateInputs(UPDATE, 1, 1e-4), seed: Int32Array.of(1, 1) };
}

async function compiled(
  base: LanguageModel,
  method: Method,
  report: (milliseconds: number) => void,
): Promise<Timed> {
  const model = base.attach(method);
  const start = performance.now();
  const program = await stepProgram(model, languageLoss(model.config, SHAPE), UPDATE);
  report(performance.now() - start);
  const random = generator(1);
  const size = model.trainableCount;
  let state: Record<string, TypedArray> = {
    parameters: model.adapter!.parameters.flat,
    first: new Float32Array(size),
    second: new Float32Array(size),
  };
  return timed(async () => {
    const { parameters, first, second } = await program.run({ ...inputs(model, random), ...state });
    state = { parameters: parameters!.data, first: first!.data, second: second!.data };
  });
}

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
  let compileMs = 0;
  const loraMethod = lora({ rank: 8 });
  const contenders: Record<string, Timed> = {
    lora: await compiled(base, loraMethod, (ms) => {
      compileMs = ms;
    }),
    full: await compiled(base, full(), () => {}),
  };
  const peft = await peer("peft_step.py", resolveModelFolder(MODEL), String(availableParallelism()));
  if (peft) {
    contenders.peft = () => peft.ask("lora");
    contenders.peftFull = () => peft.ask("full");
  }
  const results = await inTurns(contenders, { rounds: 5, times: 6 });
  peft?.close();

  // Eager tfjs takes seconds a step: fewer rounds, each beside our own step again.
  const node = await eagerResults("tensorflow", base, loraMethod, contenders.lora!, 5);
  const wasm = await eagerResults("wasm", base, loraMethod, contenders.lora!, 2);
  const ms = (name: string) => (results[name] ? median(results[name].flat()) : null);
  return {
    ratioTfjsWasm: ratio(wasm, "lora", "eager"),
    ratioTfjsNode: ratio(node, "lora", "eager"),
    ratioPeft: ratio(results, "lora", "peft"),
    ratioFullFT: ratio(results, "lora", "full"),
    ratioPeftFullFT: ratio(results, "full", "peftFull"),
    compileMs,
    loraMs: ms("lora"),
    fullMs: ms("full"),
    peftLoraMs: ms("peft"),
    peftFullMs: ms("peftFull"),
  };
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
