/** The user's files: what `/api/contents` does, in terms of contents paths. */
import type { Stats } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { asHttpError, HttpError } from "../errors";
import { copyAtomic, sweep, writeAtomic } from "./atomic";
import { Checkpoints } from "./checkpoints";
import { describe, hashOfFile, listing, type Model, type Wanted, withContent } from "./model";
import { checkNotebook, formatNotebook, type NotebookContent } from "./notebook-file";
import { baseName, isHidden, joinPath, normalPath, parentPath, resolveInside } from "./paths";
import type { Trust } from "./trust";
import { Uploads } from "./uploads";

export interface ContentsOptions {
  /** The folder that the user works in; nothing outside of it is served. */
  root: string;
  trust: Trust;
  /** Serve files and folders whose name starts with a dot. */
  showHidden?: boolean;
  /** Told of every notebook that was saved. */
  onSaved?(apiPath: string, notebook: NotebookContent): void;
}

/** What a request to save brings. */
export interface Save {
  type?: string;
  format?: string | null;
  content?: unknown;
  /** Part of a file sent in parts, from 1; -1 is the last. */
  chunk?: number;
  /** When given: the time of the version that was edited; a newer file is not overwritten. */
  last_modified?: string;
}

const NEW_NAMES = { notebook: "Untitled", directory: "Untitled Folder", file: "untitled" };

export class Contents {
  readonly checkpoints = new Checkpoints(this);
  private readonly uploads = new Uploads();

  constructor(private readonly options: ContentsOptions) {}

  /** The file behind a contents path. @throws HttpError when it leads out of the root, or is hidden */
  async file(apiPath: string): Promise<string> {
    if (isHidden(apiPath) && !this.options.showHidden)
      throw new HttpError(404, `no such file or folder: ${apiPath} (hidden files are not served)`);
    return resolveInside(this.options.root, apiPath);
  }

  async get(apiPath: string, wanted: Wanted): Promise<Model> {
    return this.telling(`cannot open ${shown(apiPath)}`, async () => {
      const file = await this.file(apiPath);
      const model = await describe(file, apiPath, wanted.type);
      if (wanted.type && (wanted.type === "directory") !== (model.type === "directory"))
        throw new HttpError(400, `${shown(apiPath)} is ${a(model.type)}, not ${a(wanted.type)}`, "bad type");
      if (!wanted.content)
        return wanted.hash && model.type !== "directory" ? { ...model, ...(await hashOfFile(file)) } : model;
      if (model.type !== "directory") return withContent(file, model, wanted, this.options.trust);
      void sweep(file);
      const names = (await fs.readdir(file)).filter((name) => this.options.showHidden || !isHidden(name));
      return listing(model, names, (entry) => this.file(entry));
    });
  }

  /** Creates or replaces a file, a notebook, or creates a folder. */
  async save(apiPath: string, request: Save): Promise<Model & { isNew: boolean }> {
    return this.telling(`cannot save ${shown(apiPath)}`, async () => {
      if (apiPath === "") throw new HttpError(400, "a file needs a name");
      const file = await this.file(apiPath);
      const before = await fs.stat(file).catch(() => undefined);
      const message = await this.store(file, apiPath, before, request);
      // A part of an upload is told of as the file that it will become.
      const there = this.uploads.underWay(file) ?? file;
      const model = await describe(there, apiPath, request.type as Wanted["type"]);
      return { ...model, ...(message ? { message } : {}), isNew: before === undefined };
    });
  }

  /** A new file with a free name, in a folder; or a copy of another file. */
  async create(
    folder: string,
    { type = "file", ext = "", copy_from }: { type?: string; ext?: string; copy_from?: string },
  ): Promise<Model> {
    return this.telling(`cannot create a file in ${shown(folder)}`, async () => {
      const inside = await this.file(folder);
      if (!(await fs.stat(inside)).isDirectory())
        throw new HttpError(400, `${folder} is a file; a new file is created in a folder`);
      if (copy_from !== undefined) return this.copy(normalPath(copy_from), folder);
      if (!isType(type)) throw wrongType(type);
      const extension = type === "notebook" ? ".ipynb" : type === "file" ? ext : "";
      if (/[/\\\0]/.test(extension))
        throw new HttpError(400, `not the extension of a file: ${JSON.stringify(ext)}`);
      const separator = type === "directory" ? " " : "";
      const apiPath = await this.freeName(folder, NEW_NAMES[type], extension, separator);
      const content = type === "notebook" ? emptyNotebook() : "";
      const { isNew: _, ...model } = await this.save(apiPath, { type, format: "text", content });
      return model;
    });
  }

  async rename(from: string, to: string): Promise<Model> {
    return this.telling(`cannot rename ${shown(from)}`, async () => {
      if (from === "" || to === "") throw new HttpError(400, "the root folder cannot be renamed");
      const [source, target] = [await this.file(from), await this.file(to)];
      const old = await fs.lstat(source);
      const there = await fs.lstat(target).catch(() => undefined);
      // On a disk that ignores case, a.txt → A.txt is the same file.
      if (there && !(there.ino === old.ino && there.dev === old.dev))
        throw new HttpError(409, `cannot rename ${from}: ${to} is there already`);
      await fs.rename(source, target);
      await this.checkpoints.move(from, to);
      return describe(target, to);
    });
  }

  async delete(apiPath: string): Promise<void> {
    await this.telling(`cannot delete ${shown(apiPath)}`, async () => {
      if (apiPath === "") throw new HttpError(400, "the root folder cannot be deleted");
      await this.file(apiPath); // inside, and not hidden
      // The link goes, not what it points to: resolve only the folder.
      const file = path.join(await this.file(parentPath(apiPath)), baseName(apiPath));
      const stat = await fs.lstat(file);
      if (stat.isDirectory()) await this.deleteFolder(file);
      else await fs.unlink(file);
      await this.checkpoints.drop(apiPath);
    });
  }

  /** Ends uploads that are under way. */
  close(): Promise<void> {
    return this.uploads.close();
  }

  /** @returns what is wrong with a notebook that was stored all the same */
  private async store(
    file: string,
    apiPath: string,
    before: Stats | undefined,
    { type, format, content, chunk, last_modified }: Save,
  ): Promise<string | undefined> {
    if (!isType(type)) throw wrongType(type);
    if (before && before.isDirectory() !== (type === "directory"))
      throw new HttpError(
        400,
        `${apiPath} is there already and is ${before.isDirectory() ? "a folder" : "a file"}`,
      );
    if (type === "directory") {
      if (!before) await fs.mkdir(file);
      return undefined;
    }
    if (before && last_modified !== undefined && before.mtimeMs > Date.parse(last_modified) + 1)
      throw new HttpError(
        409,
        `${apiPath} has changed on disk since it was opened (${before.mtime.toISOString()}); it was not overwritten. ` +
          "Reload it, or save under another name.",
        "conflict",
      );
    if (content === undefined || content === null) {
      if (before) throw new HttpError(400, `no content to save for ${apiPath}`);
      await writeAtomic(file, type === "notebook" ? formatNotebook(emptyNotebook()) : "");
      return undefined;
    }
    if (type === "notebook" && chunk === undefined) {
      const message = checkNotebook(content);
      const notebook = content as NotebookContent;
      await writeAtomic(file, formatNotebook(notebook));
      if (message === undefined) this.options.trust.signIfTrusted(notebook);
      this.options.onSaved?.(apiPath, notebook);
      return message && `The notebook was saved, but it is not valid: ${message}`;
    }
    const bytes = decoded(apiPath, format, content);
    if (chunk === undefined) await writeAtomic(file, bytes);
    else await this.uploads.add(file, chunk, bytes);
    return undefined;
  }

  private async copy(from: string, folder: string): Promise<Model> {
    const source = await this.file(from);
    const stat = await fs.stat(source);
    const extension = stat.isDirectory() ? "" : path.extname(from);
    const name = baseName(from).slice(0, baseName(from).length - extension.length);
    const apiPath = await this.freeName(folder, name.replace(/-Copy\d*$/, ""), extension, "-Copy");
    const target = await this.file(apiPath);
    if (stat.isDirectory()) {
      if (target.startsWith(source + path.sep))
        throw new HttpError(400, `${from} cannot be copied into itself`);
      await fs.cp(source, target, { recursive: true, verbatimSymlinks: true });
    } else {
      await copyAtomic(source, target);
    }
    return describe(target, apiPath);
  }

  /** `base`, `base1`, `base2` … with the extension, and a separator before the number: the first that is not there. */
  private async freeName(folder: string, base: string, ext: string, separator: string): Promise<string> {
    for (let i = 0; ; i++) {
      const apiPath = joinPath(folder, `${base}${i ? `${separator}${i}` : ""}${ext}`);
      const file = await this.file(apiPath);
      if (!(await fs.lstat(file).catch(() => undefined))) return apiPath;
    }
  }

  /** Only an empty folder goes: there is no way back. Checkpoints and the system's own files do not count. */
  private async deleteFolder(folder: string): Promise<void> {
    const ignorable = new Set([".ipynb_checkpoints", ".DS_Store", "Thumbs.db"]);
    const names = await fs.readdir(folder);
    if (names.some((name) => !ignorable.has(name))) throw Object.assign(new Error(), { code: "ENOTEMPTY" });
    await fs.rm(folder, { recursive: true });
  }

  private async telling<T>(doing: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw asHttpError(error, doing);
    }
  }
}

function decoded(apiPath: string, format: string | null | undefined, content: unknown): Buffer {
  if (typeof content !== "string")
    throw new HttpError(400, `the content of ${apiPath} should be text, got ${typeof content}`);
  if (format === "text") return Buffer.from(content, "utf8");
  if (format !== "base64")
    throw new HttpError(400, `format should be "text" or "base64", got ${JSON.stringify(format)}`);
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(content))
    throw new HttpError(400, `the content of ${apiPath} is not base64`);
  return Buffer.from(content, "base64");
}

function emptyNotebook(): NotebookContent {
  return { nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [] };
}

function isType(type: string | undefined): type is "file" | "notebook" | "directory" {
  return type === "file" || type === "notebook" || type === "directory";
}

function wrongType(type: unknown): HttpError {
  return new HttpError(400, `type should be "file", "notebook" or "directory", got ${JSON.stringify(type)}`);
}

function a(type: string): string {
  return type === "directory" ? "a folder" : `a ${type}`;
}

function shown(apiPath: string): string {
  return apiPath === "" ? "the root folder" : apiPath;
}
