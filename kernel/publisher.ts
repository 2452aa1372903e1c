/**
 * Broadcasts on IOPub, with text output coalesced.
 *
 * Ten thousand `console.log`s in a row become a few messages: text of one stream of one cell is collected for 50 ms,
 * and sent at once when anything else is to follow it, so the order of outputs is as it was.
 */
import type { Header, Publications, PublicationType } from "./protocol/messages";

const COALESCE_MS = 50;
const COALESCE_CHARACTERS = 1 << 20;

export type Broadcast = <T extends PublicationType>(
  type: T,
  content: Publications[T],
  parent: Partial<Header>,
) => void;

export class Publisher {
  private text:
    | { name: "stdout" | "stderr"; parent: Partial<Header>; parts: string[]; length: number }
    | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly broadcast: Broadcast) {}

  publish<T extends PublicationType>(type: T, content: Publications[T], parent: Partial<Header>): void {
    this.flush();
    this.broadcast(type, content, parent);
  }

  stream(name: "stdout" | "stderr", text: string, parent: Partial<Header>): void {
    if (this.text && (this.text.name !== name || this.text.parent.msg_id !== parent.msg_id)) this.flush();
    this.text ??= { name, parent, parts: [], length: 0 };
    this.text.parts.push(text);
    this.text.length += text.length;
    if (this.text.length >= COALESCE_CHARACTERS) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), COALESCE_MS);
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.text) return;
    const { name, parent, parts } = this.text;
    this.text = undefined;
    this.broadcast("stream", { name, text: parts.join("") }, parent);
  }
}
