/** Workspaces: which tabs are open where, one JSON file for each. */
import fs from "node:fs/promises";
import path from "node:path";
import { writeAtomic } from "./contents/atomic";
import { asHttpError, HttpError } from "./errors";
import { privateFolder } from "./folders";

export interface Workspace {
  data: Record<string, unknown>;
  metadata: { id: string; last_modified?: string; created?: string };
}

const EXTENSION = ".json";

export class Workspaces {
  /** @param folder where they are kept; one for each root folder, as tabs are paths in it */
  constructor(private readonly folder: string) {}

  async list(): Promise<{ ids: string[]; values: Workspace[] }> {
    const files = (await fs.readdir(this.folder).catch(() => [])).filter((name) => name.endsWith(EXTENSION));
    const ids = files.map((name) => decodeURIComponent(name.slice(0, -EXTENSION.length))).sort();
    return { ids, values: await Promise.all(ids.map((id) => this.get(id))) };
  }

  /** The workspace; an empty one when it is new, or its file is damaged: it is worth less than the work in the tabs. */
  async get(id: string): Promise<Workspace> {
    try {
      const { data } = JSON.parse(await fs.readFile(this.file(id), "utf8"));
      const stat = await fs.stat(this.file(id));
      const times = { last_modified: stat.mtime.toISOString(), created: stat.birthtime.toISOString() };
      return { data, metadata: { id, ...times } };
    } catch {
      return { data: {}, metadata: { id } };
    }
  }

  async save(id: string, workspace: unknown): Promise<void> {
    const { data, metadata } = (workspace ?? {}) as Partial<Workspace>;
    if (typeof data !== "object" || data === null || typeof metadata?.id !== "string")
      throw new HttpError(400, "a workspace should have data and metadata with its id");
    if (plain(metadata.id) !== plain(id))
      throw new HttpError(400, `the workspace's id is ${metadata.id}, but it is saved as ${id}`);
    privateFolder(this.folder);
    await writeAtomic(this.file(id), JSON.stringify({ data, metadata: { id } })).catch((error) => {
      throw asHttpError(error, `cannot save the workspace ${id}`);
    });
  }

  async delete(id: string): Promise<void> {
    await fs.rm(this.file(id)).catch((error) => {
      throw asHttpError(error, `cannot delete the workspace ${id}`);
    });
  }

  private file(id: string): string {
    return path.join(this.folder, encodeURIComponent(plain(id)) + EXTENSION);
  }
}

/** JupyterLab writes some ids with a slash before them. */
function plain(id: string): string {
  return id.replace(/^\//, "");
}
