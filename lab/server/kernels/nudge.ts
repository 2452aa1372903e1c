/**
 * Waits until a kernel's sockets work in both directions.
 *
 * A subscription takes effect some time after it was made, and what is published before that is lost. So `kernel_info`
 * is asked for, again and again, until both a reply and a broadcast have come. It is asked on the control channel too:
 * some kernels answer the shell only between cells.
 */
import { setTimeout as delay } from "node:timers/promises";
import { newHeader } from "../../../kernel/protocol/wire";
import { type Delivery, type FrontEndSockets, parcel } from "./sockets";

const REPEAT_MS = 100;

export class Nudge {
  private readonly asked = new Set<string>();
  private hasReply = false;
  private hasBroadcast = false;
  private done!: () => void;
  private readonly both = new Promise<void>((resolve) => {
    this.done = resolve;
  });

  /** Takes note of a message. @returns whether it belongs to the nudge alone, and is not to be passed on */
  sees({ channel, message }: Delivery): boolean {
    if (channel === "iopub") this.hasBroadcast = true;
    const isOwn = this.asked.has(message.parent.msg_id ?? "");
    if (isOwn && channel !== "iopub") this.hasReply = true;
    if (this.hasReply && this.hasBroadcast) this.done();
    return isOwn;
  }

  /** Resolves to true when both directions work, to false when `signal` aborts before. */
  async run(sockets: FrontEndSockets, signal: AbortSignal): Promise<boolean> {
    let isDone = false;
    const end = this.both.then(() => {
      isDone = true;
    });
    for (let wait = REPEAT_MS; !isDone && !signal.aborted; wait = Math.min(wait + REPEAT_MS, 1000)) {
      for (const channel of ["shell", "control"] as const) {
        const header = newHeader("kernel_info_request", "loralab-server");
        this.asked.add(header.msg_id);
        sockets.send(parcel(channel, header, {}));
      }
      await Promise.race([end, delay(wait, undefined, { signal, ref: false }).catch(() => {})]);
    }
    return isDone;
  }
}
