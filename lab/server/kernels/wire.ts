/**
 * Messages on the WebSocket: `v1.kernel.websocket.jupyter.org`, which carries the frames of ZMQ as they are, and
 * Jupyter's older form for clients that do not ask for it: one JSON text, or JSON followed by binary buffers.
 */
import type { KernelChannel, Parcel } from "./sockets";

export const V1 = "v1.kernel.websocket.jupyter.org";
export type Subprotocol = typeof V1 | "";

const CHANNELS = new Set<string>(["shell", "control", "stdin", "iopub"]);

export function pack({ channel, parts, buffers }: Parcel, protocol: Subprotocol): Buffer | string {
  if (protocol === V1) {
    const frames = [Buffer.from(channel), ...parts, ...buffers];
    return withOffsets(frames, 8, (head, value, at) => head.writeBigUInt64LE(BigInt(value), at), true);
  }
  const [header, parent_header, metadata, content] = parts.map((part) => part.toString("utf8"));
  const { msg_id, msg_type } = JSON.parse(header!);
  const ids = `"msg_id":${JSON.stringify(msg_id)},"msg_type":${JSON.stringify(msg_type)}`;
  const rest = `"parent_header":${parent_header},"metadata":${metadata},"content":${content}`;
  const start = `{"channel":"${channel}",${ids},"header":${header},${rest}`;
  if (buffers.length === 0) return `${start},"buffers":[]}`;
  const frames = [Buffer.from(`${start}}`), ...buffers];
  return withOffsets(frames, 4, (head, value, at) => head.writeUInt32BE(value, at), false);
}

/** @throws Error when the bytes are not a message */
export function unpack(data: Buffer | string, protocol: Subprotocol): Parcel {
  if (protocol === V1) {
    if (typeof data === "string") throw new Error("expected a binary message");
    const [channel, header, parent, metadata, content, ...buffers] = split(data, 8, (at) =>
      Number(data.readBigUInt64LE(at)),
    );
    if (!content) throw new Error("expected a channel and four parts");
    return { channel: known(channel!.toString()), parts: [header!, parent!, metadata!, content], buffers };
  }
  const [json, ...buffers] =
    typeof data === "string" ? [data] : split(data, 4, (at) => data.readUInt32BE(at));
  const message = JSON.parse(json!.toString());
  const parts = [message.header, message.parent_header, message.metadata, message.content].map((part) =>
    Buffer.from(JSON.stringify(part ?? {})),
  );
  return { channel: known(message.channel), parts: parts as Parcel["parts"], buffers: buffers as Buffer[] };
}

/** Their number and offsets, then the frames. @param withEnd whether the offset of the end is among them */
function withOffsets(
  frames: Buffer[],
  width: number,
  write: (head: Buffer, value: number, at: number) => void,
  withEnd: boolean,
): Buffer {
  const count = frames.length + (withEnd ? 1 : 0);
  const head = Buffer.alloc(width * (1 + count));
  write(head, count, 0);
  let offset = head.length;
  for (let i = 0; i < count; i++) {
    write(head, offset, width * (i + 1));
    offset += frames[i]?.length ?? 0;
  }
  return Buffer.concat([head, ...frames]);
}

function split(data: Buffer, width: number, read: (at: number) => number): Buffer[] {
  if (data.length < width) throw new Error("the message is empty");
  const count = read(0);
  if (count < 1 || count > (data.length - width) / width)
    throw new Error("the message's offsets are missing");
  const offsets = Array.from({ length: count }, (_, i) => read(width * (i + 1)));
  // The older form leaves out where the last buffer ends; v1 has it.
  if (width === 4) offsets.push(data.length);
  const isRising = offsets.every((offset, i) => offset >= (offsets[i - 1] ?? width) && offset <= data.length);
  if (!isRising) throw new Error("the message's offsets are wrong");
  return offsets.slice(1).map((end, i) => data.subarray(offsets[i], end));
}

function known(channel: unknown): KernelChannel {
  if (typeof channel === "string" && CHANNELS.has(channel)) return channel as KernelChannel;
  throw new Error(`unknown channel ${JSON.stringify(channel)}`);
}
