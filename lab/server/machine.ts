/** What the machine has, and what the lab's processes take of it. */
import { execFile } from "node:child_process";
import fs from "node:fs/promises";
import os from "node:os";
import { promisify } from "node:util";
import type { Machine } from "./api-types";
import type { Kernels } from "./kernels/kernels";
import type { Sessions } from "./kernels/sessions";

export async function machine(
  kernels: Kernels,
  sessions: Sessions,
  device: Promise<string | null>,
): Promise<Machine> {
  const groups = await memoryByGroup();
  const paths = new Map(sessions.list().map(({ kernel, path }) => [kernel.id, path]));
  return {
    server: process.memoryUsage().rss,
    kernels: kernels.list().map(({ id, pid }) => ({
      id,
      path: paths.get(id) ?? null,
      memory: (pid !== undefined && groups.get(pid)) || null,
    })),
    total: os.totalmem(),
    free: os.freemem(),
    device: await device,
  };
}

/** Resident bytes by process group; a kernel leads the group of all its processes. Empty where it cannot be told. */
async function memoryByGroup(): Promise<Map<number, number>> {
  const groups = new Map<number, number>();
  const add = (group: number, bytes: number) => groups.set(group, (groups.get(group) ?? 0) + bytes);
  if (process.platform === "linux") {
    const pageSize = 4096;
    for (const pid of (await fs.readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      const stat = await fs.readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
      // "pid (name) state ppid pgrp … rss": the name may hold anything, so count from its end.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (fields.length > 21) add(Number(fields[2]), Number(fields[21]) * pageSize);
    }
  } else if (process.platform !== "win32") {
    const { stdout } = await promisify(execFile)("ps", ["-axo", "pgid=,rss="]).catch(() => ({ stdout: "" }));
    for (const line of stdout.split("\n")) {
      const [group, kilobytes] = line.trim().split(/\s+/).map(Number);
      if (group && kilobytes) add(group, kilobytes * 1024);
    }
  }
  return groups;
}
