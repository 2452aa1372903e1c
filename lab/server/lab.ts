/** The parts of the lab's server, joined: what `routes.ts` speaks to. */
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { EXPORT_FORMATS, type ExportFormat, exportNotebook } from "../export";
import type { Access } from "./access";
import type { Machine, RunningOutputs } from "./api-types";
import { Contents } from "./contents/contents";
import { baseName, parentPath } from "./contents/paths";
import { Trust } from "./contents/trust";
import { HttpError } from "./errors";
import { Events } from "./events";
import { Kernels } from "./kernels/kernels";
import { Sessions } from "./kernels/sessions";
import { machine } from "./machine";
import { labPage, NOT_BUILT_PAGE, type PageOptions } from "./page";
import { Settings } from "./settings";
import { Tutorials } from "./tutorials";
import { Workspaces } from "./workspaces";

export interface LabOptions {
  /** The folder that the user works in. */
  root: string;
  /** Where settings, workspaces and trust are kept. */
  data: string;
  /** The front end's bundle. */
  ui: string;
  /** The tutorials as shipped. */
  tutorials: string;
  version: string;
  /** Begins and ends with a slash; "/" where the lab has a host of its own. */
  base?: string;
  /** The page to show first, relative to the base URL. */
  defaultUrl?: string;
  /** The hub that the server belongs to. */
  hub?: PageOptions["hub"];
  cullIdleMinutes?: number;
  /** How long a kernel may take until it answers, in ms. */
  kernelStartTimeout?: number;
  showHidden?: boolean;
  /** What runs compiled code, for people. */
  device?: () => Promise<string>;
}

export class Lab {
  readonly contents: Contents;
  readonly kernels: Kernels;
  readonly sessions: Sessions;
  readonly settings: Settings;
  readonly workspaces: Workspaces;
  readonly tutorials: Tutorials;
  readonly events = new Events();
  readonly version: string;
  /** The base URL. */
  readonly base: string;
  private readonly started = new Date();
  private changed = this.started;
  private device: Promise<string | null> | undefined;

  constructor(
    private readonly options: LabOptions,
    readonly access: Access,
  ) {
    const { root, data, ui, tutorials, version, showHidden, cullIdleMinutes, kernelStartTimeout } = options;
    const trust = new Trust(path.join(data, "trust"));
    this.version = version;
    this.base = options.base ?? "/";
    this.contents = new Contents({
      root,
      trust,
      showHidden,
      onSaved: (apiPath, notebook) => this.sessions.kernelOf(apiPath)?.outputs.saved(notebook),
    });
    this.kernels = new Kernels({ cullIdleMinutes, startTimeout: kernelStartTimeout });
    this.sessions = new Sessions(this.kernels, (apiPath) => this.kernelFolder(parentPath(apiPath)));
    this.settings = new Settings(path.join(ui, "schemas.json"), path.join(data, "settings"));
    const folder = createHash("sha256").update(root).digest("hex").slice(0, 16);
    this.workspaces = new Workspaces(path.join(data, "workspaces", folder));
    this.tutorials = new Tutorials(tutorials, this.contents, trust);
  }

  /** The app's page; while it is not built, one that says how. */
  async page(workspace: string | undefined, treePath: string): Promise<{ html: string; status: 200 | 503 }> {
    const { ui, root, version, hub } = this.options;
    const html = await labPage({ ui, root, version, hub, base: this.base }, { workspace, treePath });
    return html === undefined ? { html: NOT_BUILT_PAGE, status: 503 } : { html, status: 200 };
  }

  /** Where a browser goes that asks for nothing in particular. */
  get firstPage(): string {
    return this.base + (this.options.defaultUrl ?? "lab").replace(/^\//, "");
  }

  bundle(part: "static" | "themes"): string {
    return path.join(this.options.ui, part);
  }

  /** The folder that a kernel runs in: the nearest one that is there, as a notebook may be saved later. */
  async kernelFolder(apiPath: string): Promise<string> {
    for (let folder = apiPath; ; folder = parentPath(folder)) {
      const file = await this.contents.file(folder);
      if ((await fs.stat(file).catch(() => undefined))?.isDirectory()) return file;
      if (folder === "") throw new HttpError(404, `the root folder ${this.options.root} is gone`);
    }
  }

  /** A notebook, as it was saved, in another format. */
  async export(
    format: string,
    apiPath: string,
  ): Promise<{ text: string; mimetype: string; filename: string }> {
    if (!EXPORT_FORMATS.includes(format as ExportFormat))
      throw new HttpError(400, `expected one of the formats ${EXPORT_FORMATS.join(", ")}, got ${format}`);
    const wanted = { type: "notebook", content: true, hash: false } as const;
    const { content } = await this.contents.get(apiPath, wanted);
    const name = baseName(apiPath).replace(/\.ipynb$/, "");
    const folder = parentPath(apiPath);
    const { text, extension } = await exportNotebook(content, format as ExportFormat, {
      name,
      readImage: async (image) => {
        try {
          return await fs.readFile(await this.contents.file(path.posix.join(folder, image)));
        } catch {
          return undefined; // not there, or outside of the root folder
        }
      },
    });
    const mimetype = format === "html" ? "text/html; charset=utf-8" : "text/plain; charset=utf-8";
    return { text, mimetype, filename: name + extension };
  }

  /** What the kernel of a notebook put out since it was saved. */
  outputsOf(apiPath: string): RunningOutputs {
    const kernel = this.sessions.kernelOf(apiPath);
    return kernel ? { kernelId: kernel.id, cells: kernel.outputs.list() } : { kernelId: null, cells: [] };
  }

  machine(): Promise<Machine> {
    this.device ??= (this.options.device?.() ?? Promise.resolve(null)).catch(() => null);
    return machine(this.kernels, this.sessions, this.device);
  }

  /** The user asked for a change. */
  touch(): void {
    this.changed = new Date();
  }

  /** When the user or a kernel did something last. A kernel that computes does, also when it says nothing. */
  lastActivity(): Date {
    const kernels = this.kernels.list();
    if (kernels.some(({ state }) => state === "busy")) return new Date();
    return new Date(
      Math.max(...[this.changed, ...kernels.map(({ lastActivity }) => lastActivity)].map(Number)),
    );
  }

  status() {
    const kernels = this.kernels.list();
    return {
      started: this.started.toISOString(),
      last_activity: this.lastActivity().toISOString(),
      connections: kernels.reduce((sum, { connections }) => sum + connections, 0),
      kernels: kernels.length,
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.kernels.close(), this.contents.close()]);
  }
}
