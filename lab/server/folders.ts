/** Where the lab keeps what is not the user's work: settings, workspaces, trust, and which servers run. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** `$LORALAB_HOME`, or `loralab` in the platform's folder for user data; with `lab` in it. */
export function labFolder(): string {
  const { LORALAB_HOME, LOCALAPPDATA, XDG_DATA_HOME } = process.env;
  const home = os.homedir();
  if (LORALAB_HOME) return path.join(path.resolve(LORALAB_HOME), "lab");
  if (process.platform === "win32")
    return path.join(LOCALAPPDATA || path.join(home, "AppData", "Local"), "loralab", "lab");
  if (process.platform === "darwin")
    return path.join(home, "Library", "Application Support", "loralab", "lab");
  return path.join(XDG_DATA_HOME || path.join(home, ".local", "share"), "loralab", "lab");
}

/** A folder that only its owner can look into, made when it is not there. */
export function privateFolder(folder: string): string {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}
