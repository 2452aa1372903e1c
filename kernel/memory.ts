/**
 * How much memory the cells of a kernel may take: `LORALAB_MEMORY_LIMIT`, for machines that many share.
 *
 * The parent looks at the child process, and at what that has started, often while code runs. It counts what nobody else
 * holds (anonymous and shared memory): the pages of files, as of Node.js itself, are there once for all kernels. Between two
 * looks memory may grow past the limit; a limit that nothing passes is the operating system's to set (cgroups: a
 * container's memory, systemd's MemoryMax), and the message of this one comes before that one's if it is the lower.
 */
import { execFile } from "node:child_process";
import fs from "node:fs/promises";
import { promisify } from "node:util";

const UNITS = ["", "K", "M", "G", "T"];
const LOOK_MS = 100;
/** While no cell runs, one look in so many: callbacks and timers may still take memory. */
const SELDOM = 20;

/**
 * The limit in bytes; undefined where none is set.
 *
 * @throws Error when it is not a size
 */
export function memoryLimit(text = process.env.LORALAB_MEMORY_LIMIT): number | undefined {
  if (!text) return undefined;
  const match = /^(\d+(?:\.\d+)?) ?([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const bytes = match ? Number(match[1]) * 1024 ** UNITS.indexOf(match[2]!.toUpperCase()) : 0;
  // Node.js and the library take a good part of this before a model is loaded.
  if (bytes < 256 * 1024 ** 2)
    throw new Error(
      `LORALAB_MEMORY_LIMIT should be a size such as 2G or 768M, 256M or more, got ${JSON.stringify(text)}`,
    );
  return bytes;
}

/** V8 collects garbage in earnest when its heap nears its own limit; the rest is for what lies outside of the heap. */
export function heapOption(limit: number): string {
  return `--max-old-space-size=${Math.floor((limit * 0.75) / 1024 ** 2)}`;
}

/** @returns "1.5 GiB", "768 MiB" */
export function size(bytes: number): string {
  return bytes < 1024 ** 3 ? `${Math.round(bytes / 1024 ** 2)} MiB` : `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}

/**
 * Watches a process until it takes more than it may, or is gone.
 *
 * @param isBusy it has something to do
 * @param onExceeded hears how much it takes, in bytes, once
 * @returns what ends the watch
 */
export function watchMemory(
  pid: number,
  limit: number,
  isBusy: () => boolean,
  onExceeded: (bytes: number) => void,
): () => void {
  let looks = 0;
  let isOver = false;
  const end = () => {
    isOver = true;
    clearTimeout(timer);
  };
  const look = async () => {
    if (isBusy() || looks++ % SELDOM === 0) {
      const bytes = await memoryOf(pid).catch(() => 0); // it is ending
      if (bytes > limit && !isOver) {
        end();
        onExceeded(bytes);
      }
    }
    if (!isOver) timer = setTimeout(look, LOOK_MS).unref();
  };
  let timer = setTimeout(look, LOOK_MS).unref();
  return end;
}

/** Bytes that a process takes, with all that it has started. Nothing is known on Windows. */
export async function memoryOf(pid: number): Promise<number> {
  if (process.platform === "linux") return memoryOfTree(pid);
  if (process.platform === "win32") return 0;
  const { stdout } = await promisify(execFile)("ps", ["-axo", "pgid=,rss="]);
  return stdout
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .reduce((sum, [group, kilobytes = 0]) => sum + (group === pid ? kilobytes * 1024 : 0), 0);
}

async function memoryOfTree(pid: number | string): Promise<number> {
  const status = await fs.readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const own = [...status.matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm)];
  const bytes = own.reduce((sum, [, kilobytes]) => sum + Number(kilobytes) * 1024, 0);
  // A process lists the children of each of its threads.
  const threads = await fs.readdir(`/proc/${pid}/task`).catch(() => []);
  const children = await Promise.all(
    threads.map((thread) => fs.readFile(`/proc/${pid}/task/${thread}/children`, "utf8").catch(() => "")),
  );
  const pids = children.join(" ").split(" ").filter(Boolean);
  const theirs = await Promise.all(pids.map(memoryOfTree));
  return theirs.reduce((sum, more) => sum + more, bytes);
}
