/** The process of a kernel, from its start to its certain end. */
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type Connection, newConnection } from "../../../kernel/connection";
import { HttpError } from "../errors";
import type { Kernelspec } from "./specs";

/** How much of what a kernel's process prints is kept, to tell of its end. */
const LOG_CHARACTERS = 20_000;

export class KernelProcess {
  /** The last of what the process wrote to its own streams. */
  log = "";
  /** Resolves when the process has ended, with how: "SIGKILL", "exit code 1". */
  readonly ended: Promise<string>;
  how: string | undefined;

  private constructor(
    private readonly child: ChildProcess,
    readonly connection: Connection,
    file: string,
  ) {
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.log = (this.log + text).slice(-LOG_CHARACTERS);
      });
    this.ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        fs.rmSync(file, { force: true });
        this.how = signal ?? `exit code ${code}`;
        resolve(this.how);
      });
    });
  }

  /**
   * Starts a kernel's process.
   *
   * @throws HttpError 500 when the command cannot be run
   */
  static async start(spec: Kernelspec, cwd: string, env: Record<string, string>): Promise<KernelProcess> {
    const { connection, file } = await newConnection();
    const [command, ...args] = spec.argv.map((arg) =>
      arg.replaceAll("{connection_file}", file).replaceAll("{resource_dir}", spec.folder),
    );
    const child = spawn(command!, args, {
      cwd,
      env: { ...process.env, ...spec.env, ...env, JPY_PARENT_PID: String(process.pid) },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: Ctrl-C in the terminal is for the server alone, and the group can be killed as a whole.
      detached: process.platform !== "win32",
      windowsHide: true,
    });
    try {
      await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    } catch (error) {
      fs.rmSync(file, { force: true });
      throw new HttpError(
        500,
        `the kernel ${spec.name} could not be started: ${(error as Error).message}. Its command is ${spec.argv.join(" ")}`,
        "kernel did not start",
      );
    }
    child.on("error", () => {}); // a signal that could not be sent
    return new KernelProcess(child, connection, file);
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Sends a signal to the kernel and the processes that it started. */
  signal(signal: NodeJS.Signals): void {
    try {
      if (process.platform === "win32") this.child.kill(signal);
      else process.kill(-this.pid, signal);
    } catch {
      // it has ended
    }
  }

  /** Waits for the end that was asked for; after `patience` ms it is forced. */
  async end(patience: number): Promise<void> {
    const timer = new AbortController();
    await Promise.race([this.ended, delay(patience, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
    this.signal("SIGKILL"); // also what the kernel may have left behind
    await this.ended;
  }
}
