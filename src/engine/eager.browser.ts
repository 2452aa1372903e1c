/** The tfjs backend for eager tensors in a page: WebGL, or plain JavaScript where there is none. */
import * as tf from "@tensorflow/tfjs";
import type { EagerReport } from "./eager";

export type { EagerReport };

let chosen: Promise<EagerReport> | undefined;

/** Makes it current, once: later calls return the same report and leave alone what `tf.setBackend` has been told since. */
export function eager(): Promise<EagerReport> {
  chosen ??= choose();
  return chosen;
}

async function choose(): Promise<EagerReport> {
  if (await tf.setBackend("webgl"))
    return { backend: "webgl", description: "@tensorflow/tfjs-backend-webgl", reasons: [] };
  await tf.setBackend("cpu");
  const why = "this browser gives no WebGL 2";
  return {
    backend: "cpu",
    description: "@tensorflow/tfjs-backend-cpu, plain JavaScript",
    reasons: [{ name: "@tensorflow/tfjs-backend-webgl", why }],
  };
}
