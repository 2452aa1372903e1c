/**
 * What the kernel's parent process (protocol, compiler) and its child (the user's code) say to each other.
 * Values cross with Node's structured serialization, so buffers and Maps survive. The parent's messages come over
 * Node's own channel; the child's over the pipe of its side thread, each after its length in four bytes.
 */
import type { Readable } from "node:stream";
import v8 from "node:v8";
import type { MimeBundle } from "../protocol/messages";

/** A cell ready to run. */
export interface CellProgram {
  /** JavaScript: the body of an async function (see child/run.ts for its parameters). */
  code: string;
  /** Source map of `code`, as JSON. */
  map: string;
  /** Name that stack traces show. */
  filename: string;
  /** Names that the cell declares in the session. */
  names: string[];
  /** Local `.ts` modules that the cell imports, compiled: absolute path of the `.js` → code. */
  modules: [path: string, code: string][];
}

export type ToChild =
  | { type: "run"; run: number; cell: string; program: CellProgram; allowStdin: boolean }
  | { type: "interrupt"; run: number }
  | { type: "input"; value: string | null }
  /** A front end's message `request`; answered with `handled` once its callbacks have run. */
  | { type: "comm"; request: string; comm: CommMessage };

/** A message of a comm, in either direction. */
export interface CommMessage {
  kind: "open" | "msg" | "close";
  id: string;
  /** Of an `open`. */
  target?: string;
  /** Anything that JSON can hold. */
  data: unknown;
  metadata: Record<string, unknown>;
  buffers: Uint8Array[];
}

/** What a cell's type errors do: keep it from running, or appear as warnings. */
export type TypeErrors = "error" | "warn";

/** The number of the run, for interrupts, of callbacks that run while no cell does. */
export const CALLBACKS = -1;

export interface CellError {
  ename: string;
  evalue: string;
  traceback: string[];
}

export interface Outcome {
  /** The last expression's value, unless it is undefined. */
  result?: MimeBundle;
  error?: CellError;
  /** Declared names that got no value (the cell failed first) and that a global has too: those stay the global's. */
  unset: string[];
}

/** `cell` is the id of the request whose code made the output, even when that cell ended long ago. */
export type FromChild =
  | { type: "ready" }
  | { type: "stream"; cell: string; name: "stdout" | "stderr"; text: string }
  | { type: "display"; cell: string; data: MimeBundle; id?: string; update: boolean }
  | { type: "clear"; cell: string; wait: boolean }
  | { type: "page"; cell: string; data: MimeBundle }
  | { type: "prompt"; cell: string; question: string; password: boolean }
  | { type: "comm"; cell: string; comm: CommMessage }
  | { type: "handled"; request: string }
  | { type: "typeErrors"; cell: string; mode: TypeErrors }
  | { type: "done"; run: number; outcome: Outcome };

/** Reads what a child sends over its pipe. */
export function readMessages(pipe: Readable, handle: (message: FromChild) => void): void {
  let chunks: Buffer[] = [];
  let length = 0;
  let wanted = 4;
  pipe.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length < wanted) return;
    let bytes = Buffer.concat(chunks);
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32LE(0)) {
      const end = 4 + bytes.readUInt32LE(0);
      handle(v8.deserialize(bytes.subarray(4, end)));
      bytes = bytes.subarray(end);
    }
    chunks = [bytes];
    length = bytes.length;
    wanted = length >= 4 ? 4 + bytes.readUInt32LE(0) : 4;
  });
}
