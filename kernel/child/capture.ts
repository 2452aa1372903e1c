/**
 * Redirects the output of a stretch of code, asynchronous code included: into an Output widget, or into the place that
 * `interact` updates.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { MimeBundle } from "../protocol/messages";
import type { FromChild } from "./ipc";

/** One output of the captured code, in the order of its making. */
export type Captured = { kind: "text"; name: "stdout" | "stderr"; text: string } | Shown;

interface Shown {
  kind: "value";
  data: MimeBundle;
  id?: string;
}

const FLUSH_MS = 50;
const captures = new AsyncLocalStorage<Capture | undefined>();

/** Outputs as they are now; whoever shows them is told some milliseconds after they changed. */
export class Capture {
  outputs: Captured[] = [];
  private readonly ids = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private flushed = 0;
  private clearNext = false;
  /** What shows the outputs is not itself captured, unless by a capture around this one. */
  private readonly outer = captures.getStore();

  constructor(private readonly show: (outputs: readonly Captured[]) => void) {}

  /** Takes an output; false when it belongs to something that is shown elsewhere. */
  take(message: FromChild): boolean {
    switch (message.type) {
      case "stream": {
        this.clearIfWaiting();
        const last = this.outputs.at(-1);
        if (last?.kind === "text" && last.name === message.name)
          this.outputs[this.outputs.length - 1] = { ...last, text: last.text + message.text };
        else this.outputs.push({ kind: "text", name: message.name, text: message.text });
        break;
      }
      case "display": {
        const { id, data } = message;
        if (message.update && !this.ids.has(id!)) return false;
        if (id !== undefined) this.ids.add(id);
        this.clearIfWaiting();
        const place =
          id === undefined ? -1 : this.outputs.findIndex((o) => o.kind === "value" && o.id === id);
        const shown: Shown = { kind: "value", data, id };
        if (place < 0) this.outputs.push(shown);
        else this.outputs[place] = shown;
        break;
      }
      case "clear":
        if (message.wait) this.clearNext = true;
        else this.outputs = [];
        break;
      default:
        return false;
    }
    if (performance.now() - this.flushed > FLUSH_MS) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
    return true;
  }

  /** Begins anew; what is shown stays until the first output. */
  restart(): void {
    this.outputs = [];
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    captures.run(this.outer, () => this.show(this.outputs));
    this.flushed = performance.now();
  }

  private clearIfWaiting(): void {
    if (this.clearNext) this.outputs = [];
    this.clearNext = false;
  }
}

/** Runs a function whose outputs go to `capture`. */
export function captured<T>(capture: Capture, body: () => T): T {
  return captures.run(capture, body);
}

/** A sender that lets the captures of its callers take outputs first. */
export function withCaptures(send: (message: FromChild) => void): (message: FromChild) => void {
  return (message) => {
    if (!captures.getStore()?.take(message)) send(message);
  };
}
