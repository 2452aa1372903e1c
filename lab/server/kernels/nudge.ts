/**
 * Waits until a kernel's sockets work in both directions.
 *
 * A subscription takes effect some time after it was made, and what is published before that is lost. So `kernel_info`
 * is asked for, again and again, until both a reply and a broadcast have come. It is asked on the control channel too:
 * some kernels answer the shell only between cells.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { newHeader } from "../../../kernel/protocol/wire";
import { type Delivery, type FrontEndSockets, parcel } from "./sockets";

const REPEAT_MS = 100;
/** The session in the headers of our questions; kernels repeat it in what they say because of them. */
const SESSION = `loralab-nudge-${randomUUID()}`;

export class Nudge {
  private hasReply = false;
  private hasBroadcast = false;
  private done!: () => void;
  private readonly both = new Promise<void>((resolve) => {
    this.done = resolve;
  });

  /** Takes note of a message. @returns whether a nudge of any front end caused it: it is not to be passed on */
  sees({ channel, message }: Delivery): boolean {
    if (channel === "iopub") this.hasBroadcast = true;
    const isNudge = message.parent.session === SESSION;
    if (isNudge && channel !== "iopub") this.hasReply = true;
    if (this.hasReply && this.hasBroadcast) this.done();
    return isNudge;
  }

  /** Resolves to true when both directions work, to false when `signal` aborts before. */
  async run(sockets: FrontEndSockets, signal: AbortSignal): Promise<boolean> {
    let isDone = false;
    const end = this.both.then(() => {
      isDone = true;
    });
    for (let wait = REPEAT_MS; !isDone && !signal.aborted; wait = Math.min(wait + REPEAT_MS, 1000)) {
      for (const channel of ["shell", "control"] as const) {
        sockets.send(parcel(channel, newHeader("kernel_info_request", SESSION), {}));
      }
      await Promise.race([end, delay(wait, undefined, { signal, ref: false }).catch(() => {})]);
    }
    return isDone;
  }
}
