/**
 * A small headless Jupyter client: starts a kernel, runs cells, collects their outputs, as a front end would.
 *
 * It speaks the real protocol through real sockets, to our kernel or to any other that a kernelspec describes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { Dealer, Subscriber } from "zeromq";
import { address, type Connection, newConnection } from "./connection";
import { entryPoint } from "./entry";
import type { Message } from "./protocol/messages";
import { decode, encode, newHeader } from "./protocol/wire";

export interface ClientOptions {
  /** Folder that the kernel runs in: imports of its cells are relative to it. */
  cwd?: string;
  env?: Record<string, string>;
  /** Command of another kernel, as in a kernelspec; `{connection_file}` is replaced. */
  argv?: string[];
}

/** What a request brought: its reply, and everything broadcast for it, in order. */
export interface Exchange {
  reply: Message;
  published: Message[];
}

export interface ExecuteOptions {
  silent?: boolean;
  store_history?: boolean;
  user_expressions?: Record<string, string>;
  stop_on_error?: boolean;
  /** Called with each broadcast of this cell as it arrives. */
  onOutput?(message: Message): void;
  /** Answers questions of the cell; without it the kernel is told that it cannot ask. */
  onInput?(question: string): string;
}

/** A kernel binds some time after it was started: it is tried often. */
const SOCKET = { linger: 0, reconnectInterval: 10 };

interface Waiting {
  reply?: Message;
  published: Message[];
  isIdle: boolean;
  options: ExecuteOptions;
  resolve(exchange: Exchange): void;
  reject(error: Error): void;
}

export class KernelClient {
  /** All broadcasts since the start, of all requests. */
  readonly published: Message[] = [];
  /** What the kernel's process wrote to its own standard error: its log. */
  log = "";
  private readonly session = randomUUID();
  private readonly shell = new Dealer({ ...SOCKET, routingId: this.session });
  private readonly control = new Dealer({ ...SOCKET, routingId: this.session });
  private readonly stdin = new Dealer({ ...SOCKET, routingId: this.session });
  private readonly iopub = new Subscriber(SOCKET);
  private readonly waiting = new Map<string, Waiting>();
  private readonly sending = new Map<Dealer, Promise<unknown>>();
  private readonly exit: Promise<void>;
  private ended: Error | undefined;

  private constructor(
    readonly process: ChildProcess,
    readonly connection: Connection,
    private readonly file: string,
  ) {
    process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.log += text;
    });
    this.exit = new Promise((resolve) => {
      process.once("error", (error) => this.onEnd(new Error(`the kernel did not start: ${error.message}`)));
      process.once("close", (code, signal) => {
        this.onEnd(new Error(`the kernel ended (${signal ?? `exit code ${code}`}).\n${this.log}`));
        resolve();
      });
    });
  }

  /**
   * Starts a kernel, by default this package's own, and waits until it answers.
   *
   * @throws Error with the kernel's log when it ends instead
   */
  static async start({ cwd, env, argv = ownKernel() }: ClientOptions = {}): Promise<KernelClient> {
    const { connection, file } = await newConnection();
    const [command, ...args] = argv.map((arg) => arg.replace("{connection_file}", file));
    const child = spawn(command!, args, {
      cwd,
      env: { ...process.env, JPY_PARENT_PID: String(process.pid), ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const client = new KernelClient(child, connection, file);
    try {
      await client.connect();
    } catch (error) {
      await client.kill();
      throw error;
    }
    return client;
  }

  /** Runs a cell and waits for its reply and its `idle`. An error of the cell is in the reply, not thrown. */
  execute(code: string, options: ExecuteOptions = {}): Promise<Exchange> {
    const { silent = false, store_history = !silent, user_expressions = {}, stop_on_error = true } = options;
    const allow_stdin = options.onInput !== undefined;
    const content = { code, silent, store_history, user_expressions, stop_on_error, allow_stdin };
    return this.request("execute_request", content, options);
  }

  request(type: string, content: object = {}, options: ExecuteOptions = {}): Promise<Exchange> {
    return this.exchange(this.shell, type, content, options);
  }

  controlRequest(type: string, content: object = {}): Promise<Exchange> {
    return this.exchange(this.control, type, content, {});
  }

  interrupt(): Promise<Exchange> {
    return this.controlRequest("interrupt_request");
  }

  /** Sends a message that gets no reply. @returns its id */
  async notify(type: string, content: object, buffers: Buffer[] = []): Promise<string> {
    const message = { ...this.message(type, content), buffers };
    await this.send(this.shell, message);
    return message.header.msg_id;
  }

  /** Sends frames as they are, well formed or not. */
  async sendRaw(frames: (string | Buffer)[]): Promise<void> {
    await this.shell.send(frames);
  }

  /** Asks the kernel to end, and makes sure that it does. */
  async shutdown(): Promise<void> {
    if (!this.ended) {
      this.controlRequest("shutdown_request", { restart: false }).catch(() => {});
      const patience = setTimeout(() => this.process.kill("SIGKILL"), 5000);
      await this.exit;
      clearTimeout(patience);
    }
    this.close();
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    if (this.process.pid !== undefined) await this.exit;
    this.close();
  }

  private async connect(): Promise<void> {
    for (const [socket, name] of [
      [this.shell, "shell"],
      [this.control, "control"],
      [this.stdin, "stdin"],
      [this.iopub, "iopub"],
    ] as const)
      socket.connect(address(this.connection, name));
    this.iopub.subscribe();
    void this.read(this.shell, (message) => this.onReply(message));
    void this.read(this.control, (message) => this.onReply(message));
    void this.read(this.stdin, (message) => this.onQuestion(message));
    void this.read(this.iopub, (message) => this.onPublished(message));
    // A subscription takes effect some time after it was made: ask until a whole exchange, `idle` included, arrives.
    for (let attempt = 0; ; attempt++) {
      const exchange = this.request("kernel_info_request");
      const timeout = delay(100 + 100 * attempt, undefined, { ref: false });
      exchange.catch(() => {});
      if (await Promise.race([exchange, timeout])) return;
    }
  }

  private exchange(
    socket: Dealer,
    type: string,
    content: object,
    options: ExecuteOptions,
  ): Promise<Exchange> {
    if (this.ended) return Promise.reject(this.ended);
    const message = this.message(type, content);
    return new Promise((resolve, reject) => {
      this.waiting.set(message.header.msg_id, { published: [], isIdle: false, options, resolve, reject });
      this.send(socket, message).catch(reject);
    });
  }

  private message(type: string, content: object): Message {
    const header = newHeader(type, this.session);
    return {
      identities: [],
      header,
      parent: {},
      metadata: {},
      content: content as Record<string, unknown>,
      buffers: [],
    };
  }

  /** zeromq.js allows one send at a time on a socket. */
  private send(socket: Dealer, message: Message): Promise<void> {
    const before = this.sending.get(socket) ?? Promise.resolve();
    const sent = before.then(() => socket.send(encode(message, this.signing)));
    this.sending.set(
      socket,
      sent.catch(() => {}),
    );
    return sent;
  }

  private get signing() {
    return { key: this.connection.key, scheme: this.connection.signature_scheme };
  }

  private async read(socket: Dealer | Subscriber, handle: (message: Message) => void): Promise<void> {
    for await (const frames of socket) handle(decode(frames, this.signing));
  }

  private onReply(message: Message): void {
    const waiting = this.waiting.get(message.parent.msg_id ?? "");
    if (waiting) waiting.reply = message;
    this.finish(message.parent.msg_id);
  }

  private onPublished(message: Message): void {
    this.published.push(message);
    const waiting = this.waiting.get(message.parent.msg_id ?? "");
    if (!waiting) return;
    waiting.published.push(message);
    waiting.options.onOutput?.(message);
    if (message.header.msg_type === "status" && message.content.execution_state === "idle")
      waiting.isIdle = true;
    this.finish(message.parent.msg_id);
  }

  private onQuestion(message: Message): void {
    const answer = this.waiting.get(message.parent.msg_id ?? "")?.options.onInput;
    const value = answer?.(String(message.content.prompt)) ?? "";
    const reply = { ...this.message("input_reply", { status: "ok", value }), parent: message.header };
    void this.send(this.stdin, reply);
  }

  private finish(id: string | undefined): void {
    const waiting = this.waiting.get(id ?? "");
    if (!waiting?.reply || !waiting.isIdle) return;
    this.waiting.delete(id!);
    waiting.resolve({ reply: waiting.reply, published: waiting.published });
  }

  private onEnd(error: Error): void {
    this.ended ??= error;
    for (const { reject } of this.waiting.values()) reject(this.ended);
    this.waiting.clear();
  }

  private close(): void {
    for (const socket of [this.shell, this.control, this.stdin, this.iopub]) socket.close();
    fs.rmSync(this.file, { force: true });
  }
}

/** The command that starts this package's kernel. */
export function ownKernel(): string[] {
  const { file, execArgv } = entryPoint("main");
  return [process.execPath, ...execArgv, file, "{connection_file}"];
}
