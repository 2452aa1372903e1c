/** A kernel: sockets and a session, joined. */
import { randomUUID } from "node:crypto";
import { startCompiler } from "./compiler/remote";
import type { Connection } from "./connection";
import { collectWhenIdle } from "./idle";
import type { Message, Ports, Publications } from "./protocol/messages";
import { decode, encode, newHeader, type Signing, WireError } from "./protocol/wire";
import type { Attached } from "./publisher";
import { Session } from "./session";
import { type RequestChannel, Sockets } from "./sockets";

export interface Kernel {
  interrupt(): void;
  /** Sends what is queued, ends the child and closes the sockets. */
  close(): Promise<void>;
  /** Resolves when the kernel has closed. */
  closed: Promise<void>;
}

/**
 * Starts a kernel on a connection.
 *
 * @throws Error naming the address when a socket cannot be bound
 */
export async function startKernel(connection: Connection): Promise<Kernel> {
  const signing = { key: connection.key, scheme: connection.signature_scheme };
  const id = randomUUID();
  const sockets = new Sockets();
  let end!: () => void;
  const closed = new Promise<void>((resolve) => {
    end = resolve;
  });

  const message = (
    type: string,
    content: object,
    parent: Message["parent"],
    identities: Buffer[],
    attached: Attached = { metadata: {}, buffers: [] },
  ): Message => ({
    identities,
    header: newHeader(type, id),
    parent,
    content: content as Record<string, unknown>,
    ...attached,
  });

  let session: Session | undefined;
  const active = collectWhenIdle();
  const receive = (channel: RequestChannel, frames: Buffer[]) => {
    active();
    let request: Message;
    try {
      request = decode(frames, signing);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      console.error(`loralab kernel: dropped a message on ${channel}: ${error.message}`);
      return;
    }
    if (channel === "stdin") session?.onInput(request);
    else
      session?.onRequest(channel, request).catch((error: Error) => {
        console.error(`loralab kernel: ${request.header.msg_type} failed:`, error);
      });
  };

  await sockets.bind(connection, {
    onRequest: receive,
    onSubscribe(subscription) {
      const content: Publications["iopub_welcome"] = { subscription: subscription.toString() };
      const welcome = message("iopub_welcome", content, {}, [subscription]);
      sockets.send("iopub", encode(welcome, signing));
    },
  });

  const compiler = startCompiler();
  const close = async () => {
    session?.close();
    await Promise.all([sockets.close(), compiler.close()]);
    end();
  };
  session = new Session(
    {
      broadcast: (type, content, parent, attached) =>
        sockets.send("iopub", frames(message(type, content, parent, [Buffer.from(type)], attached), signing)),
      reply: (channel, request, type, content) =>
        sockets.send(channel, frames(message(type, content, request.header, request.identities), signing)),
      askInput: (request, content) =>
        sockets.send(
          "stdin",
          encode(message("input_request", content, request.header, request.identities), signing),
        ),
      onShutdown: () => void close(),
      ports: portsOf(connection),
    },
    compiler,
  );
  return { interrupt: () => session!.interrupt(), close, closed };
}

function portsOf(connection: Connection): Ports {
  const { shell_port, iopub_port, stdin_port, control_port, hb_port } = connection;
  return { shell_port, iopub_port, stdin_port, control_port, hb_port };
}

/** The frames of a message; of an error in its place when its content is too large, or too deep, for JSON. */
function frames(message: Message, signing: Signing): Buffer[] {
  try {
    return encode(message, signing);
  } catch (error) {
    const { name, message: reason } = error as Error;
    const type = message.header.msg_type;
    const evalue = `a message of type ${type} could not be written as JSON: ${reason}`;
    console.error(`loralab kernel: ${evalue}`);
    if (type.endsWith("_reply")) {
      const content = { status: "error", ename: name, evalue, traceback: [`${name}: ${evalue}`] };
      return encode({ ...message, content }, signing);
    }
    const header = { ...message.header, msg_type: "stream" };
    const content = { name: "stderr", text: `${evalue}\n` };
    return encode({ ...message, identities: [Buffer.from("stream")], header, content }, signing);
  }
}
