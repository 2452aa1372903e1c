/**
 * The shelf: the notebooks that come with the package. The user works on copies in a folder of their own; the
 * originals stay as shipped.
 */
import fs from "node:fs/promises";
import path from "node:path";
import type { OpenedTutorial, ResetTutorial, Tutorial } from "./api-types";
import { writeAtomic } from "./contents/atomic";
import type { Contents } from "./contents/contents";
import { formatNotebook, type NotebookContent, parseNotebook, sorted } from "./contents/notebook-file";
import type { Trust } from "./contents/trust";
import { asHttpError, HttpError } from "./errors";

/** Where the copies go, in the root folder. */
export const TUTORIALS_FOLDER = "loralab-tutorials";

export class Tutorials {
  /** @param originals the folder of the notebooks as shipped */
  constructor(
    private readonly originals: string,
    private readonly contents: Contents,
    private readonly trust: Trust,
  ) {}

  async list(): Promise<Tutorial[]> {
    const names = (await fs.readdir(this.originals)).filter((name) => name.endsWith(".ipynb")).sort();
    return Promise.all(names.map((name) => this.describe(name.replace(/\.ipynb$/, ""))));
  }

  /** Makes the copy when there is none. */
  async open(name: string): Promise<OpenedTutorial & { isNew: boolean }> {
    const original = await this.original(name);
    const apiPath = copyPath(name);
    if ((await this.read(apiPath)) !== undefined) return { path: apiPath, isNew: false };
    await this.write(apiPath, original);
    return { path: apiPath, isNew: true };
  }

  /** Replaces the copy by the original. What the user had is kept beside it, unless it was as shipped. */
  async reset(name: string): Promise<ResetTutorial> {
    const original = await this.original(name);
    const apiPath = copyPath(name);
    const text = await this.read(apiPath);
    let backup: string | null = null;
    if (text !== undefined && text !== formatNotebook(original)) {
      backup = await this.backupPath(name);
      await writeAtomic(await this.contents.file(backup), text);
    }
    await this.write(apiPath, original);
    return { path: apiPath, backup };
  }

  private async describe(name: string): Promise<Tutorial> {
    const notebook = await this.original(name);
    const { title, summary, minutes } = {
      ...notebook.metadata.title,
      ...notebook.metadata.loralab,
    } as Record<string, unknown>;
    const path = copyPath(name);
    const copy = await this.read(path).catch(() => undefined);
    return {
      name,
      path,
      title: typeof title === "string" ? title : heading(notebook, name),
      summary: typeof summary === "string" ? summary : firstParagraph(notebook),
      minutes: typeof minutes === "number" ? minutes : null,
      progress: progress(copy, notebook),
    };
  }

  private async original(name: string): Promise<NotebookContent> {
    const file = path.join(this.originals, `${name}.ipynb`);
    try {
      // The name comes from a URL: it must be one of those on the shelf.
      if (!(await fs.readdir(this.originals)).includes(`${name}.ipynb`))
        throw new HttpError(404, `there is no tutorial ${name}`);
      return parseNotebook(await fs.readFile(file, "utf8"), file);
    } catch (error) {
      throw asHttpError(error, `cannot open the tutorial ${name}`);
    }
  }

  /** The text of the user's copy; undefined when there is none. */
  private async read(apiPath: string): Promise<string | undefined> {
    const file = await this.contents.file(apiPath);
    return fs.readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw asHttpError(error, `cannot read ${apiPath}`);
    });
  }

  /** Writes a copy; its outputs are ours, so they are trusted. */
  private async write(apiPath: string, notebook: NotebookContent): Promise<void> {
    try {
      const file = await this.contents.file(apiPath);
      await fs.mkdir(path.dirname(file), { recursive: true });
      await writeAtomic(file, formatNotebook(notebook));
      this.trust.sign(notebook);
    } catch (error) {
      throw asHttpError(error, `cannot write ${apiPath}`);
    }
  }

  private async backupPath(name: string): Promise<string> {
    for (let i = 1; ; i++) {
      const apiPath = `${TUTORIALS_FOLDER}/${name}-before-reset${i > 1 ? `-${i}` : ""}.ipynb`;
      if ((await this.read(apiPath)) === undefined) return apiPath;
    }
  }
}

function copyPath(name: string): string {
  return `${TUTORIALS_FOLDER}/${name}.ipynb`;
}

/**
 * Code cells of the copy that have been run. The original may be shipped with outputs, and a run may give the very same:
 * what tells them apart are the times that JupyterLab keeps in a cell's metadata, or else other outputs.
 */
function progress(copy: string | undefined, original: NotebookContent): Tutorial["progress"] {
  const shipped = codeCells(original);
  if (copy === undefined) return { opened: false, run: 0, of: shipped.length };
  try {
    const cells = codeCells(parseNotebook(copy, "the copy"));
    const isAsShipped = (cell: NotebookContent["cells"][number]) => {
      const same = shipped.find(({ id }) => id === cell.id);
      const told = ({ outputs, metadata }: typeof cell) =>
        JSON.stringify(sorted({ outputs, times: metadata.execution ?? null }));
      return same !== undefined && told(same) === told(cell);
    };
    const run = cells.filter((cell) => cell.execution_count != null && !isAsShipped(cell)).length;
    return { opened: true, run, of: cells.length };
  } catch {
    return { opened: true, run: 0, of: shipped.length }; // the user's copy is not a notebook any more
  }
}

function codeCells({ cells }: NotebookContent): NotebookContent["cells"] {
  return cells.filter((cell) => cell.cell_type === "code" && cell.source.trim() !== "");
}

function heading({ cells }: NotebookContent, otherwise: string): string {
  const prose = cells.filter((cell) => cell.cell_type === "markdown").map(({ source }) => source);
  return /^# +(.+)$/m.exec(prose.join("\n"))?.[1] ?? otherwise;
}

/** The first paragraph after the title: what a notebook that says nothing of itself opens with. */
function firstParagraph({ cells }: NotebookContent): string {
  const prose = cells.find((cell) => cell.cell_type === "markdown")?.source ?? "";
  const paragraph = prose.split(/\n\s*\n/).find((text) => text.trim() !== "" && !text.startsWith("#"));
  return (paragraph ?? "").replace(/\s+/g, " ").trim();
}
