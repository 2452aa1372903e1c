/** WebSockets: kernels' channels and events. Who may open one is checked as for any request, before the upgrade. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { type Access, credentialsOf } from "./access";
import { asHttpError } from "./errors";
import type { Events } from "./events";
import type { Kernels } from "./kernels/kernels";
import { V1 } from "./kernels/wire";

/** A widget may send a large array; nobody types this much. */
const LARGEST_MESSAGE = 256 * 2 ** 20;
const PING_MS = 30_000;

/** Serves the WebSockets of an HTTP server. @returns what ends them all */
export function serveWebSockets(
  server: Server,
  access: Access,
  kernels: Kernels,
  events: Events,
): () => void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: LARGEST_MESSAGE,
    handleProtocols: (offered) => (offered.has(V1) ? V1 : false),
  });
  server.on("upgrade", async (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on("error", () => stream.destroy());
    try {
      const credentials = credentialsOf(request);
      access.checkSource(credentials);
      await access.checkUser(credentials);
      const open = handlerOf(request, kernels, events);
      sockets.handleUpgrade(request, stream, head, open);
    } catch (error) {
      const { status, message, reason } = asHttpError(error, "cannot open the WebSocket");
      const body = JSON.stringify({ message, reason });
      stream.end(
        `HTTP/1.1 ${status} Refused\r\nContent-Type: application/json\r\nConnection: close\r\n` +
          `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    }
  });
  const pinging = setInterval(() => {
    for (const socket of sockets.clients) ping(socket);
  }, PING_MS).unref();
  return () => {
    clearInterval(pinging);
    for (const socket of sockets.clients) socket.terminate();
  };
}

/** What a path's WebSocket does. @throws HttpError 404 when there is no such path or kernel */
function handlerOf(request: IncomingMessage, kernels: Kernels, events: Events): (socket: WebSocket) => void {
  const url = new URL(request.url ?? "/", "http://localhost");
  const [, kernelId] = /^\/api\/kernels\/([^/]+)\/channels$/.exec(url.pathname) ?? [];
  if (kernelId !== undefined) {
    const kernel = kernels.get(kernelId);
    const session = url.searchParams.get("session_id") || randomUUID();
    return (socket) => kernel.connect(socket, session, socket.protocol === V1 ? V1 : "");
  }
  if (url.pathname === "/api/events/subscribe") return (socket) => events.subscribe(socket);
  throw Object.assign(new Error(), { code: "ENOENT" });
}

const answered = new WeakSet<WebSocket>();

/** Ends a WebSocket whose other side has not answered since the last ping: it is gone without having said so. */
function ping(socket: WebSocket): void {
  if (!socket.listenerCount("pong")) socket.on("pong", () => answered.add(socket));
  else if (!answered.has(socket)) socket.terminate();
  answered.delete(socket);
  if (socket.readyState === socket.OPEN) socket.ping();
}
