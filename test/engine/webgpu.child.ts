/**
 * Runs every case on WebGPU and prints a line of JSON for each: { name, error? }. The first line is { adapter: true }
 * or { reason }. A process of its own: a graphics driver may end it, and needs its environment from the start.
 */
import * as tf from "@tensorflow/tfjs";
import * as ort from "onnxruntime-node";
import { trace } from "../../src/engine";
import { record } from "../../src/engine/backend";
import { writeModel } from "../../src/engine/onnx";
import { cases } from "./cases";
import { checkCase } from "./check";

/** With this, a session that would run any node on the CPU is an error. */
const session = { extra: { session: { disable_cpu_ep_fallback: "1" } } };
const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

function rootCause(error: Error): string {
  return error.cause instanceof Error ? rootCause(error.cause) : error.message;
}

async function report(name: string, work: () => Promise<unknown>): Promise<void> {
  await work().then(
    () => print({ name }),
    (error: Error) => print({ name, error: rootCause(error) }),
  );
}

/** The operators written for the CPU are not all on WebGPU: the strict session has to notice. */
async function checkTheCheck(): Promise<void> {
  const { graph, outputs } = record(
    ({ x }) => ({ y: tf.round(x!) }),
    { x: { shape: [2], dtype: "float32" } },
    "cpu",
  );
  const { model } = writeModel(graph, outputs);
  const creating = ort.InferenceSession.create(model, {
    executionProviders: ["webgpu"],
    logSeverityLevel: 4,
    ...session,
  });
  await creating.then(
    () => Promise.reject(new Error("a node for the CPU was not noticed")),
    (error: Error) => /fallback to CPU EP/.test(error.message) || Promise.reject(error),
  );
}

async function main(): Promise<void> {
  try {
    const program = await trace(
      ({ x }) => ({ y: tf.neg(x!) }),
      { x: { shape: [1], dtype: "float32" } },
      { device: "webgpu" },
    );
    await program.dispose();
  } catch (error) {
    print({ reason: (error as Error).message });
    return;
  }
  print({ adapter: true });
  await report("the check", checkTheCheck);
  for (const one of cases.filter(({ cpuOnly }) => !cpuOnly)) {
    await report(one.name, async () => checkCase(one, 2, { device: "webgpu", session }));
  }
}

void main().then(() => process.exit(0));
