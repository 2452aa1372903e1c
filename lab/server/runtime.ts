/**
 * Which server serves which folder: a file for each folder, so that a second start finds the first.
 *
 * The file holds the token, so its owner alone can read it. A server that was killed leaves its file; what it says is
 * believed only when the server answers.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { privateFolder } from "./folders";

export interface RunningServer {
  pid: number;
  url: string;
  root: string;
}

/** @param data the lab's data folder */
function fileOf(data: string, root: string): string {
  return path.join(data, "servers", `${createHash("sha256").update(root).digest("hex").slice(0, 16)}.json`);
}

/** The server that serves a folder now. */
export async function findServer(data: string, root: string): Promise<RunningServer | undefined> {
  let found: RunningServer;
  try {
    found = JSON.parse(fs.readFileSync(fileOf(data, root), "utf8"));
    const status = new URL(found.url);
    status.pathname = status.pathname.replace(/lab$/, "api/status");
    const { ok } = await fetch(status, { signal: AbortSignal.timeout(3000) });
    return ok ? found : undefined;
  } catch {
    return undefined; // no file, or a server that is gone
  }
}

/** Notes that this process serves a folder. @returns what takes the note back */
export function noteServer(data: string, server: RunningServer): () => void {
  const file = fileOf(data, server.root);
  privateFolder(path.dirname(file));
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, JSON.stringify(server), { mode: 0o600 });
  fs.renameSync(temporary, file);
  return () => {
    try {
      if (JSON.parse(fs.readFileSync(file, "utf8")).pid === process.pid) fs.rmSync(file);
    } catch {
      // it is gone, or another server's by now
    }
  };
}
