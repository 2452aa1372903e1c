/**
 * Contents of the hub's files in the cache, each under its hash: half a file is gone on with, a whole one is checked.
 *
 * What has arrived of a file is in HASH.left.incomplete. Who fetches it takes that over under a name with its process id,
 * so that two processes never write to the same file, and leaves it when it cannot finish; from a process that is no more
 * it is taken as well. What huggingface_hub is writing has other names.
 */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, open, readdir, rename, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** A file as the hub lists it. */
export interface RemoteFile {
  path: string;
  /** Bytes. */
  size: number;
  /** The SHA-256 of a large file's contents; of a small one the SHA-1 by which git knows it. */
  hash: string;
}

export interface Source {
  /** The contents from an offset to the end. */
  from(offset: number): Promise<ReadableStream<Uint8Array>>;
  /** Told of bytes that have arrived, and of those that were here before. */
  onBytes(count: number, before: boolean): void;
  signal?: AbortSignal;
}

/** Seconds before each new attempt; the last of them is over when an attempt brought nothing. */
const PAUSES = [0, 1, 2, 4, 8];

/**
 * Fetches a file's contents into `blobs`, from where an earlier attempt stopped. A dropped connection is made again, as
 * long as it brings anything.
 * @throws when the contents do not have the hash, and what the source throws when it brings nothing any more
 */
export async function fetchBlob(blobs: string, file: RemoteFile, source: Source): Promise<void> {
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(file.hash)) {
    throw new Error(`${file.path}: expected a SHA-1 or SHA-256 in hexadecimal digits, got ${file.hash}`);
  }
  const part = await takeOver(blobs, file);
  try {
    await complete(part, file, source);
    const hash = await hashOf(part, file);
    if (hash !== file.hash) {
      await rm(part);
      throw new Error(
        `${file.path}: what arrived has the hash ${hash}, the hub says ${file.hash}. It was removed; load the model again to fetch it anew.`,
      );
    }
    await rename(part, join(blobs, file.hash));
  } catch (error) {
    await rename(part, join(blobs, `${file.hash}.left.incomplete`)).catch(() => undefined);
    throw error;
  } finally {
    ours.delete(part);
  }
}

/** Puts a file of a snapshot at its place, at once: a link to its contents, or a copy where links are not allowed. */
export async function place(blobs: string, { path, hash }: RemoteFile, snapshot: string): Promise<void> {
  const target = join(snapshot, path);
  const temporary = `${target}.${randomBytes(4).toString("hex")}.tmp`;
  await mkdir(dirname(target), { recursive: true });
  const contents = join(blobs, hash);
  // Windows wants a right for links.
  await symlink(relative(dirname(target), contents), temporary).catch(() => copyFile(contents, temporary));
  await rename(temporary, target);
}

/** Parts that this process is writing to. */
const ours = new Set<string>();

/** The file to write to, under a name of our own; with what an earlier attempt left, where there is such. */
async function takeOver(blobs: string, { hash }: RemoteFile): Promise<string> {
  await mkdir(blobs, { recursive: true });
  const part = join(blobs, `${hash}.${process.pid}-${randomBytes(4).toString("hex")}.incomplete`);
  ours.add(part);
  for (const name of await readdir(blobs)) {
    const writer = name.match(new RegExp(`^${hash}\\.(left|\\d+)(-\\w+)?\\.incomplete$`))?.[1];
    const left = join(blobs, name);
    if (!writer || ours.has(left)) continue;
    if (writer !== "left" && Number(writer) !== process.pid && isAlive(Number(writer))) continue;
    // When somebody else has taken it in the meantime there is none.
    if (
      await rename(left, part).then(
        () => true,
        () => false,
      )
    )
      break;
  }
  return part;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function complete(part: string, { path, size }: RemoteFile, source: Source): Promise<void> {
  const target = await open(part, "a");
  try {
    let have = (await target.stat()).size;
    if (have > size) {
      await target.truncate(0); // more than there is cannot be right
      have = 0;
    }
    if (have > 0) source.onBytes(have, true);
    for (let attempt = 0; have < size; attempt++) {
      const before = have;
      let failure = "it ended early";
      try {
        for await (const bytes of await source.from(have)) {
          if (have + bytes.length > size) throw new Error(`more than the announced ${size} bytes came`);
          await target.writeFile(bytes);
          have += bytes.length;
          source.onBytes(bytes.length, false);
        }
      } catch (error) {
        source.signal?.throwIfAborted();
        if (isRefusal(error)) throw error;
        // Of what breaks a stream off, @huggingface/hub passes on the message only.
        failure = error instanceof Error ? error.message : String(error);
      }
      if (have > before) attempt = 0;
      if (have < size && attempt === PAUSES.length) {
        throw new Error(
          `${path}: the connection broke at byte ${have} of ${size} (${failure}). Load the model again to go on from there.`,
        );
      }
      if (have < size) await pause(1000 * PAUSES[attempt]!, undefined, { signal: source.signal });
    }
  } finally {
    await target.close();
  }
}

/** Whether the hub has answered, and will answer no better next time. */
function isRefusal(error: unknown): boolean {
  const status = (error as { statusCode?: number }).statusCode;
  return status !== undefined && status < 500 && status !== 408 && status !== 429;
}

/** As the hub counts it: the contents' SHA-256, or for small files git's SHA-1, which covers their size as well. */
async function hashOf(path: string, { size, hash }: RemoteFile): Promise<string> {
  const sum = hash.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) sum.update(piece);
  return sum.digest("hex");
}

/** Whether contents of a file are there, in full. */
export const isWhole = async (path: string, { size }: RemoteFile): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.size === size;
