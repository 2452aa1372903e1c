/**
 * Runs every case on WebGPU and prints a line of JSON for each: { name, error? }. The first line is { adapter: true }
 * or { reason }. A process of its own: a graphics driver may end it, and needs its environment from the start.
 */
import * as tf from "@tensorflow/tfjs";
import * as ort from "onnxruntime-node";
import { record } from "../../src/engine/backend";
import { writeModel } from "../../src/engine/onnx";
import { report, reportAdapter, STRICT } from "../webgpu";
import { cases } from "./cases";
import { checkCase } from "./check";

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
    ...STRICT,
  });
  await creating.then(
    () => Promise.reject(new Error("a node for the CPU was not noticed")),
    (error: Error) => /fallback to CPU EP/.test(error.message) || Promise.reject(error),
  );
}

async function main(): Promise<void> {
  if (!(await reportAdapter())) return;
  await report("the check", checkTheCheck);
  for (const one of cases.filter(({ cpuOnly }) => !cpuOnly)) {
    await report(one.name, async () => checkCase(one, 2, { device: "webgpu", session: STRICT }));
  }
}

void main().then(() => process.exit(0));
