/** The other side of `ComputeThread`: makes sessions, runs and releases them, one request after the other. */
import { parentPort } from "node:worker_threads";
import * as ort from "onnxruntime-node";
import { type Answer, arraysOf, type Outcome, type Parcel, type Parcels, type Request } from "./thread";

const ARRAY = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };
const sessions = new Map<number, ort.InferenceSession>();
let made = 0;
let before: Promise<void> = Promise.resolve();

parentPort!.on("message", ({ id, ...request }: { id: number } & Request) => {
  before = before.then(() => answer(id, request as Request));
});

async function answer(id: number, request: Request): Promise<void> {
  const send = (message: Answer, arrays: readonly ArrayBufferView[] = []) =>
    parentPort!.postMessage(
      message,
      arrays.map(({ buffer }) => buffer as ArrayBuffer),
    );
  try {
    if ("create" in request) {
      sessions.set(++made, await ort.InferenceSession.create(request.create, request.options));
      send({ id, value: made });
    } else if ("run" in request) {
      const session = sessions.get(request.run)!;
      const results = emptyResults(session);
      await session.run(tensors(request.feeds), tensors(results));
      const outcome: Outcome = { results, back: request.feeds };
      send({ id, value: outcome }, [...arraysOf(results), ...arraysOf(request.feeds)]);
    } else {
      const released = "release" in request ? [request.release] : [...sessions.keys()];
      for (const number of released) {
        await sessions.get(number)!.release();
        sessions.delete(number);
      }
      send({ id, value: undefined });
    }
  } catch (error) {
    send({ id, error: error instanceof Error ? error.message : String(error) });
  }
}

const tensors = (parcels: Parcels): Record<string, ort.Tensor> =>
  Object.fromEntries(
    Object.entries(parcels).map(([name, { type, data, dims }]) => [
      name,
      new ort.Tensor(type, data as never, dims),
    ]),
  );

/** Memory for the results that can be handed over, unlike ONNX Runtime's own. All shapes of a traced function are known. */
function emptyResults({ outputMetadata }: ort.InferenceSession): Parcels {
  const results: Parcels = {};
  for (const output of outputMetadata as ort.InferenceSession.TensorValueMetadata[]) {
    const type = output.type as Parcel["type"];
    const dims = output.shape as number[];
    results[output.name] = { type, dims, data: new ARRAY[type](dims.reduce((size, n) => size * n, 1)) };
  }
  return results;
}
