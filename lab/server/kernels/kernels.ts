/** All kernels of the server, and their culling. */
import { HttpError } from "../errors";
import { Kernel } from "./kernel";
import { kernelspec, OWN_KERNEL } from "./specs";

export interface KernelsOptions {
  /** Kernels without a front end that were idle for so many minutes are ended; 0: never. */
  cullIdleMinutes?: number;
  /** How long a kernel may take until it answers, in ms. */
  startTimeout?: number;
}

const START_MS = 60_000;
const MINUTE_MS = 60_000;

export class Kernels {
  private readonly all = new Map<string, Kernel>();
  private readonly culling: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(private readonly options: KernelsOptions = {}) {
    const { cullIdleMinutes = 0 } = options;
    if (cullIdleMinutes > 0) {
      const every = Math.min(MINUTE_MS, (cullIdleMinutes * MINUTE_MS) / 2);
      this.culling = setInterval(() => this.cull(cullIdleMinutes * MINUTE_MS), every).unref();
    }
  }

  /** @param cwd the folder that it runs in */
  async start(name: string | undefined, cwd: string, env: Record<string, string> = {}): Promise<Kernel> {
    if (this.isClosed) throw new HttpError(503, "the server is shutting down");
    const { startTimeout = START_MS } = this.options;
    const kernel = await Kernel.start(kernelspec(name || OWN_KERNEL), { cwd, env, startTimeout });
    this.all.set(kernel.id, kernel);
    // The server may have been told to end while the process was starting.
    if (this.isClosed) await this.shutdown(kernel.id);
    return kernel;
  }

  /** @throws HttpError 404 */
  get(id: string): Kernel {
    const kernel = this.all.get(id);
    if (!kernel) throw new HttpError(404, `there is no kernel ${id}; it may have been shut down`);
    return kernel;
  }

  has(id: string): boolean {
    return this.all.has(id);
  }

  list(): Kernel[] {
    return [...this.all.values()];
  }

  async shutdown(id: string): Promise<void> {
    const kernel = this.get(id);
    this.all.delete(id);
    await kernel.shutdown();
  }

  /** Ends all kernels, and starts no others. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.culling);
    await Promise.all([...this.all.keys()].map((id) => this.shutdown(id)));
  }

  private cull(idleMs: number): void {
    for (const { id, state, connections, lastActivity } of this.all.values()) {
      const isIdle = state !== "busy" && connections === 0 && Date.now() - lastActivity.getTime() > idleMs;
      if (!isIdle) continue;
      console.error(`ended kernel ${id}: idle for ${idleMs / MINUTE_MS} minutes`);
      void this.shutdown(id);
    }
  }
}
