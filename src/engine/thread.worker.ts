/** The other side of `ComputeThread`: makes sessions, runs and releases them, one request after the other. */
import { parentPort } from "node:worker_threads";
import * as ort from "onnxruntime-node";
import { type Answer, type Parcel, parcel, type Request } from "./thread";

const sessions = new Map<number, ort.InferenceSession>();
let made = 0;
let before: Promise<void> = Promise.resolve();

parentPort!.on("message", ({ id, ...request }: { id: number } & Request) => {
  before = before.then(() => answer(id, request as Request));
});

async function answer(id: number, request: Request): Promise<void> {
  const send = (message: Answer, arrays: ArrayBufferLike[] = []) =>
    parentPort!.postMessage(message, arrays as ArrayBuffer[]);
  try {
    if ("create" in request) {
      sessions.set(++made, await ort.InferenceSession.create(request.create, request.options));
      send({ id, value: made });
    } else if ("run" in request) {
      const feeds = Object.entries(request.feeds).map(
        ([name, { type, data, dims }]) => [name, new ort.Tensor(type, data as never, dims)] as const,
      );
      const results = await sessions.get(request.run)!.run(Object.fromEntries(feeds));
      const value: Record<string, Parcel> = {};
      for (const [name, result] of Object.entries(results)) value[name] = parcel(result);
      send(
        { id, value },
        Object.values(value).map(({ data }) => data.buffer),
      );
    } else {
      await sessions.get(request.release)!.release();
      sessions.delete(request.release);
      send({ id, value: undefined });
    }
  } catch (error) {
    send({ id, error: error instanceof Error ? error.message : String(error) });
  }
}
