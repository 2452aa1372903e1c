/** The ZMQ sockets of one front end of a kernel: a Dealer for each request channel, and a Subscriber if it listens. */
import { Dealer, Subscriber } from "zeromq";
import { address, type Connection } from "../../../kernel/connection";
import type { Message } from "../../../kernel/protocol/messages";
import { decode, sign, WireError } from "../../../kernel/protocol/wire";

export type RequestChannel = "shell" | "control" | "stdin";
export type KernelChannel = RequestChannel | "iopub";

/** A message in transit: where it goes, its header, parent, metadata and content as JSON, and its buffers. */
export interface Parcel {
  channel: KernelChannel;
  parts: [header: Buffer, parent: Buffer, metadata: Buffer, content: Buffer];
  buffers: Buffer[];
}

/** A parcel that came from the kernel: its signature is right and its parts are parsed. */
export type Delivery = Parcel & { message: Message };

export class FrontEndSockets {
  private readonly dealers: Record<RequestChannel, Dealer>;
  private readonly iopub: Subscriber | undefined;
  private readonly signing: { key: string; scheme: string };
  private readonly sending = new Map<Dealer, Promise<unknown>>();
  private closed = false;

  /**
   * @param routingId one for all Dealers: a kernel asks for input on stdin by the identity of the shell request
   * @param hearsBroadcasts whether to subscribe too
   */
  constructor(
    connection: Connection,
    routingId: string,
    hearsBroadcasts: boolean,
    onDelivery: (delivery: Delivery) => void,
  ) {
    // No limits: what cannot be passed on at once is bounded where it waits, not dropped unseen.
    const options = { linger: 0, reconnectInterval: 10, receiveHighWaterMark: 0 };
    const newDealer = () => new Dealer({ ...options, routingId, sendHighWaterMark: 0 });
    this.dealers = { shell: newDealer(), control: newDealer(), stdin: newDealer() };
    this.iopub = hearsBroadcasts ? new Subscriber(options) : undefined;
    this.signing = { key: connection.key, scheme: connection.signature_scheme };
    for (const [channel, socket] of this.named()) {
      socket.connect(address(connection, channel));
      void this.read(channel, socket, onDelivery);
    }
    this.iopub?.subscribe();
  }

  /** Sends a message, in order; zeromq.js allows one send at a time on a socket. */
  send({ channel, parts, buffers }: Parcel): void {
    if (channel === "iopub" || this.closed) return;
    const dealer = this.dealers[channel];
    const frames = [...sign(parts, this.signing), ...buffers];
    const before = this.sending.get(dealer) ?? Promise.resolve();
    this.sending.set(
      dealer,
      before.then(() => (this.closed ? undefined : dealer.send(frames))).catch(() => {}),
    );
  }

  close(): void {
    this.closed = true;
    for (const [, socket] of this.named()) socket.close();
  }

  private named(): [KernelChannel, Dealer | Subscriber][] {
    const named = { ...this.dealers, ...(this.iopub ? { iopub: this.iopub } : {}) };
    return Object.entries(named) as [KernelChannel, Dealer | Subscriber][];
  }

  private async read(
    channel: KernelChannel,
    socket: Dealer | Subscriber,
    onDelivery: (delivery: Delivery) => void,
  ): Promise<void> {
    for await (const frames of socket) {
      if (this.closed) return;
      try {
        const message = decode(frames, this.signing);
        const start = frames.length - message.buffers.length - 4;
        const parts = frames.slice(start, start + 4) as Parcel["parts"];
        onDelivery({ channel, parts, buffers: message.buffers, message });
      } catch (error) {
        if (!(error instanceof WireError))
          console.error("a message of a kernel could not be passed on:", error);
        else console.error(`dropped a message of a kernel on ${channel}: ${error.message}`);
      }
    }
  }
}

/** A message of our own as a parcel. */
export function parcel(channel: KernelChannel, header: object, content: object, parent: object = {}): Parcel {
  const parts = [header, parent, {}, content].map((part) => Buffer.from(JSON.stringify(part)));
  return { channel, parts: parts as Parcel["parts"], buffers: [] };
}
