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
  const memory = await memoryByProcess();
  const paths = new Map(sessions.list().map(({ kernel, path }) => [kernel.id, path]));
  return {
    server: process.memoryUsage().rss,
    kernels: kernels.list().map(({ id, pid }) => ({
      id,
      path: paths.get(id) ?? null,
      memory: (pid !== undefined && memory.get(pid)) || null,
    })),
    total: os.totalmem(),
    free: os.freemem(),
    device: await device,
  };
}

/** Resident bytes of a process with all that came of it. Empty where it cannot be told. */
async function memoryByProcess(): Promise<Map<number, number>> {
  const processes = await runningProcesses();
  const parents = new Map(processes.map(({ pid, parent }) => [pid, parent]));
  const memory = new Map<number, number>();
  for (const { pid, bytes } of processes) {
    for (let up: number | undefined = pid; up; up = parents.get(up))
      memory.set(up, (memory.get(up) ?? 0) + bytes);
  }
  return memory;
}

interface RunningProcess {
  pid: number;
  parent: number;
  bytes: number;
}

async function runningProcesses(): Promise<RunningProcess[]> {
  if (process.platform === "win32") return [];
  if (process.platform !== "linux") {
    const { stdout } = await promisify(execFile)("ps", ["-axo", "pid=,ppid=,rss="]).catch(() => ({
      stdout: "",
    }));
    return stdout.split("\n").flatMap((line) => {
      const [pid, parent = 0, kilobytes = 0] = line.trim().split(/\s+/).map(Number);
      return pid ? [{ pid, parent, bytes: kilobytes * 1024 }] : [];
    });
  }
  const pageSize = 4096;
  const pids = (await fs.readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const read = async (pid: string): Promise<RunningProcess[]> => {
    const stat = await fs.readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    // "pid (name) state ppid pgrp … rss": the name may hold anything, so count from its end.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields.length > 21
      ? [{ pid: Number(pid), parent: Number(fields[1]), bytes: Number(fields[21]) * pageSize }]
      : [];
  };
  return (await Promise.all(pids.map(read))).flat();
}
