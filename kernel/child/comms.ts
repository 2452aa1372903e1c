/**
 * The child's end of comms: channels between the user's code and a front end's, which either may open.
 *
 * Callbacks run in the cell that registered them: what they print appears there, also long after it ended.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { CALLBACKS, type CommMessage, type FromChild } from "./ipc";
import { Run, type Runner } from "./run";

type Data = Record<string, unknown>;
type OnMessage = (data: any, buffers: Uint8Array[]) => unknown;

/** What may accompany a message. */
export interface Attachments {
  metadata?: Data;
  buffers?: ArrayBufferView[];
}

export class Comm {
  isOpen = true;
  private readonly onMessages = new Set<OnMessage>();
  private readonly onCloses = new Set<(data: any) => unknown>();

  constructor(
    readonly id: string,
    readonly target: string,
    private readonly comms: Comms,
  ) {}

  /**
   * Sends a message to the front end.
   *
   * @throws Error when the comm is closed
   */
  send(data: Data, attachments: Attachments = {}): void {
    if (!this.isOpen) throw new Error(`comm ${this.id} of target "${this.target}" is closed`);
    this.comms.send("msg", this.id, data, attachments);
  }

  /** Ends the comm on both sides; nothing happens when it has ended before. */
  close(data: Data = {}): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.comms.send("close", this.id, data, {});
    this.comms.forget(this);
  }

  /** Calls back with each message of the front end; returns how to stop that. */
  onMessage(callback: OnMessage): () => void {
    return add(this.onMessages, this.comms.callback(callback));
  }

  /** Calls back when the front end closes the comm; returns how to stop that. */
  onClose(callback: (data: any) => unknown): () => void {
    return add(this.onCloses, this.comms.callback(callback));
  }

  /** A message of the front end. */
  receive({ kind, data, buffers }: CommMessage): void {
    if (kind === "msg") for (const callback of [...this.onMessages]) callback(data, buffers);
    if (kind !== "close") return;
    this.isOpen = false;
    this.comms.forget(this);
    for (const callback of [...this.onCloses]) callback(data);
  }
}

type OnOpen = (comm: Comm, data: any, buffers: Uint8Array[]) => unknown;

export class Comms {
  /** Id of the front end's message that is being handled. */
  request: string | undefined;
  private readonly comms = new Map<string, Comm>();
  private readonly targets = new Map<string, OnOpen>();

  /** @param report what to do with an error that a callback threw */
  constructor(
    private readonly runner: Runner,
    private readonly post: (message: FromChild) => void,
    private readonly report: (error: unknown) => void,
  ) {}

  /** Opens a comm of a target that the front end knows. */
  readonly open = (target: string, data: Data = {}, attachments: Attachments = {}): Comm => {
    const comm = new Comm(randomUUID().replaceAll("-", ""), target, this);
    this.send("open", comm.id, data, attachments, target);
    this.comms.set(comm.id, comm);
    return comm;
  };

  /** Makes a target that front ends can open comms of. */
  readonly register = (target: string, onOpen: OnOpen): void => {
    this.targets.set(target, this.callback(onOpen));
  };

  /** Handles a message of the front end. */
  receive(request: string, received: CommMessage): void {
    // With memory of their own, so that `new Float32Array(bytes.buffer)` is what was sent.
    const message = { ...received, buffers: received.buffers.map((bytes) => new Uint8Array(bytes)) };
    this.request = request;
    try {
      if (message.kind === "open") this.receiveOpen(message);
      else this.comms.get(message.id)?.receive(message);
    } finally {
      this.request = undefined;
      // After what the callbacks put off, as `interact` does to skip values that are out of date.
      setImmediate(() => this.post({ type: "handled", request }));
    }
  }

  send(kind: CommMessage["kind"], id: string, data: Data, attachments: Attachments, target?: string): void {
    const { metadata = {}, buffers = [] } = attachments;
    const bytes = buffers.map((view) => {
      if (ArrayBuffer.isView(view)) return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      throw new TypeError(`comm: expected typed arrays as buffers, got ${inspect(view)}`);
    });
    const cell = this.request ?? this.runner.caller?.cell ?? "";
    this.post({ type: "comm", cell, comm: { kind, id, target, data, metadata, buffers: bytes } });
  }

  forget(comm: Comm): void {
    this.comms.delete(comm.id);
  }

  /** A callback that runs where it was registered, and whose errors appear there. */
  callback<A extends unknown[]>(callback: (...args: A) => unknown): (...args: A) => void {
    const here = AsyncLocalStorage.snapshot();
    return (...args) =>
      here(() => {
        // A page may ask for the widgets' states before any cell has run.
        const run = this.runner.caller?.forCallback() ?? new Run(CALLBACKS, "", false);
        try {
          const result = this.runner.callback(run, () => callback(...args));
          if (result instanceof Promise) result.catch(this.report);
          run.displays?.catch(this.report);
        } catch (error) {
          this.report(error);
        }
      });
  }

  private receiveOpen({ id, target, data, buffers }: CommMessage): void {
    const comm = new Comm(id, target!, this);
    const onOpen = this.targets.get(target!);
    if (!onOpen) {
      comm.close(); // Jupyter: a comm of an unknown target is closed at once
      return;
    }
    this.comms.set(id, comm);
    onOpen(comm, data, buffers);
  }
}

function add<T>(set: Set<T>, value: T): () => void {
  set.add(value);
  return () => void set.delete(value);
}
