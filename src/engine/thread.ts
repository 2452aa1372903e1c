/**
 * Programs on a thread of their own. ONNX Runtime's binding for Node computes inside its call, so a thread of JavaScript is
 * busy while a program of its own runs; programs on other threads run beside it and beside each other.
 */
import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";
import type * as ort from "onnxruntime-node";
import type { TypedArray } from "./graph";

/** What a program asks of ONNX Runtime, here or on another thread. */
export type Session = Pick<ort.InferenceSession, "run" | "release">;

/** A tensor on its way between threads. */
export interface Parcel {
  data: TypedArray;
  dims: readonly number[];
  type: "float32" | "int32" | "bool";
}

export type Request =
  | { create: Uint8Array; options: ort.InferenceSession.SessionOptions }
  | { run: number; feeds: Record<string, Parcel> }
  | { release: number };

export type Answer = { id: number } & ({ value: unknown } | { error: string });

interface Waiting {
  resolve(value: any): void;
  reject(error: Error): void;
}

let made = 0;

/** A thread that compiled programs run on: `trace(fn, inputs, { thread })`. Keeps the process alive only while it works. */
export class ComputeThread {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private readonly number = ++made;
  private asked = 0;
  private ended?: Error;

  constructor() {
    const extension = extname(__filename);
    this.worker = new Worker(join(__dirname, `thread.worker${extension}`), {
      ...(extension === ".ts" && { execArgv: ["--require", require.resolve("tsx/cjs")] }),
    });
    this.worker.unref();
    this.worker.on("message", ({ id, ...answer }: Answer) => {
      const { resolve, reject } = this.waiting.get(id)!;
      this.waiting.delete(id);
      if (this.waiting.size === 0) this.worker.unref();
      if ("error" in answer) reject(new Error(answer.error));
      else resolve(answer.value);
    });
    this.worker.on("error", (error) => this.fail(error));
    this.worker.on("exit", () => this.fail(new Error("The thread that this program ran on has ended.")));
  }

  private fail(error: Error): void {
    this.ended ??= error;
    for (const { reject } of this.waiting.values()) reject(this.ended);
    this.waiting.clear();
  }

  private ask<T>(request: Request, arrays: readonly ArrayBufferView[]): Promise<T> {
    if (this.ended) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => {
      const id = ++this.asked;
      this.waiting.set(id, { resolve, reject });
      this.worker.ref();
      this.worker.postMessage(
        { id, ...request },
        arrays.map(({ buffer }) => buffer as ArrayBuffer),
      );
    });
  }

  /** As `ort.InferenceSession.create`, of a model in memory; it and its constants are copied. */
  async create(model: Uint8Array, options: ort.InferenceSession.SessionOptions): Promise<Session> {
    const copy = model.slice();
    const externalData = (options.externalData as { path: string; data: Uint8Array }[]).map(
      ({ path, data }) => ({
        path,
        data: data.slice(),
      }),
    );
    const arrays = [copy, ...externalData.map(({ data }) => data)];
    const session = await this.ask<number>({ create: copy, options: { ...options, externalData } }, arrays);
    return {
      run: (feeds) => {
        const parcels = Object.fromEntries(
          Object.entries(feeds).map(([name, tensor]) => [name, parcel(tensor)]),
        );
        return this.ask(
          { run: session, feeds: parcels },
          Object.values(parcels).map(({ data }) => data),
        );
      },
      release: () => (this.ended ? Promise.resolve() : this.ask({ release: session }, [])),
    };
  }

  /** Ends the thread, and with it the programs on it; what runs is rejected. */
  async end(): Promise<void> {
    await this.worker.terminate();
  }

  /** Settings with this thread are told from those with another, as keys of caches are. */
  toJSON(): string {
    return `thread ${this.number}`;
  }
}

/** A copy that can be handed over to another thread. */
export function parcel({ data, dims, type }: ort.OnnxValue): Parcel {
  return { data: (data as TypedArray).slice(), dims, type: type as Parcel["type"] };
}
