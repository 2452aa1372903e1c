/** One earlier version of each file, where Jupyter keeps it: `.ipynb_checkpoints/<name>-checkpoint<ext>` beside it. */
import fs from "node:fs/promises";
import path from "node:path";
import { asHttpError, HttpError } from "../errors";
import { copyAtomic } from "./atomic";

export interface Checkpoint {
  id: string;
  last_modified: string;
}

const ID = "checkpoint";
const FOLDER = ".ipynb_checkpoints";

export class Checkpoints {
  constructor(private readonly contents: { file(apiPath: string): Promise<string> }) {}

  async list(apiPath: string): Promise<Checkpoint[]> {
    const stat = await fs.stat(checkpointOf(await this.contents.file(apiPath))).catch(() => undefined);
    return stat ? [{ id: ID, last_modified: stat.mtime.toISOString() }] : [];
  }

  async create(apiPath: string): Promise<Checkpoint> {
    try {
      const file = await this.contents.file(apiPath);
      if (!(await fs.stat(file)).isFile()) throw new HttpError(400, `${apiPath} is not a file`);
      await fs.mkdir(path.dirname(checkpointOf(file)), { recursive: true });
      await copyAtomic(file, checkpointOf(file));
      return (await this.list(apiPath))[0]!;
    } catch (error) {
      throw asHttpError(error, `cannot make a checkpoint of ${apiPath}`);
    }
  }

  async restore(apiPath: string, id: string): Promise<void> {
    await this.require(apiPath, id);
    const file = await this.contents.file(apiPath);
    await copyAtomic(checkpointOf(file), file).catch((error) => {
      throw asHttpError(error, `cannot restore the checkpoint of ${apiPath}`);
    });
  }

  async delete(apiPath: string, id: string): Promise<void> {
    await this.require(apiPath, id);
    await this.drop(apiPath);
  }

  /** Follows a file that was renamed. */
  async move(from: string, to: string): Promise<void> {
    const [source, target] = [
      checkpointOf(await this.contents.file(from)),
      checkpointOf(await this.contents.file(to)),
    ];
    if (!(await fs.stat(source).catch(() => undefined))) return;
    await fs.mkdir(path.dirname(target), { recursive: true });
    await fs.rename(source, target);
  }

  async drop(apiPath: string): Promise<void> {
    await fs.rm(checkpointOf(await this.contents.file(apiPath)), { force: true });
  }

  private async require(apiPath: string, id: string): Promise<void> {
    if (id !== ID || (await this.list(apiPath)).length === 0)
      throw new HttpError(404, `${apiPath} has no checkpoint ${JSON.stringify(id)}`);
  }
}

function checkpointOf(file: string): string {
  const { dir, name, ext } = path.parse(file);
  return path.join(dir, FOLDER, `${name}-checkpoint${ext}`);
}
