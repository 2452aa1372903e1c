/**
 * A Jupyter session: what each request means, told with an engine that runs code, a compiler, and a way to send.
 *
 * Cells run one after the other. All other requests are answered at once, even while a cell runs: completion and
 * `kernel_info` do not wait for a training run.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { CommMessage, TypeErrors } from "./child/ipc";
import { Comms } from "./comms";
import type { RemoteCompiler } from "./compiler/remote";
import { diagnosticsError, diagnosticsWarning } from "./diagnostics";
import { Engine, type EngineEvent, type EngineOutcome } from "./engine";
import { History, historyFile } from "./history";
import { kernelInfo } from "./info";
import type {
  ErrorReply,
  Exchanges,
  Header,
  InputRequest,
  Message,
  MimeBundle,
  Ports,
  Reply,
  RequestType,
} from "./protocol/messages";
import { type Broadcast, Publisher } from "./publisher";
import { codePointsToUnits, unitsToCodePoints } from "./text";

export type ReplyChannel = "shell" | "control";

export interface SessionOutput {
  broadcast: Broadcast;
  reply(channel: ReplyChannel, request: Message, type: string, content: Record<string, unknown>): void;
  askInput(request: Message, content: InputRequest): void;
  /** The session is over: close everything. */
  onShutdown(): void;
  /** Where the kernel listens. */
  ports: Ports;
}

type ExecuteReply = Exchanges["execute_request"]["reply"];
type Handler<T extends RequestType> = (
  content: Exchanges[T]["request"],
  request: Message,
) => Promise<Reply<T>>;
type Handlers = { [T in Exclude<RequestType, "execute_request">]: Handler<T> };

export class Session {
  private readonly publisher: Publisher;
  private readonly engine: Engine;
  private readHistory: History | undefined;
  private readonly comms = new Comms();
  /** Every request that ran code, by its id: late outputs go to their own cell. Kept without its content. */
  private readonly cells = new Map<string, Message>();
  private readonly waiting: { channel: ReplyChannel; request: Message }[] = [];
  private executing: Message | undefined;
  private isExecuting = false;
  private stopper = new AbortController();
  /** What the running cell asked last to be shown in the pager: a reply has one payload of a kind. */
  private page: MimeBundle | undefined;
  private executionCount = 0;
  private typeErrors: TypeErrors = "error";

  constructor(
    private readonly output: SessionOutput,
    private readonly compiler: RemoteCompiler,
  ) {
    this.publisher = new Publisher(output.broadcast);
    this.engine = new Engine((event) => this.onEvent(event));
    this.publisher.publish("status", { execution_state: "starting" }, {});
  }

  /** Handles a message of the shell or control channel. */
  async onRequest(channel: ReplyChannel, request: Message): Promise<void> {
    const type = request.header.msg_type;
    if (type === "execute_request") {
      this.waiting.push({ channel, request });
      return this.executeWaiting();
    }
    const handler = Object.hasOwn(this.handlers, type) ? this.handlers[type as keyof Handlers] : undefined;
    this.status("busy", request);
    if (handler || type.endsWith("_request")) {
      const content = await this.answer(handler as Handler<any> | undefined, request);
      this.output.reply(channel, request, type.replace(/_request$/, "_reply"), content);
      if (type === "shutdown_request" && content.status === "ok")
        this.publisher.publish(
          "shutdown_reply",
          content as Exchanges["shutdown_request"]["reply"],
          request.header,
        );
    } else {
      await this.onNotice(request);
    }
    this.status("idle", request);
    // Front ends show the latest status, whichever request it belongs to.
    if (this.executing) this.status("busy", this.executing);
    if (type === "shutdown_request") this.output.onShutdown();
  }

  /** Handles an answer of the user on the stdin channel. */
  onInput(message: Message): void {
    const { value } = message.content;
    this.engine.answer(typeof value === "string" ? value : null);
  }

  /** Stops the cell that runs, if any. */
  interrupt(): void {
    if (this.executing) this.stopper.abort();
    else this.engine.interruptCallbacks();
  }

  close(): void {
    this.publisher.flush();
    this.engine.close();
  }

  /** Read when it is first needed: the kernel answers before. */
  private get history(): History {
    this.readHistory ??= new History(historyFile());
    return this.readHistory;
  }

  // --- requests other than execute ---

  private readonly handlers: Handlers = {
    kernel_info_request: async () => kernelInfo(),
    connect_request: async () => ({ status: "ok", ...this.output.ports }),
    comm_info_request: async ({ target_name }) => ({ status: "ok", comms: this.comms.info(target_name) }),
    history_request: async (query) => ({ status: "ok", history: this.history.query(query) }),
    is_complete_request: async ({ code }) => {
      const { status, indent } = await this.compiler.isComplete(code);
      return status === "incomplete" ? { status, indent } : { status };
    },
    complete_request: async ({ code, cursor_pos }) => {
      const { start, end, matches } = await this.compiler.complete(code, codePointsToUnits(code, cursor_pos));
      const range = { start: unitsToCodePoints(code, start), end: unitsToCodePoints(code, end) };
      return {
        status: "ok",
        matches: matches.map(({ text }) => text),
        cursor_start: range.start,
        cursor_end: range.end,
        metadata: {
          _jupyter_types_experimental: matches.map(({ text, type }) => ({ ...range, text, type })),
        },
      };
    },
    inspect_request: async ({ code, cursor_pos }) => {
      const hover = await this.compiler.inspect(code, codePointsToUnits(code, cursor_pos));
      if (!hover) return { status: "ok", found: false, data: {}, metadata: {} };
      const text = hover.documentation ? `${hover.signature}\n\n${hover.documentation}` : hover.signature;
      const markdown = `\`\`\`typescript\n${hover.signature}\n\`\`\`\n\n${hover.documentation}`;
      const data: Record<string, string> = { "text/plain": text, "text/markdown": markdown };
      return { status: "ok", found: true, data, metadata: {} };
    },
    interrupt_request: async () => {
      this.interrupt();
      return { status: "ok" };
    },
    shutdown_request: async ({ restart }) => ({ status: "ok", restart: restart === true }),
    debug_request: async ({ seq, command }) => {
      const refusal = refused("no debugger");
      const response = { type: "response", seq: 0, request_seq: seq, success: false, command } as const;
      return { ...refusal, ...response, message: refusal.evalue };
    },
    create_subshell_request: async () => refused("no subshells"),
    delete_subshell_request: async () => refused("no subshells"),
    list_subshell_request: async () => refused("no subshells"),
  };

  private async answer(
    handler: Handler<any> | undefined,
    request: Message,
  ): Promise<Record<string, unknown>> {
    const type = request.header.msg_type;
    if (!handler) return failure("UnknownRequest", `this kernel does not answer ${type}`);
    try {
      const missing = missingField(type, request.content);
      if (missing) return failure("BadRequest", `${type} needs ${missing}`);
      return (await handler(request.content as any, request)) as unknown as Record<string, unknown>;
    } catch (error) {
      console.error(`loralab kernel: ${type} failed:`, error);
      return failure((error as Error).name, (error as Error).message);
    }
  }

  /** Messages that get no reply. Handled also while a cell runs: a slider can steer a training run. */
  private async onNotice(request: Message): Promise<void> {
    const { msg_type, msg_id } = request.header;
    try {
      if (!["comm_open", "comm_msg", "comm_close"].includes(msg_type))
        throw new Error(`a message of type ${msg_type}`);
      const comm = this.comms.fromFrontEnd(request);
      this.cells.set(msg_id, { ...request, content: {}, buffers: [] });
      // `idle` comes when the callbacks have run: until then, widgets hold back further changes.
      await this.engine.comm(msg_id, comm);
      this.cells.delete(msg_id);
    } catch (error) {
      console.error(`loralab kernel: ignored ${(error as Error).message}`);
    }
  }

  private publishComm(
    { kind, id, target, data, metadata, buffers }: CommMessage,
    parent: Partial<Header>,
  ): void {
    const attached = {
      metadata,
      buffers: buffers.map((b) => Buffer.from(b.buffer, b.byteOffset, b.byteLength)),
    };
    const content = { comm_id: id, data: data as any };
    if (kind === "open")
      this.publisher.publish("comm_open", { ...content, target_name: target! }, parent, attached);
    else this.publisher.publish(`comm_${kind}`, content, parent, attached);
  }

  // --- execution ---

  /** Runs the waiting cells one after the other, unless that is already under way. */
  private async executeWaiting(): Promise<void> {
    if (this.isExecuting) return;
    this.isExecuting = true;
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) {
      this.executing = next.request;
      this.stopper = new AbortController();
      this.status("busy", next.request);
      const reply = await this.execute(next.request);
      const stops = reply.status === "error" && next.request.content.stop_on_error !== false;
      const aborted = stops ? await this.takeWaiting() : [];
      this.publisher.flush();
      this.replyTo(next.channel, next.request, reply);
      this.status("idle", next.request);
      this.executing = undefined;
      for (const { channel, request } of aborted) this.abort(channel, request);
    }
    this.isExecuting = false;
  }

  /** The cells that were sent together with one that failed; what is sent after the reply to that one will run. */
  private async takeWaiting(): Promise<typeof this.waiting> {
    await nextTurn(); // what has arrived at the socket is read first
    await nextTurn();
    return this.waiting.splice(0);
  }

  private abort(channel: ReplyChannel, request: Message): void {
    this.status("busy", request);
    this.replyTo(channel, request, { status: "aborted", execution_count: this.executionCount });
    this.status("idle", request);
  }

  private replyTo(channel: ReplyChannel, request: Message, reply: ExecuteReply): void {
    this.output.reply(channel, request, "execute_reply", reply as unknown as Record<string, unknown>);
  }

  private async execute(request: Message): Promise<ExecuteReply> {
    const { code, user_expressions, ...content } = request.content as Exchanges["execute_request"]["request"];
    const silent = content.silent === true;
    const store = !silent && content.store_history !== false;
    const bad = missingField("execute_request", request.content);
    if (bad)
      return {
        ...failure("BadRequest", `execute_request needs ${bad}`),
        execution_count: this.executionCount,
      };
    if (store) this.executionCount++;
    const execution_count = this.executionCount;
    const parent = request.header;
    this.cells.set(parent.msg_id, { ...request, content: {}, buffers: [] });
    this.page = undefined;
    if (!silent) this.publisher.publish("execute_input", { code, execution_count }, parent);

    const filename = silent ? `cell ${execution_count}silent` : `cell ${execution_count}`;
    const { result, error } = await this.runCode(request, code, filename, content.allow_stdin === true);
    if (result && !silent)
      this.publisher.publish(
        "execute_result",
        { execution_count, data: result as any, metadata: {} },
        parent,
      );
    if (error) this.publisher.publish("error", error, parent);
    // A front end that can ask has a user, who typed this; a notebook that runs headless leaves no trace.
    const isTyped = content.allow_stdin === true;
    if (store) this.history.add(execution_count, code, String(result?.["text/plain"] ?? ""), isTyped);
    if (error) return { status: "error", ...error, execution_count };
    const values = await this.evaluate(request, user_expressions ?? {});
    const payload = this.page ? [{ source: "page", data: this.page as any, start: 0 }] : [];
    return { status: "ok", execution_count, payload, user_expressions: values };
  }

  /** Compiles and runs code; never rejects. */
  private async runCode(
    request: Message,
    code: string,
    filename: string,
    allowStdin: boolean,
  ): Promise<EngineOutcome> {
    try {
      const compiled = await this.compiler.compile(code, this.typeErrors);
      if (!compiled.ok) return { error: diagnosticsError(compiled.diagnostics, code, filename), unset: [] };
      if (compiled.warnings.length) {
        const text = diagnosticsWarning(compiled.warnings, code, filename);
        this.publisher.stream("stderr", text, request.header);
      }
      const program = { ...compiled.program, filename };
      const control = { allowStdin, interrupt: this.stopper.signal };
      const outcome = await this.engine.run(request.header.msg_id, program, control);
      if (outcome.lost) await this.compiler.reset();
      else await this.compiler.commit(outcome.unset);
      return outcome;
    } catch (error) {
      console.error("loralab kernel: a cell could not be run:", error);
      const { name, message } = error as Error;
      return { error: { ename: name, evalue: message, traceback: [`${name}: ${message}`] }, unset: [] };
    }
  }

  /** The values of `user_expressions`, each as a MIME bundle or as its own error. */
  private async evaluate(
    request: Message,
    expressions: Record<string, unknown>,
  ): Promise<Record<string, any>> {
    const values: Record<string, unknown> = {};
    for (const [name, expression] of Object.entries(expressions)) {
      const { result, error } = await this.runCode(request, `(${expression})`, "cell 0expression", false);
      const none: MimeBundle = { "text/plain": "undefined" };
      values[name] = error
        ? { status: "error", ...error }
        : { status: "ok", data: result ?? none, metadata: {} };
    }
    return values;
  }

  /** An output or a question of a cell, maybe of one that ended long ago. */
  private onEvent(event: EngineEvent): void {
    const request = this.cells.get(event.cell);
    const parent = request?.header ?? {};
    switch (event.type) {
      case "stream":
        this.publisher.stream(event.name, event.text, parent);
        break;
      case "clear":
        this.publisher.publish("clear_output", { wait: event.wait }, parent);
        break;
      case "page":
        if (event.cell === this.executing?.header.msg_id) this.page = event.data;
        break;
      case "prompt":
        if (request) this.output.askInput(request, { prompt: event.question, password: event.password });
        break;
      case "comm":
        if (this.comms.fromChild(event.comm)) this.publishComm(event.comm, parent);
        break;
      case "ended":
        for (const comm_id of this.comms.clear())
          this.publisher.publish("comm_close", { comm_id, data: {} }, parent);
        break;
      case "typeErrors":
        this.typeErrors = event.mode;
        break;
      case "display": {
        const content = { data: event.data as any, metadata: {}, transient: { display_id: event.id! } };
        if (event.id === undefined)
          this.publisher.publish("display_data", { ...content, transient: {} }, parent);
        else this.publisher.publish(event.update ? "update_display_data" : "display_data", content, parent);
      }
    }
  }

  private status(execution_state: "busy" | "idle", request: Message): void {
    this.publisher.publish("status", { execution_state }, request.header);
  }
}

function failure(ename: string, evalue: string): ErrorReply {
  return { status: "error", ename, evalue, traceback: [`${ename}: ${evalue}`] };
}

/** What kernel_info does not list as a feature, and so no front end should ask for. */
function refused(what: string): ErrorReply {
  return failure("UnsupportedRequest", `this kernel has ${what}`);
}

/** Fields that a request cannot be understood without, in words; undefined when they are there. */
function missingField(type: string, content: Record<string, unknown>): string | undefined {
  const needsCursor = type === "complete_request" || type === "inspect_request";
  const needsCode = needsCursor || type === "is_complete_request" || type === "execute_request";
  if (needsCode && typeof content.code !== "string") return "a text field code";
  const { user_expressions: expressions } = content;
  if (type === "execute_request" && expressions != null && !isTexts(expressions))
    return "an object of texts as user_expressions";
  if (needsCursor && typeof content.cursor_pos !== "number") return "a number field cursor_pos";
  return undefined;
}

function isTexts(value: unknown): boolean {
  return (
    typeof value === "object" &&
    !Array.isArray(value) &&
    Object.values(value!).every((text) => typeof text === "string")
  );
}
