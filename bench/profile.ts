/**
 * Where a training step's time goes: ONNX Runtime's own profile of its program, by operator, and how fast its matrix products
 * are beside PyTorch's of the same shapes. What a program spends in products at the rate that this engine reaches is a bound
 * that nothing around them can lift.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { lora } from "../src/adapters";
import { type Device, trace } from "../src/engine";
import type { LanguageModel } from "../src/model/language-model";
import type { BatchShape } from "../src/train/language-loss";
import { flopsOfStep } from "./floor";
import { inTurns, median, peer, type Timed, timed } from "./measure";
import { benchModel } from "./models";
import { compiledStep, supervised } from "./training";

export interface Profile {
  what: string;
  /** Median of whole steps, in milliseconds. */
  step: number;
  /** Floating-point operations of a step's matrix products. */
  flops: number;
  operators: { op: string; count: number; milliseconds: number }[];
  products: Product[];
}

/** `tokens` × `from` times `from` × `to`, and back: milliseconds of the pair. */
export interface Product {
  tokens: number;
  from: number;
  to: number;
  ours: number;
  /** Absent where PyTorch is. */
  theirs?: number;
}

/** How fast a product was, ours and PyTorch's, in floating-point operations per second. */
export const rates = ({ tokens, from, to, ours, theirs }: Product) => {
  const flops = 4 * tokens * from * to;
  return { ours: (1000 * flops) / ours, theirs: theirs && (1000 * flops) / theirs };
};

const SHAPE = supervised(8, 128);

export async function profiles(): Promise<Profile[]> {
  const small = await benchModel("small");
  return [
    await profile("small", small, SHAPE, "cpu"),
    await profile("small in NF4", small.quantize(), SHAPE, "cpu"),
    await profile("30M", await benchModel("30M"), SHAPE, "cpu"),
    await profile("135M", await benchModel("135M"), SHAPE, "cpu"),
  ];
}

export async function gpuProfiles(): Promise<Profile[]> {
  return [
    await profile("small", await benchModel("small"), SHAPE, "webgpu"),
    await profile("width 1024", await benchModel("d1024"), supervised(8, 512), "webgpu"),
  ];
}

const STEPS = 5;

async function profile(
  what: string,
  base: LanguageModel,
  shape: BatchShape,
  device: Device,
): Promise<Profile> {
  const folder = mkdtempSync(join(tmpdir(), "loralab-profile-"));
  const student = base.attach(lora({ rank: 8 }));
  const plain = await compiledStep(student, shape, { device });
  const { plain: times } = await inTurns({ plain: plain.step }, { rounds: 3, times: STEPS });
  await plain.dispose();
  const session = { enableProfiling: true, profileFilePrefix: join(folder, "profile") };
  const { step, dispose } = await compiledStep(student, shape, { device, session });
  for (let i = 0; i <= STEPS; i++) await step();
  await dispose();
  const events = readdirSync(folder).flatMap((file) => JSON.parse(readFileSync(join(folder, file), "utf8")));
  rmSync(folder, { recursive: true, force: true });
  return {
    what,
    step: median(times!.flat()),
    flops: flopsOfStep(student, shape),
    operators: byOperator(events, device),
    products: await products(student, shape, device),
  };
}

interface Event {
  cat: string;
  name: string;
  ts: number;
  dur: number;
  args: { op_name?: string };
}

/** The operator that an event measured, if it is of one; a GPU's own times are told apart from those of asking it. */
function operatorOf({ cat, name, args }: Event, device: Device): string | undefined {
  if (device === "webgpu") return cat === "Api" ? name.split("&")[1] : undefined;
  return cat === "Node" && name.endsWith("_kernel_time") ? args.op_name : undefined;
}

/** Whether an operator is a product of matrices, in 4 bits or not. */
export const isProduct = (op: string): boolean => /MatMul|Gemm/.test(op);

/** Milliseconds, in the median, and calls of a step by operator, the slowest first. The first run, which builds, does not count. */
function byOperator(events: readonly Event[], device: Device): Profile["operators"] {
  const [, ...starts] = events.filter(({ name }) => name === "model_run").map(({ ts }) => ts);
  const sums = new Map<string, { count: number; perStep: number[] }>();
  for (const event of events) {
    const op = operatorOf(event, device);
    const step = starts.findLastIndex((start) => event.ts >= start);
    if (step < 0 || !op) continue;
    const sum = sums.get(op) ?? { count: 0, perStep: starts.map(() => 0) };
    sum.count++;
    sum.perStep[step]! += event.dur / 1000;
    sums.set(op, sum);
  }
  return [...sums]
    .map(([op, { count, perStep }]) => ({
      op,
      count: Math.round(count / STEPS),
      milliseconds: median(perStep),
    }))
    .sort((a, b) => b.milliseconds - a.milliseconds);
}

/** A run of products takes about so many operations: enough that what it costs besides is little. */
const OPERATIONS = { cpu: 2e10, gpu: 1e12 };

async function products({ config }: LanguageModel, shape: BatchShape, device: Device): Promise<Product[]> {
  const { hiddenSize: from, intermediateSize, vocabSize } = config;
  const tokens = shape.rows * shape.length;
  const result: Product[] = [];
  for (const to of [from, intermediateSize, vocabSize])
    result.push(await product({ tokens, from, to }, device));
  return result;
}

async function product(
  { tokens, from, to }: { tokens: number; from: number; to: number },
  device: Device,
): Promise<Product> {
  const pairs = Math.ceil(OPERATIONS[device === "cpu" ? "cpu" : "gpu"] / (4 * tokens * from * to));
  const data = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i) / Math.sqrt(from));
  const [there, back] = [data(from * to), data(to * from)];
  const program = await trace(
    ({ x }) => {
      let y = x as tf.Tensor2D;
      for (let i = 0; i < pairs; i++)
        y = tf.matMul(tf.matMul(y, tf.tensor2d(there, [from, to])), tf.tensor2d(back, [to, from]));
      return { y: tf.max(y) };
    },
    { x: { shape: [tokens, from], dtype: "float32" } },
    { device },
  );
  const x = data(tokens * from);
  const contenders: Record<string, Timed> = { ours: timed(() => program.run({ x })) };
  const torch = await peer("products.py", String(availableParallelism()), device === "cpu" ? "cpu" : "cuda");
  if (torch) contenders.theirs = () => torch.ask(`${pairs} ${tokens} ${from} ${to}`);
  const times = await inTurns(contenders, { rounds: 5, times: 3 });
  torch?.close();
  await program.dispose();
  const pair = (name: string) => median(times[name]!.flat()) / pairs;
  return { tokens, from, to, ours: pair("ours"), ...(torch && { theirs: pair("theirs") }) };
}
