/**
 * File watching without events: the compiler's watchers are asked to look just before each cell.
 *
 * Events of the operating system come some time after a change, and tslab's converter fails when one arrives between
 * two cells. A cell that is run after a file was saved must see that file, at once.
 */
import fs from "node:fs";
import path from "node:path";
import { type TypeScript, ts } from "./typescript";

export class Watchers {
  private readonly files = new Set<{ file: string; changed: TypeScript.FileWatcherCallback; time: number }>();
  private readonly folders = new Set<{
    folder: string;
    changed: TypeScript.DirectoryWatcherCallback;
    names: Set<string>;
  }>();

  /** @param root only files and folders in here are looked at; installed packages do not change in a session */
  constructor(private readonly root: string) {}

  watchFile(file: string, changed: TypeScript.FileWatcherCallback): TypeScript.FileWatcher {
    if (!this.isOwn(file) || file.includes("/node_modules/")) return { close() {} };
    const watcher = { file, changed, time: modified(file) };
    this.files.add(watcher);
    return { close: () => void this.files.delete(watcher) };
  }

  watchFolder(folder: string, changed: TypeScript.DirectoryWatcherCallback): TypeScript.FileWatcher {
    if (!this.isOwn(folder)) return { close() {} };
    const watcher = { folder, changed, names: list(folder) };
    this.folders.add(watcher);
    return { close: () => void this.folders.delete(watcher) };
  }

  /** Tells the compiler what has changed since the last look. */
  look(): void {
    for (const watcher of this.files) {
      const time = modified(watcher.file);
      if (time === watcher.time) continue;
      const kind = time === 0 ? "Deleted" : watcher.time === 0 ? "Created" : "Changed";
      watcher.time = time;
      watcher.changed(watcher.file, ts.FileWatcherEventKind[kind]);
    }
    for (const watcher of this.folders) {
      const names = list(watcher.folder);
      const differing = [...names, ...watcher.names].filter(
        (name) => !names.has(name) || !watcher.names.has(name),
      );
      watcher.names = names;
      for (const name of differing) watcher.changed(path.posix.join(watcher.folder, name));
    }
  }

  private isOwn(file: string): boolean {
    return !path.relative(this.root, file).startsWith("..");
  }
}

/** Time of the last change; 0 when there is no such file. */
function modified(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function list(folder: string): Set<string> {
  try {
    return new Set(fs.readdirSync(folder));
  } catch {
    return new Set(); // not there, or not ours to read
  }
}
