/** Settings of the front end's plugins: their schemas from the bundle, and what the user set, one JSON5 file for each. */
import fs from "node:fs/promises";
import path from "node:path";
import JSON5 from "json5";
import { writeAtomic } from "./contents/atomic";
import { asHttpError, HttpError } from "./errors";
import { privateFolder } from "./folders";

export interface SettingModel {
  id: string;
  schema: unknown;
  version: string;
  /** What the user wrote, comments included. */
  raw: string;
  settings: unknown;
  warning: string | null;
  last_modified: string | null;
  created: string | null;
}

type Schemas = Record<string, { schema: unknown; version: string }>;

export class Settings {
  /**
   * @param schemasFile `schemas.json` of the bundle; none while it is not built
   * @param folder where the user's settings are kept
   */
  constructor(
    private readonly schemasFile: string,
    private readonly folder: string,
  ) {}

  async list(): Promise<SettingModel[]> {
    const schemas = await this.schemas();
    return Promise.all(Object.keys(schemas).map((id) => this.read(schemas, id)));
  }

  async ids(): Promise<{ id: string }[]> {
    return Object.keys(await this.schemas()).map((id) => ({ id }));
  }

  async get(id: string): Promise<SettingModel> {
    return this.read(await this.schemas(), id);
  }

  /** @throws HttpError 400 when `raw` is not JSON5 */
  async save(id: string, raw: unknown): Promise<void> {
    if (!Object.hasOwn(await this.schemas(), id)) throw unknown(id);
    if (typeof raw !== "string") throw new HttpError(400, 'expected the settings as text in "raw"');
    try {
      JSON5.parse(raw);
    } catch (error) {
      throw new HttpError(400, `the settings of ${id} are not JSON5: ${(error as Error).message}`);
    }
    privateFolder(this.folder);
    await writeAtomic(this.file(id), raw).catch((error) => {
      throw asHttpError(error, `cannot save the settings of ${id}`);
    });
  }

  private async read(schemas: Schemas, id: string): Promise<SettingModel> {
    if (!Object.hasOwn(schemas, id)) throw unknown(id);
    const { schema, version } = schemas[id]!;
    const stat = await fs.stat(this.file(id)).catch(() => undefined);
    const raw = stat ? await fs.readFile(this.file(id), "utf8") : "{}";
    const times = {
      last_modified: stat?.mtime.toISOString() ?? null,
      created: stat?.birthtime.toISOString() ?? null,
    };
    try {
      return { id, schema, version, raw, settings: JSON5.parse(raw), warning: null, ...times };
    } catch (error) {
      const warning = `the settings of ${id} are not JSON5: ${(error as Error).message}`;
      return { id, schema, version, raw: "{}", settings: {}, warning, ...times };
    }
  }

  private async schemas(): Promise<Schemas> {
    try {
      return JSON.parse(await fs.readFile(this.schemasFile, "utf8"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
      throw error;
    }
  }

  private file(id: string): string {
    return path.join(this.folder, `${encodeURIComponent(id)}.json5`);
  }
}

function unknown(id: string): HttpError {
  return new HttpError(404, `no plugin ${id} has settings`);
}
