/** Which engine runs compiled code, which one runs eager code, and why not another. */
import { type EagerReport, eager } from "./eager";
import { Graph } from "./graph";
import { writeModel } from "./onnx";
import * as ort from "./runtime";

/** An execution provider of ONNX Runtime. */
export type Device = "cpu" | "webgpu" | "cuda" | "tensorrt" | "coreml" | "dml";

/**
 * Compiled code runs on the CPU unless `LORALAB_DEVICE` or an option asks for another device.
 * @throws for one that ONNX Runtime does not offer here
 */
export function chosenDevice(option?: Device): Device {
  const wanted = option ?? (globalThis.process?.env.LORALAB_DEVICE || "cpu");
  if (!offered().includes(wanted as Device)) {
    const asked = option === undefined ? "LORALAB_DEVICE" : "The option device";
    throw new Error(`${asked} is "${wanted}", but ONNX Runtime offers ${offered().join(", ")} here.`);
  }
  return wanted as Device;
}

const offered = (): Device[] => ort.providers() as Device[];

export interface DeviceReport {
  /** What runs compiled code. */
  compiled: { device: Device; description: string };
  /** The other devices, and why they do not run it. */
  others: { device: Device; why: string }[];
  /** What runs eager tfjs code. */
  eager: EagerReport;
}

/** Tells which engines are in use and why not another: tries every device that ONNX Runtime offers here. */
export async function device(): Promise<DeviceReport> {
  const inUse = chosenDevice();
  const others: DeviceReport["others"] = [];
  for (const name of offered()) {
    if (name === inUse) continue;
    const failure = await failureOf(name);
    others.push({
      device: name,
      why:
        failure ??
        `works here, but was not asked for: set LORALAB_DEVICE=${name}, or give the option device: "${name}"`,
    });
  }
  const description = `ONNX Runtime ${ort.runtimeVersion()}, provider ${inUse}`;
  return { compiled: { device: inUse, description }, others, eager: await eager() };
}

/** Builds the smallest program on a device; returns what went wrong. */
async function failureOf(name: Device): Promise<string | undefined> {
  const graph = new Graph(name);
  const x = graph.input("x", { shape: [1], dtype: "float32" });
  const { model } = writeModel(graph, { y: x });
  try {
    const session = await ort.InferenceSession.create(model, {
      executionProviders: [name],
      logSeverityLevel: 4,
    });
    await session.run({ x: new ort.Tensor("float32", [1], [1]) });
    await session.release();
    return undefined;
  } catch (error) {
    return (error as Error).message.split("\n")[0];
  }
}
