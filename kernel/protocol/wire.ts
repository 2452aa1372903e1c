/**
 * Messages to and from ZMQ frames: `identities… <IDS|MSG> signature header parent metadata content buffers…`.
 *
 * The signature is an HMAC over the four JSON frames, compared in constant time *before* anything is parsed, so
 * bytes from a stranger never reach the JSON parser.
 */
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { type Header, type Message, PROTOCOL_VERSION } from "./messages";

const DELIMITER = Buffer.from("<IDS|MSG>");

/** A message that cannot be accepted; it is logged and dropped, as there is nobody trustworthy to answer. */
export class WireError extends Error {}

/** Signing key and hash of a connection; an empty key means that messages are not signed. */
export interface Signing {
  key: string;
  /** As in the connection file: `hmac-sha256`. */
  scheme: string;
}

/** A fresh header of a message sent by `session`. */
export function newHeader(type: string, session: string): Header {
  return {
    msg_id: randomUUID(),
    msg_type: type,
    session,
    username: "loralab",
    date: new Date().toISOString(),
    version: PROTOCOL_VERSION,
  };
}

/** The frames of a message, signed. */
export function encode(message: Message, signing: Signing): Buffer[] {
  const parts = [message.header, message.parent, message.metadata, message.content].map((part) =>
    Buffer.from(JSON.stringify(part)),
  );
  return [...message.identities, ...sign(parts, signing), ...message.buffers];
}

/** The frames of a message whose four parts are JSON already: delimiter, signature, parts. */
export function sign(parts: Buffer[], signing: Signing): Buffer[] {
  return [DELIMITER, Buffer.from(signature(parts, signing)), ...parts];
}

/**
 * The message in `frames`.
 *
 * @throws WireError when frames are missing, the signature is wrong, or the JSON is not a message
 */
export function decode(frames: Buffer[], signing: Signing): Message {
  const start = frames.findIndex((frame) => frame.equals(DELIMITER));
  if (start < 0) throw new WireError("no <IDS|MSG> delimiter");
  const parts = frames.slice(start + 2, start + 6);
  if (parts.length < 4)
    throw new WireError(`expected 4 JSON frames after the signature, got ${parts.length}`);
  if (!sameBytes(frames[start + 1]!, Buffer.from(signature(parts, signing))))
    throw new WireError("wrong signature");
  const [header, parent, metadata, content] = parts.map(parseObject) as [any, any, any, any];
  for (const field of ["msg_id", "msg_type", "session"])
    if (typeof header[field] !== "string") throw new WireError(`the header has no text field "${field}"`);
  return {
    identities: frames.slice(0, start),
    header: flat(header),
    parent,
    metadata,
    content,
    buffers: frames.slice(start + 6),
  };
}

function signature(parts: Buffer[], { key, scheme }: Signing): string {
  if (key === "") return "";
  const hmac = createHmac(scheme.replace(/^hmac-/, ""), key);
  for (const part of parts) hmac.update(part);
  return hmac.digest("hex");
}

function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * A header comes back as the parent of every answer. Its fields are texts; one nested too deeply to be written as JSON
 * again would make all answers to it fail.
 */
function flat(header: Header): Header {
  const isFlat = ([, value]: [string, unknown]) => typeof value !== "object" || value === null;
  return Object.fromEntries(Object.entries(header).filter(isFlat)) as Header;
}

function parseObject(frame: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(frame.toString("utf8"));
  } catch (error) {
    throw new WireError(`invalid JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new WireError(`expected a JSON object, got ${frame.toString("utf8").slice(0, 40)}`);
  return value as Record<string, unknown>;
}
