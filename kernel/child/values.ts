/**
 * Any value as a MIME bundle.
 *
 * A value that offers `Symbol.for("Jupyter.display")` decides for itself; tensors and data frames are recognised by
 * their shape of object, not by class, as a notebook may load another copy of their package than the kernel could.
 */
import { inspect } from "node:util";
import type { MimeBundle } from "../protocol/messages";
import { withoutAsyncIds } from "./async-ids";
import { frameBundle, isFrame } from "./frames";
import { isTensor, tensorBundle } from "./tensors";

export const DISPLAY = Symbol.for("Jupyter.display");

/** A promise only when the value's own method returns one. */
export function mimeBundle(value: unknown): MimeBundle | Promise<MimeBundle> {
  const method = isObject(value) ? value[DISPLAY] : undefined;
  if (typeof method === "function") {
    const offered = method.call(value);
    return offered instanceof Promise ? offered.then(checkBundle) : checkBundle(offered);
  }
  if (isTensor(value)) return tensorBundle(value);
  if (isFrame(value)) return frameBundle(value);
  return { "text/plain": plain(value) };
}

/** A bundle as a value offered it, always with a text. */
function checkBundle(bundle: unknown): MimeBundle {
  if (!isObject(bundle))
    throw new TypeError(`Symbol.for("Jupyter.display") should return a MIME bundle, got ${plain(bundle)}`);
  return "text/plain" in bundle ? bundle : { ...bundle, "text/plain": Object.keys(bundle).join(", ") };
}

function plain(value: unknown): string {
  const options = { depth: 4, maxArrayLength: 100, maxStringLength: 10_000, breakLength: 100 };
  return withoutAsyncIds(inspect(value, options));
}

function isObject(value: unknown): value is Record<PropertyKey, any> {
  return (typeof value === "object" || typeof value === "function") && value !== null;
}
