/**
 * Programs on a thread of their own. ONNX Runtime's binding for Node computes inside its call, so a thread of JavaScript is
 * busy while a program of its own runs; programs on other threads run beside it and beside each other.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Worker } from "node:worker_threads";
import type * as ort from "onnxruntime-node";
import type { TypedArray } from "./graph";
import { startWorker } from "./worker";

/** What a program asks of ONNX Runtime, here or on another thread. */
export interface Session {
  run(feeds: Record<string, ort.Tensor>): Promise<Record<string, ort.OnnxValue>>;
  /** A value of the state that the last run has left. */
  read(name: string): Promise<TypedArray>;
  release(): Promise<void>;
}

/** A tensor on its way between threads. */
export interface Parcel {
  data: TypedArray;
  dims: readonly number[];
  type: "float32" | "int32" | "bool";
}

export type Parcels = Record<string, Parcel>;

/** What a run gives, and what it was given, to be used again. */
export interface Outcome {
  results: Parcels;
  back: Parcels;
}

export type Request =
  | { create: Uint8Array; options: ort.InferenceSession.SessionOptions; state: readonly string[] }
  | { run: number; feeds: Parcels }
  | { read: string; of: number }
  | { release: number }
  | { releaseAll: true };

export type Answer = { id: number } & ({ value: unknown } | { error: string });

interface Waiting {
  resolve(value: any): void;
  reject(error: Error): void;
}

const current = new AsyncLocalStorage<ComputeThread | undefined>();
let made = 0;

/** Does `work` so that the programs which it builds, and those that these call for, run on `thread`; `undefined`: on this one. */
export const onThread = <R>(thread: ComputeThread | undefined, work: () => R): R => current.run(thread, work);

/** Where a program that is built now will run, if not on this thread. */
export const computeThread = (): ComputeThread | undefined => current.getStore();

/** A thread that programs run on. Keeps the process alive only while it works. */
export class ComputeThread {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private readonly number = ++made;
  private readonly spares = new Set<Map<string, TypedArray>>();
  private asked = 0;
  private ended?: Error;

  constructor() {
    this.worker = startWorker("thread");
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
  async create(
    model: Uint8Array,
    options: ort.InferenceSession.SessionOptions,
    state: readonly string[],
  ): Promise<Session> {
    const copy = model.slice();
    const given = options.externalData as { path: string; data: Uint8Array }[];
    const externalData = given.map(({ path, data }) => ({ path, data: data.slice() }));
    const session = await this.ask<number>({ create: copy, options: { ...options, externalData }, state }, [
      copy,
      ...externalData.map(({ data }) => data),
    ]);
    const spare = new Map<string, TypedArray>(); // what inputs travel in, there and back: fresh memory costs more than copying
    this.spares.add(spare);
    return {
      run: async (feeds) => {
        const parcels: Parcels = {};
        for (const [name, { data, dims, type }] of Object.entries(feeds)) {
          const array = data as TypedArray;
          const traveller = spare.get(name) ?? (new (array.constructor as any)(array.length) as TypedArray);
          spare.delete(name);
          traveller.set(array);
          parcels[name] = { data: traveller, dims, type: type as Parcel["type"] };
        }
        const { results, back } = await this.ask<Outcome>(
          { run: session, feeds: parcels },
          arraysOf(parcels),
        );
        for (const [name, { data }] of Object.entries(back)) spare.set(name, data);
        return results as unknown as Record<string, ort.OnnxValue>;
      },
      read: (name) => this.ask<TypedArray>({ read: name, of: session }, []),
      release: async () => {
        this.spares.delete(spare);
        if (!this.ended) await this.ask({ release: session }, []);
      },
    };
  }

  /** Ends the thread, and with it the programs on it, when those that run have done so. */
  async end(): Promise<void> {
    if (!this.ended) await this.ask({ releaseAll: true }, []);
    await this.worker.terminate();
    for (const spare of this.spares) spare.clear();
  }

  /** Programs on this thread are told from those on another by this, in keys of caches. */
  toJSON(): string {
    return `thread ${this.number}`;
  }
}

export const arraysOf = (parcels: Parcels): TypedArray[] => Object.values(parcels).map(({ data }) => data);
