/** Events: what one front end emits, all that subscribed receive. */
import type { WebSocket } from "ws";
import { HttpError } from "./errors";

export class Events {
  private readonly subscribers = new Set<WebSocket>();

  subscribe(socket: WebSocket): void {
    this.subscribers.add(socket);
    socket.on("error", () => socket.terminate());
    socket.on("close", () => this.subscribers.delete(socket));
  }

  emit(event: { schema_id?: unknown; version?: unknown; data?: unknown }): void {
    const { schema_id, version, data } = event ?? {};
    if (typeof schema_id !== "string" || typeof data !== "object" || data === null)
      throw new HttpError(400, "an event should have a schema_id and data");
    const metadata = {
      __timestamp__: new Date().toISOString(),
      __schema__: schema_id,
      __schema_version__: version,
    };
    const text = JSON.stringify({ ...data, ...metadata, __metadata_version__: 1 });
    for (const socket of this.subscribers) socket.send(text, () => {});
  }
}
