/** A front end's WebSocket to a kernel, in Jupyter's older JSON form: what any client may speak. */
import { randomUUID } from "node:crypto";
import WebSocket from "ws";
import { type TestLab, TOKEN } from "./support";

export class Channel {
  readonly messages: any[] = [];
  private readonly listeners = new Set<() => void>();

  private constructor(
    readonly socket: WebSocket,
    readonly session: string,
  ) {
    socket.on("message", (data) => {
      this.messages.push(JSON.parse(data.toString()));
      for (const listener of this.listeners) listener();
    });
    socket.on("error", () => {});
  }

  static open(lab: TestLab, kernelId: string, session?: string): Promise<Channel> {
    return Channel.to(lab.origin, kernelId, { Authorization: `token ${TOKEN}` }, session);
  }

  /** @param server its URL, without a slash at the end */
  static async to(
    server: string,
    kernelId: string,
    headers: Record<string, string>,
    session: string = randomUUID(),
  ): Promise<Channel> {
    const url = `${server.replace("http", "ws")}/api/kernels/${kernelId}/channels?session_id=${session}`;
    const socket = new WebSocket(url, { headers });
    const channel = new Channel(socket, session);
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    return channel;
  }

  /** @returns the id of the message */
  send(msg_type: string, content: object, metadata: object = {}, channel = "shell"): string {
    const msg_id = randomUUID();
    const header = {
      msg_id,
      msg_type,
      session: this.session,
      username: "",
      version: "5.3",
      date: new Date().toISOString(),
    };
    this.socket.send(JSON.stringify({ channel, header, parent_header: {}, metadata, content }));
    return msg_id;
  }

  execute(code: string, cellId?: string): string {
    const content = {
      code,
      silent: false,
      store_history: true,
      user_expressions: {},
      allow_stdin: false,
      stop_on_error: true,
    };
    return this.send("execute_request", content, cellId === undefined ? {} : { cellId });
  }

  /** The first message, come or coming, that fits. */
  async find(fits: (message: any) => boolean): Promise<any> {
    for (;;) {
      const found = this.messages.find(fits);
      if (found) return found;
      await new Promise<void>((resolve) => {
        const listener = () => {
          this.listeners.delete(listener);
          resolve();
        };
        this.listeners.add(listener);
      });
    }
  }

  reply(id: string): Promise<any> {
    return this.find(({ channel, parent_header }) => channel === "shell" && parent_header.msg_id === id);
  }

  idle(id: string): Promise<any> {
    return this.find(
      ({ header, parent_header, content }) =>
        header.msg_type === "status" && content.execution_state === "idle" && parent_header.msg_id === id,
    );
  }

  /** All text that a request printed, as received so far. */
  text(id: string): string {
    return this.messages
      .filter(({ header, parent_header }) => header.msg_type === "stream" && parent_header.msg_id === id)
      .map(({ content }) => content.text)
      .join("");
  }

  close(code = 1000): void {
    this.socket.close(code);
  }
}
