/**
 * One front end's connection to a kernel: a WebSocket on one side, Dealers of its own on the other. Broadcasts come from
 * the kernel's one Subscriber in the server, which is there before any front end: a page that connects misses none.
 *
 * The two sides come and go independently. While the kernel restarts, what the front end sends waits for the new
 * sockets; while the WebSocket is broken (a laptop that slept), what the kernel sends waits for the front end to come
 * back with the same session.
 */
import { randomUUID } from "node:crypto";
import type { WebSocket } from "ws";
import type { Connection } from "../../../kernel/connection";
import { newHeader } from "../../../kernel/protocol/wire";
import { FrontEndSockets, type Parcel, parcel } from "./sockets";
import { pack, type Subprotocol, unpack } from "./wire";

/** A slow front end is sent no outputs while more than this waits for it. The server keeps them (see `outputs.ts`). */
const SLOW_BYTES = 32 * 2 ** 20;
/** What is kept for a front end that may come back, and for how long. */
const BACKLOG_BYTES = 32 * 2 ** 20;
const BACKLOG_MS = 10 * 60 * 1000;

const OUTPUTS = new Set(["stream", "display_data", "update_display_data", "execute_result"]);

export class Link {
  private sockets: FrontEndSockets | undefined;
  /** From the front end, for a kernel whose sockets are not up yet. */
  private waiting: Parcel[] = [];
  /** For the front end, while its WebSocket is broken. */
  private backlog: Parcel[] = [];
  private backlogBytes = 0;
  private webSocket: WebSocket | undefined;
  private protocol: Subprotocol = "";
  private expiry: NodeJS.Timeout | undefined;
  private leftOut: { parent: object; count: number } | undefined;

  /**
   * @param onRequest told of each message of the front end
   * @param onClosed told when the front end is gone for good
   */
  constructor(
    readonly sessionId: string,
    private readonly onRequest: (request: Parcel) => void,
    private readonly onClosed: (link: Link) => void,
  ) {}

  /** Outputs were left out for this front end. */
  hasMissed = false;

  get isConnected(): boolean {
    return this.webSocket !== undefined;
  }

  /** Serves a WebSocket, in place of an earlier one of the same session. */
  serve(webSocket: WebSocket, protocol: Subprotocol): void {
    const earlier = this.webSocket;
    this.webSocket = webSocket;
    this.protocol = protocol;
    earlier?.close(4000, "the same session connected again");
    clearTimeout(this.expiry);
    for (const kept of this.backlog.splice(0)) this.deliver(kept);
    this.backlogBytes = 0;
    webSocket.on("message", (data: Buffer, isBinary) =>
      this.receive(isBinary ? data : data.toString("utf8")),
    );
    webSocket.on("error", () => webSocket.terminate());
    webSocket.on("close", (code) => {
      if (this.webSocket !== webSocket) return;
      this.webSocket = undefined;
      // 1000, 1001: the page was closed, or left. Anything else is an accident.
      if (code === 1000 || code === 1001 || code === 1005) this.close();
      else this.expiry = setTimeout(() => this.close(), BACKLOG_MS).unref();
    });
  }

  /** Connects to a kernel that answers, and passes on what waited for it. */
  attach(connection: Connection): void {
    this.detach();
    // Two front ends may have one session id for a moment, sockets may not: what follows makes it unique.
    const routingId = `${this.sessionId}-${randomUUID()}`;
    this.sockets = new FrontEndSockets(connection, routingId, false, (message) => this.deliver(message));
    for (const request of this.waiting.splice(0)) this.sockets.send(request);
  }

  /** Lets go of a kernel that ended. */
  detach(): void {
    this.sockets?.close();
    this.sockets = undefined;
  }

  /** Sends a message to the front end, or keeps it until there is one. */
  deliver(message: Parcel): void {
    const { webSocket } = this;
    if (!webSocket) {
      this.keep(message);
      return;
    }
    if (webSocket.bufferedAmount > SLOW_BYTES && this.isOutput(message)) return;
    if (this.leftOut && webSocket.bufferedAmount < SLOW_BYTES / 4) this.tellLeftOut();
    webSocket.send(pack(message, this.protocol), () => {}); // one that is closing says so by its event
  }

  close(): void {
    clearTimeout(this.expiry);
    this.detach();
    this.webSocket?.close(1001);
    this.webSocket = undefined;
    this.onClosed(this);
  }

  private receive(data: Buffer | string): void {
    let request: Parcel;
    try {
      request = unpack(data, this.protocol);
      this.onRequest(request);
    } catch (error) {
      console.error(`dropped a message of a front end: ${(error as Error).message}`);
      return;
    }
    if (this.sockets) this.sockets.send(request);
    else this.waiting.push(request);
  }

  private keep(message: Parcel): void {
    this.backlog.push(message);
    this.backlogBytes +=
      message.parts[3].length + message.buffers.reduce((sum, { length }) => sum + length, 0);
    if (this.backlogBytes <= BACKLOG_BYTES) return;
    this.hasMissed = true;
    this.close();
  }

  private isOutput(message: Parcel): boolean {
    if (message.channel !== "iopub") return false;
    const [header, parent] = message.parts;
    if (!OUTPUTS.has(JSON.parse(header.toString()).msg_type)) return false;
    this.hasMissed = true;
    this.leftOut = { parent: JSON.parse(parent.toString()), count: (this.leftOut?.count ?? 0) + 1 };
    return true;
  }

  private tellLeftOut(): void {
    const { parent, count } = this.leftOut!;
    this.leftOut = undefined;
    const text = `[${count} outputs came faster than the browser could show them; reload the page to see them]\n`;
    const header = newHeader("stream", this.sessionId);
    this.deliver(parcel("iopub", header, { name: "stderr", text }, parent));
  }
}
