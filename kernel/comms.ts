/**
 * Which comms are open between front ends and the user's code.
 *
 * A comm is a channel with an id that either side may open; widgets live on them. Their meaning is the child's; here is
 * only what both sides must agree on: who is open, and what to do with a message for one that is not.
 */
import type { CommMessage } from "./child/ipc";
import type { Message } from "./protocol/messages";

export class Comms {
  /** Targets of the open comms, by id. */
  private readonly targets = new Map<string, string>();

  /** The answer to `comm_info_request`. */
  info(target: unknown): Record<string, { target_name: string }> {
    const open = [...this.targets].filter(([, name]) => typeof target !== "string" || name === target);
    return Object.fromEntries(open.map(([id, target_name]) => [id, { target_name }]));
  }

  /**
   * A front end's message as the child understands it.
   *
   * @throws Error when it is not one, or its comm is not open
   */
  fromFrontEnd({ header, content, metadata, buffers }: Message): CommMessage {
    const kind = header.msg_type.replace("comm_", "") as CommMessage["kind"];
    const { comm_id: id, target_name: target, data } = content;
    if (typeof id !== "string") throw new Error(`a message of type ${header.msg_type} needs a text comm_id`);
    if (kind === "open") {
      if (typeof target !== "string") throw new Error(`comm_open ${id} needs a text target_name`);
      if (this.targets.has(id)) throw new Error(`comm_open ${id}: this comm is open already`);
      this.targets.set(id, target);
      return { kind, id, target, data, metadata, buffers };
    }
    if (!this.targets.has(id))
      throw new Error(`a message of type ${header.msg_type} for ${id}, no open comm`);
    if (kind === "close") this.targets.delete(id);
    return { kind, id, data, metadata, buffers };
  }

  /** Notes what the child did; false when it concerns a comm that the front end has closed meanwhile. */
  fromChild({ kind, id, target }: CommMessage): boolean {
    if (kind === "open") this.targets.set(id, target!);
    return kind === "close" ? this.targets.delete(id) : this.targets.has(id);
  }

  /** The child is gone, and all comms with it: their ids. */
  clear(): string[] {
    const ids = [...this.targets.keys()];
    this.targets.clear();
    return ids;
  }
}
