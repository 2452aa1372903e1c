/**
 * A running kernel as the server knows it: its process, the server's own connection to it, and the front ends' links.
 *
 * One thing happens at a time: starting, restarting and ending wait for each other. A process that ends by itself is
 * started again, once per successful start; one that cannot start is dead, and says why.
 */
import { randomUUID } from "node:crypto";
import type { WebSocket } from "ws";
import { newHeader } from "../../../kernel/protocol/wire";
import { HttpError } from "../errors";
import { Link } from "./link";
import { Nudge } from "./nudge";
import { OutputLog } from "./outputs";
import { KernelProcess } from "./process";
import { type Delivery, FrontEndSockets, type Parcel, parcel } from "./sockets";
import type { Kernelspec } from "./specs";
import type { Subprotocol } from "./wire";

export type ExecutionState = "starting" | "idle" | "busy" | "restarting" | "dead";

export interface KernelModel {
  id: string;
  name: string;
  last_activity: string;
  execution_state: ExecutionState;
  connections: number;
  /** Why it is dead. */
  reason?: string;
}

export interface KernelPlace {
  /** The folder that the kernel runs in. */
  cwd: string;
  env: Record<string, string>;
  /** How long it may take until the kernel answers, in ms. */
  startTimeout: number;
}

/** How long a kernel may take to end when it is asked to, in ms. */
const END_MS = 5000;

export class Kernel {
  readonly id = randomUUID();
  readonly outputs = new OutputLog();
  state: ExecutionState = "starting";
  lastActivity = new Date();
  private reason: string | undefined;
  private process: KernelProcess | undefined;
  private sockets: FrontEndSockets | undefined;
  private readonly links = new Set<Link>();
  /** The front ends that opened comms, by the comms' ids. */
  private readonly commOwners = new Map<string, Link>();
  private readonly session = randomUUID();
  /** The end of the last of the operations that wait for each other. */
  private turn: Promise<unknown> = Promise.resolve();
  /** Ends the wait for a process that was started to answer. */
  private giveUp = new AbortController();
  /** The process answers, and its broadcasts are heard. */
  private isReady = false;
  /** The process ends because we want it to. */
  private isEnding = false;

  private constructor(
    readonly spec: Kernelspec,
    private readonly place: KernelPlace,
  ) {}

  /**
   * Starts a kernel; it answers some time later.
   *
   * @throws HttpError 500 when its process cannot be started
   */
  static async start(spec: Kernelspec, place: KernelPlace): Promise<Kernel> {
    const kernel = new Kernel(spec, place);
    const { answered } = await kernel.launch();
    void kernel.inTurn(() => answered);
    return kernel;
  }

  get model(): KernelModel {
    return {
      id: this.id,
      name: this.spec.name,
      last_activity: this.lastActivity.toISOString(),
      execution_state: this.state,
      connections: this.connections,
      ...(this.reason === undefined ? {} : { reason: this.reason }),
    };
  }

  get connections(): number {
    return [...this.links].filter((link) => link.isConnected).length;
  }

  get pid(): number | undefined {
    return this.process?.how === undefined ? this.process?.pid : undefined;
  }

  /** Joins a front end's WebSocket to the kernel. */
  connect(webSocket: WebSocket, sessionId: string, protocol: Subprotocol): void {
    const known = [...this.links].find((one) => one.sessionId === sessionId);
    const link = known ?? this.newLink(sessionId);
    link.serve(webSocket, protocol);
    if (known) return;
    if (this.state === "dead") link.deliver(this.statusMessage("dead"));
    else if (this.isReady) link.attach(this.process!.connection);
  }

  interrupt(): void {
    if (this.state === "dead") throw new HttpError(409, `the kernel is dead: ${this.reason}. Restart it.`);
    if (this.spec.interrupt_mode === "signal") this.process?.signal("SIGINT");
    else this.sockets?.send(parcel("control", newHeader("interrupt_request", this.session), {}));
  }

  /** Ends the process and starts a new one. @throws HttpError 500 when that does not answer */
  restart(): Promise<void> {
    return this.inTurn(async () => {
      // Its pages are not told: JupyterLab takes a "restarting" for a crash and says so.
      this.lose("restarting", { isTold: false });
      await this.end(true);
      await this.relaunch();
      if (this.state === "dead") throw new HttpError(500, `the kernel did not start again: ${this.reason}`);
    });
  }

  async shutdown(): Promise<void> {
    this.isEnding = true;
    this.giveUp.abort();
    await this.inTurn(async () => {
      await this.end(false);
      this.lose("dead");
      for (const link of [...this.links]) link.close();
    });
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.turn.then(act);
    this.turn = done.catch(() => {});
    return done;
  }

  /** Starts the process. `answered` resolves when it answers, or is given up. */
  private async launch(): Promise<{ answered: Promise<void> }> {
    this.isEnding = false;
    this.reason = undefined;
    const process = await KernelProcess.start(this.spec, this.place.cwd, this.place.env);
    const nudge = new Nudge();
    const sockets = new FrontEndSockets(process.connection, `server-${randomUUID()}`, true, (delivery) => {
      if (!nudge.sees(delivery) && delivery.channel === "iopub") this.onBroadcast(delivery);
    });
    const giveUp = new AbortController();
    Object.assign(this, { process, sockets, giveUp });
    const timeout = setTimeout(() => giveUp.abort(), this.place.startTimeout);
    void process.ended.then((how) => {
      giveUp.abort();
      if (this.isReady && !this.isEnding && this.process === process)
        void this.inTurn(() => this.onDied(process, how));
    });
    const answer = async () => {
      this.isReady = await nudge.run(sockets, giveUp.signal);
      clearTimeout(timeout);
      if (this.isReady) {
        for (const link of this.links) link.attach(process.connection);
        if (this.state === "starting" || this.state === "restarting") this.setState("idle");
        return;
      }
      if (this.isEnding) return;
      const why =
        process.how === undefined
          ? `it did not answer within ${this.place.startTimeout / 1000} s`
          : `its process ended (${process.how})`;
      await process.end(0);
      this.reason = `${why}.${process.log ? ` It printed:\n${process.log.trim().slice(-2000)}` : ""}`;
      console.error(`the kernel ${this.spec.name} did not start: ${this.reason}`);
      this.lose("dead");
    };
    return { answered: answer() };
  }

  private async relaunch(): Promise<void> {
    try {
      await (await this.launch()).answered;
    } catch (error) {
      this.reason = (error as Error).message;
      this.lose("dead");
    }
    if (this.state === "dead") return;
    this.setState("idle");
    this.broadcast(this.statusMessage("idle"));
  }

  /** The process ended by itself: tells the cell that ran, and starts another. */
  private async onDied(process: KernelProcess, how: string): Promise<void> {
    if (this.process !== process || this.isEnding) return;
    process.signal("SIGKILL"); // its children
    const hint = how === "SIGKILL" ? " The system may have run out of memory." : "";
    const evalue = `the kernel's process ended (${how}).${hint} It was started again; all variables are gone.`;
    const traceback = [
      `KernelDied: ${evalue}`,
      ...(process.log.trim() ? [process.log.trim().slice(-2000)] : []),
    ];
    const [running] = this.outputs.unfinished;
    if (running) {
      const parent = { ...newHeader("execute_request", this.session), msg_id: running };
      this.publish("error", { ename: "KernelDied", evalue, traceback }, parent);
    }
    console.error(`the kernel ${this.spec.name} ended (${how}); it is started again`);
    this.lose("restarting");
    await this.relaunch();
  }

  /** Takes leave of the process's sockets. */
  private lose(state: "restarting" | "dead", { isTold = true } = {}): void {
    this.isReady = false;
    this.outputs.aborted();
    this.commOwners.clear();
    this.sockets?.close();
    this.sockets = undefined;
    for (const link of this.links) link.detach();
    this.setState(state);
    if (isTold) this.broadcast(this.statusMessage(state));
  }

  private async end(restart: boolean): Promise<void> {
    if (!this.process) return;
    this.isEnding = true;
    const control = new FrontEndSockets(this.process.connection, `server-${randomUUID()}`, false, () => {});
    control.send(parcel("control", newHeader("shutdown_request", this.session), { restart }));
    await this.process.end(this.process.how === undefined ? END_MS : 0);
    control.close();
  }

  private newLink(sessionId: string): Link {
    const link: Link = new Link(
      sessionId,
      (request) => this.onRequest(request, link),
      (closed) => {
        this.links.delete(closed);
        for (const [id, owner] of this.commOwners) if (owner === closed) this.commOwners.delete(id);
      },
    );
    this.links.add(link);
    return link;
  }

  /** A message of a front end, on its way to the kernel. */
  private onRequest({ channel, parts }: Parcel, link: Link): void {
    this.lastActivity = new Date();
    if (channel !== "shell") return;
    const { msg_type, msg_id } = JSON.parse(parts[0].toString());
    if (msg_type === "execute_request") {
      const { cellId } = JSON.parse(parts[2].toString());
      if (typeof cellId === "string") this.outputs.requested(msg_id, cellId, link);
    } else if (msg_type === "comm_open") {
      this.commOwners.set(JSON.parse(parts[3].toString()).comm_id, link);
    }
  }

  private onBroadcast(delivery: Delivery): void {
    const { message } = delivery;
    this.lastActivity = new Date();
    const { execution_state } = message.content;
    if (message.header.msg_type === "status" && (execution_state === "busy" || execution_state === "idle"))
      this.setState(execution_state);
    this.outputs.add(message);
    // Another page knows nothing of a comm that this one opened, and reports that as an error.
    const owner = this.commOwners.get(message.content.comm_id as string);
    if (owner) owner.deliver(delivery);
    else this.broadcast(delivery);
    if (message.header.msg_type === "comm_close") this.commOwners.delete(message.content.comm_id as string);
  }

  /** Sends a broadcast as if it came from the kernel. */
  private publish(type: string, content: Record<string, unknown>, parent: any): void {
    const header = newHeader(type, this.session);
    this.outputs.add({ identities: [], header, parent, metadata: {}, content, buffers: [] });
    this.broadcast(parcel("iopub", header, content, parent));
  }

  private statusMessage(execution_state: ExecutionState): Parcel {
    return parcel("iopub", newHeader("status", this.session), { execution_state });
  }

  private broadcast(message: Parcel): void {
    for (const link of this.links) link.deliver(message);
  }

  private setState(state: ExecutionState): void {
    this.state = state;
  }
}
