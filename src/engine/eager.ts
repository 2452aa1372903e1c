/**
 * The tfjs backend for eager tensors: those that a cell computes and looks at outside of a compiled program.
 *
 * The fastest one present becomes current: TensorFlow's native library on a GPU, the same on the CPU, tfjs's
 * WebAssembly kernels (one thread: tfjs has no WebAssembly threads on Node), and plain JavaScript last.
 * `LORALAB_EAGER` = `tensorflow`, `wasm` or `cpu` asks for one of them and for no other.
 */
import * as tf from "@tensorflow/tfjs";
import { findTensorFlow, loadTensorFlow, TENSORFLOW_PACKAGES, type TensorFlowPackage } from "./tensorflow";

const BACKENDS = ["tensorflow", "wasm", "cpu"] as const;
/** A tfjs backend by the name that tfjs gives it. WebGL is a page's. */
export type EagerBackend = (typeof BACKENDS)[number] | "webgl";

export interface EagerReport {
  /** The tfjs backend that was made current. */
  backend: EagerBackend;
  /** What it is, for people: the package and, for TensorFlow, its version and device. */
  description: string;
  /** Every faster choice, and why it is not the one. */
  reasons: { name: string; why: string }[];
}

let chosen: Promise<EagerReport> | undefined;

/**
 * Makes the fastest tfjs backend present current, once: later calls return the same report and leave alone what
 * `tf.setBackend` has been told since.
 *
 * @throws Error when `LORALAB_EAGER` has an unknown value or asks for a backend that does not start here.
 */
export function eager(): Promise<EagerReport> {
  chosen ??= choose(process.env.LORALAB_EAGER || undefined).catch((error) => {
    chosen = undefined;
    throw error;
  });
  return chosen;
}

interface Choice {
  backend: EagerBackend;
  name: string;
  /** Makes the backend current; returns why it could not. */
  start(): Promise<string | undefined>;
  describe(): string;
}

const CHOICES: Choice[] = [
  ...TENSORFLOW_PACKAGES.map((name) => ({
    backend: "tensorflow" as const,
    name,
    start: () => startTensorFlow(name),
    describe: describeTensorFlow,
  })),
  {
    backend: "wasm",
    name: "@tensorflow/tfjs-backend-wasm",
    start: startWasm,
    describe: () => "@tensorflow/tfjs-backend-wasm, one thread",
  },
  {
    backend: "cpu",
    name: "@tensorflow/tfjs-backend-cpu",
    start: startCpu,
    describe: () => "@tensorflow/tfjs-backend-cpu, plain JavaScript",
  },
];

async function choose(wanted: string | undefined): Promise<EagerReport> {
  if (wanted !== undefined && !(BACKENDS as readonly string[]).includes(wanted)) {
    throw new Error(`LORALAB_EAGER is "${wanted}"; expected ${BACKENDS.join(", ")}, or nothing`);
  }
  const reasons: EagerReport["reasons"] = [];
  const failures: string[] = [];
  for (const { backend, name, start, describe } of CHOICES) {
    if (wanted !== undefined && wanted !== backend) {
      reasons.push({ name, why: `not tried, because LORALAB_EAGER=${wanted}` });
      continue;
    }
    const why = await start();
    if (why === undefined) return { backend, description: describe(), reasons };
    reasons.push({ name, why });
    failures.push(`\n  ${name}: ${why}`);
  }
  throw new Error(
    `tfjs backend "${wanted}", which LORALAB_EAGER asks for, does not start:${failures.join("")}`,
  );
}

/** Loads the first copy of `name` that works. */
async function startTensorFlow(name: TensorFlowPackage): Promise<string | undefined> {
  const { folders, why } = findTensorFlow(name);
  const failures: string[] = [];
  // A cell may have loaded tfjs-node itself; whichever of the two packages that was, no other can follow it.
  while (tf.findBackendFactory("tensorflow") === null) {
    const folder = folders.shift();
    if (folder === undefined) return failures.join("; ") || why;
    try {
      loadTensorFlow(folder);
    } catch (error) {
      failures.push(`${folder} does not load: ${(error as Error).message}`);
    }
  }
  const started = await tf.setBackend("tensorflow");
  return started
    ? undefined
    : failures.join("; ") || "it is loaded but does not start (tfjs printed the reason)";
}

/** Version and device of the TensorFlow behind the current backend, which must be "tensorflow". */
export function tensorFlowInUse(): { package: TensorFlowPackage; version: string; gpu: boolean } {
  const backend = tf.backend() as unknown as {
    binding: { TF_Version: string };
    isGPUPackage: boolean;
    isUsingGpuDevice: boolean;
  };
  const [gpuPackage, cpuPackage] = TENSORFLOW_PACKAGES;
  return {
    package: backend.isGPUPackage ? gpuPackage : cpuPackage,
    version: backend.binding.TF_Version,
    gpu: backend.isUsingGpuDevice,
  };
}

function describeTensorFlow(): string {
  const { package: name, version, gpu } = tensorFlowInUse();
  return `${name}, TensorFlow ${version} on the ${gpu ? "GPU" : "CPU"}`;
}

async function startWasm(): Promise<string | undefined> {
  // The module's loader adds process-wide handlers that throw on every unhandled rejection and rethrow every uncaught
  // error, over the head of whoever owns the process (a notebook kernel, a test runner). They are taken off again.
  const handled = ["uncaughtException", "unhandledRejection"] as const;
  const before = handled.map((event) => process.rawListeners(event));
  // Loaded here and not with this file: it registers itself as tfjs's first choice, and an operator that came before it
  // has started would fail.
  require("@tensorflow/tfjs-backend-wasm");
  const started = await tf.setBackend("wasm");
  handled.forEach((event, i) => {
    for (const listener of process.rawListeners(event)) {
      if (!before[i].includes(listener)) process.removeListener(event, listener as () => void);
    }
  });
  return started ? undefined : "its WebAssembly module did not start (tfjs printed the reason)";
}

async function startCpu(): Promise<string | undefined> {
  await tf.setBackend("cpu");
  // On its first use this backend advises to install tfjs-node; the report already says how, and why it is not used.
  Object.assign(tf.backend(), { firstUse: false });
  return undefined;
}
