/**
 * The five ZMQ sockets of a kernel.
 *
 * All sends go through one queue that awaits each of them: zeromq.js refuses a send while another is under way, and
 * a queue keeps a cell's outputs, its reply and `idle` in the order in which they were made.
 */
import { Router, XPublisher } from "zeromq";
import { address, type Connection } from "./connection";

export type RequestChannel = "shell" | "control" | "stdin";

export interface SocketHandlers {
  onRequest(channel: RequestChannel, frames: Buffer[]): void;
  /** A front end subscribed to the broadcasts with this prefix. */
  onSubscribe(subscription: Buffer): void;
}

export class Sockets {
  // No high-water mark: PUB would drop outputs silently once a slow reader is 1,000 messages behind.
  // All subscriptions are told of, not only the first to each prefix: every front end is welcomed.
  private readonly iopub = new XPublisher({ sendHighWaterMark: 0, linger: 1000, verbosity: "allSubs" });
  private readonly heartbeat = new Router({ linger: 0, handover: true });
  private readonly routers: Record<RequestChannel, Router> = {
    shell: newRouter(),
    control: newRouter(),
    stdin: newRouter(),
  };
  private queue: Promise<unknown> = Promise.resolve();
  private closed = false;

  /**
   * Binds all sockets and starts to read them.
   *
   * @throws Error naming the address that cannot be bound
   */
  async bind(connection: Connection, handlers: SocketHandlers): Promise<void> {
    const named = { ...this.routers, iopub: this.iopub, hb: this.heartbeat };
    for (const [name, socket] of Object.entries(named)) {
      const where = address(connection, name as keyof typeof named);
      await socket.bind(where).catch((error: Error) => {
        throw new Error(`cannot bind the ${name} socket to ${where}: ${error.message}`);
      });
    }
    for (const [channel, router] of Object.entries(this.routers))
      void this.read(router, (frames) => handlers.onRequest(channel as RequestChannel, frames));
    void this.read(this.heartbeat, (frames) => this.heartbeat.send(frames));
    void this.read(this.iopub, ([frame]) => {
      // A subscription arrives as the byte 1 and the prefix; 0 is its end.
      if (frame?.[0] === 1) handlers.onSubscribe(frame.subarray(1));
    });
  }

  send(channel: RequestChannel | "iopub", frames: Buffer[]): void {
    const socket = channel === "iopub" ? this.iopub : this.routers[channel];
    this.queue = this.queue.then(async () => {
      if (!this.closed) await socket.send(frames);
    });
    this.queue = this.queue.catch((error: Error) => {
      console.error(`loralab kernel: a message on ${channel} could not be sent: ${error.message}`);
    });
  }

  /** Sends what is queued, then closes. */
  async close(): Promise<void> {
    await this.queue;
    this.closed = true;
    for (const socket of [...Object.values(this.routers), this.iopub, this.heartbeat]) socket.close();
  }

  private async read(socket: Router | XPublisher, handle: (frames: Buffer[]) => unknown): Promise<void> {
    for await (const frames of socket) {
      try {
        await handle(frames);
      } catch (error) {
        console.error("loralab kernel: a message could not be handled:", error);
      }
    }
  }
}

function newRouter(): Router {
  // handover: a front end that reconnects under its old identity replaces its dead connection
  return new Router({ sendHighWaterMark: 0, linger: 1000, handover: true });
}
