/**
 * What a value looks like in a notebook: a MIME bundle, the same content in several formats, of which a front end shows
 * the richest that it knows. A value is displayable when it has a method under `Symbol.for("Jupyter.display")` that
 * returns one (Deno's convention); nothing else of Jupyter is known here.
 */
import type { Html } from "./html";

export const DISPLAY: unique symbol = Symbol.for("Jupyter.display");

/** Content by MIME type. Always with plain text, for terminals and logs. */
export interface MimeBundle {
  "text/plain": string;
  "text/html"?: string;
  [type: string]: unknown;
}

export interface Displayable {
  [DISPLAY](): MimeBundle;
}

export function bundle(text: string, html: Html): MimeBundle {
  return { "text/plain": text, "text/html": html.source };
}

/** Makes objects of a class displayable. */
export function attach<T extends object>(prototype: T, display: (value: T) => MimeBundle): void {
  Object.defineProperty(prototype, DISPLAY, {
    configurable: true,
    writable: true,
    value(this: T) {
      return display(this);
    },
  });
}
