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
  attached?: Attached,
) => void;

/** What a message carries beside its content. */
export interface Attached {
  metadata: Record<string, unknown>;
  buffers: Buffer[];
}

export class Publisher {
  private text:
    | { name: "stdout" | "stderr"; parent: Partial<Header>; parts: string[]; length: number }
    | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly broadcast: Broadcast) {}

  publish<T extends PublicationType>(
    type: T,
    content: Publications[T],
    parent: Partial<Header>,
    attached?: Attached,
  ): void {
    this.flush();
    this.broadcast(type, content, parent, attached);
  }

  stream(name: "stdout" | "stderr", text: string, parent: Partial<Header>): void {
    if (this.text && (this.text.name !== name || this.text.parent.msg_id !== parent.msg_id)) this.flush();
    // One huge text becomes several messages: a front end shows the first while it reads the rest.
    for (const part of pieces(text)) {
      this.text ??= { name, parent, parts: [], length: 0 };
      this.text.parts.push(part);
      this.text.length += part.length;
      if (this.text.length >= COALESCE_CHARACTERS) this.flush();
    }
    if (this.text) this.timer ??= setTimeout(() => this.flush(), COALESCE_MS);
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

/** Text in pieces of at most `COALESCE_CHARACTERS`, with no character cut in two. */
function* pieces(text: string): Generator<string> {
  for (let from = 0, to: number; from < text.length; from = to) {
    to = from + COALESCE_CHARACTERS;
    const isCut = text.codePointAt(to - 1)! > 0xffff; // the first half of a pair
    if (isCut) to--;
    yield text.slice(from, to);
  }
}
