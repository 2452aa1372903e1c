/**
 * Files that arrive in parts. The parts gather in a temporary file, which takes the place of the target with the last
 * one: an upload that is given up, or does not fit the disk, leaves what was there before.
 */
import fs from "node:fs/promises";
import { HttpError } from "../errors";
import { putInPlace, temporaryName } from "./atomic";

export class Uploads {
  /** By target: where the parts gather, and which comes next. */
  private readonly open = new Map<string, { temporary: string; next: number }>();

  /** Adds a part: 1 begins an upload, -1 is the last part. */
  async add(file: string, chunk: number, bytes: Buffer): Promise<void> {
    if (!Number.isInteger(chunk) || chunk === 0 || chunk < -1)
      throw new HttpError(400, `chunk should be 1, 2, … or -1 for the last, got ${JSON.stringify(chunk)}`);
    if (chunk === 1) {
      await this.abandon(file);
      this.open.set(file, { temporary: temporaryName(file), next: 1 });
    }
    const upload = this.open.get(file);
    if (!upload || (chunk !== -1 && chunk !== upload.next))
      throw new HttpError(
        400,
        `expected part ${upload?.next ?? 1} of the upload, got ${chunk}; upload it again`,
      );
    upload.next++;
    try {
      const handle = await fs.open(upload.temporary, chunk === 1 ? "wx" : "a");
      try {
        await handle.writeFile(bytes);
        if (chunk === -1) await handle.sync();
      } finally {
        await handle.close();
      }
      if (chunk === -1) {
        await putInPlace(upload.temporary, file);
        this.open.delete(file);
      }
    } catch (error) {
      await this.abandon(file);
      throw error;
    }
  }

  /** The temporary file of an upload to `file`, while there is one. */
  underWay(file: string): string | undefined {
    return this.open.get(file)?.temporary;
  }

  async close(): Promise<void> {
    for (const file of [...this.open.keys()]) await this.abandon(file);
  }

  private async abandon(file: string): Promise<void> {
    const upload = this.open.get(file);
    this.open.delete(file);
    if (upload) await fs.rm(upload.temporary, { force: true });
  }
}
