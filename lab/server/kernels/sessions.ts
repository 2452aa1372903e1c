/** Sessions: which kernel belongs to which notebook. A session lasts as long as its kernel. */
import { randomUUID } from "node:crypto";
import { HttpError } from "../errors";
import type { Kernel, KernelModel } from "./kernel";
import type { Kernels } from "./kernels";

export interface Session {
  id: string;
  path: string;
  name: string;
  type: string;
  kernelId: string;
}

export interface SessionModel extends Omit<Session, "kernelId"> {
  kernel: KernelModel;
  notebook?: { path: string; name: string };
}

/** What a request to create or change a session brings. */
export interface SessionRequest {
  path?: string;
  name?: string;
  type?: string;
  kernel?: { id?: string | null; name?: string | null } | null;
}

export class Sessions {
  private readonly all = new Map<string, Session>();
  /** Sessions that are being made, by path: two tabs that open one notebook share its kernel. */
  private readonly making = new Map<string, Promise<Session>>();

  /** @param folderOf the folder that the kernel of a contents path runs in */
  constructor(
    private readonly kernels: Kernels,
    private readonly folderOf: (apiPath: string) => Promise<string>,
  ) {}

  /** The session of a path, made when there is none. */
  async create(request: SessionRequest): Promise<SessionModel> {
    const { path, type } = request;
    if (typeof path !== "string" || path === "") throw new HttpError(400, "a session needs a path");
    if (typeof type !== "string")
      throw new HttpError(400, 'a session needs a type, as "notebook" or "console"');
    const there = this.list().find((session) => session.path === path);
    if (there) return there;
    let made = this.making.get(path);
    if (!made) {
      made = this.make(path, type, request).finally(() => this.making.delete(path));
      this.making.set(path, made);
    }
    return this.model(await made);
  }

  get(id: string): SessionModel {
    return this.model(this.require(id));
  }

  list(): SessionModel[] {
    for (const [id, { kernelId }] of this.all) if (!this.kernels.has(kernelId)) this.all.delete(id);
    return [...this.all.values()].map((session) => this.model(session));
  }

  /** Renames a session, or gives it another kernel. */
  async change(id: string, { path, name, type, kernel }: SessionRequest): Promise<SessionModel> {
    const session = this.require(id);
    const old = session.kernelId;
    if (kernel?.id) session.kernelId = this.kernels.get(kernel.id).id;
    else if (kernel?.name) session.kernelId = (await this.startKernel(path ?? session.path, kernel.name)).id;
    Object.assign(session, defined({ path, name, type }));
    const isUsed = [...this.all.values()].some(({ kernelId }) => kernelId === old);
    if (old !== session.kernelId && !isUsed && this.kernels.has(old)) await this.kernels.shutdown(old);
    return this.model(session);
  }

  async delete(id: string): Promise<void> {
    const { kernelId } = this.require(id);
    this.all.delete(id);
    if (this.kernels.has(kernelId)) await this.kernels.shutdown(kernelId);
  }

  /** The kernel of a notebook. */
  kernelOf(path: string): Kernel | undefined {
    const session = this.list().find((one) => one.path === path);
    return session && this.kernels.get(session.kernel.id);
  }

  private async make(path: string, type: string, { name = "", kernel }: SessionRequest): Promise<Session> {
    const used = kernel?.id
      ? this.kernels.get(kernel.id)
      : await this.startKernel(path, kernel?.name ?? undefined);
    const session = { id: randomUUID(), path, name, type, kernelId: used.id };
    this.all.set(session.id, session);
    return session;
  }

  private async startKernel(path: string, name: string | undefined): Promise<Kernel> {
    return this.kernels.start(name, await this.folderOf(path), { JPY_SESSION_NAME: path });
  }

  private require(id: string): Session {
    const session = this.all.get(id);
    if (!session) throw new HttpError(404, `there is no session ${id}`);
    if (this.kernels.has(session.kernelId)) return session;
    this.all.delete(id);
    throw new HttpError(410, `the kernel of session ${id} has been shut down`);
  }

  private model({ kernelId, ...session }: Session): SessionModel {
    const { path, name } = session;
    const notebook = session.type === "notebook" ? { notebook: { path, name } } : {};
    return { ...session, kernel: this.kernels.get(kernelId).model, ...notebook };
  }
}

function defined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
