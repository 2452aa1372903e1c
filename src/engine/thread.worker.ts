/** The other side of `ComputeThread`: makes sessions, runs and releases them, one request after the other. */
import { parentPort } from "node:worker_threads";
import * as ort from "onnxruntime-node";
import { outputOf, State } from "./state";
import { type Answer, arraysOf, type Outcome, type Parcel, type Parcels, type Request } from "./thread";

const ARRAY = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };
const sessions = new Map<number, { session: ort.InferenceSession; state: State; names: readonly string[] }>();
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
      const session = await ort.InferenceSession.create(request.create, request.options);
      const state = new State(request.state, () =>
        Promise.reject(new Error("a thread has no device memory")),
      );
      sessions.set(++made, { session, state, names: request.state });
      send({ id, value: made });
    } else if ("run" in request) {
      const { session, state, names } = sessions.get(request.run)!;
      const results = emptyResults(session, names.map(outputOf));
      const given = tensors(request.feeds);
      const fetched = {
        ...tensors(results),
        ...Object.fromEntries(names.map((name) => [outputOf(name), null])),
      };
      state.keep({ ...(await session.run(state.feeds(given), fetched)) });
      const outcome: Outcome = { results, back: request.feeds };
      send({ id, value: outcome }, [...arraysOf(results), ...arraysOf(request.feeds)]);
    } else if ("read" in request) {
      const value = await sessions.get(request.of)!.state.read(request.read);
      send({ id, value: value.slice() });
    } else {
      const released = "release" in request ? [request.release] : [...sessions.keys()];
      for (const number of released) {
        const { session, state } = sessions.get(number)!;
        state.dispose();
        await session.release();
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
function emptyResults({ outputMetadata }: ort.InferenceSession, without: readonly string[]): Parcels {
  const results: Parcels = {};
  for (const output of outputMetadata as ort.InferenceSession.TensorValueMetadata[]) {
    if (without.includes(output.name)) continue;
    const type = output.type as Parcel["type"];
    const dims = output.shape as number[];
    results[output.name] = { type, dims, data: new ARRAY[type](dims.reduce((size, n) => size * n, 1)) };
  }
  return results;
}
