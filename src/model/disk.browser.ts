/**
 * Files as a page has them: in memory, under the names that they would have on a disk. So everything that reads or writes
 * a folder (models, adapters, checkpoints) does so in a page as well; `putFiles` and `filesIn` are the way in and out.
 * Those that came as blobs stay so: the browser may keep them outside of memory.
 */
const files = new Map<string, Uint8Array | Blob>();

/**
 * Puts files into a folder, to be read by `loadModel` or `loadAdapter` under its name: what a user chose in
 * `<input type="file" multiple>`, or blobs by name.
 */
export function putFiles(folder: string, given: Iterable<File> | Readonly<Record<string, Blob>>): void {
  const named =
    Symbol.iterator in given ? [...given].map((file) => [file.name, file] as const) : Object.entries(given);
  for (const [name, blob] of named) files.set(join(folder, name), blob);
}

/** The files in a folder, by name: of one that `saveAdapter` or `saveModel` wrote, to be offered for download. */
export function filesIn(folder: string): Record<string, Blob> {
  const inside = [...files].filter(([path]) => path.startsWith(`${folder}/`));
  return Object.fromEntries(
    inside.map(([path, held]) => [path.slice(folder.length + 1), held instanceof Blob ? held : blobOf(held)]),
  );
}

const blobOf = (bytes: Uint8Array): Blob => new Blob([bytes as Uint8Array<ArrayBuffer>]);

export const join = (...parts: string[]): string => parts.join("/");
export const basename = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

export const isFile = (path: string): boolean => files.has(path);
export const existsSync = (path: string): boolean =>
  isFile(path) || [...files.keys()].some((name) => name.startsWith(`${path}/`));

/** Folders are there as soon as something is in them. */
export async function mkdir(_folder: string, _options?: object): Promise<void> {}

export async function readFile(path: string, _encoding: "utf8"): Promise<string> {
  const held = heldAt(path);
  return held instanceof Blob ? held.text() : new TextDecoder().decode(held);
}

export function readFileSync(path: string, _encoding: "utf8"): string {
  const held = heldAt(path);
  if (held instanceof Blob) throw new Error(`${path}: a page cannot read it at once; give the object in it.`);
  return new TextDecoder().decode(held);
}

export async function writeFile(path: string, text: string): Promise<void> {
  files.set(path, new TextEncoder().encode(text));
}

export async function rename(from: string, to: string): Promise<void> {
  files.set(to, heldAt(from));
  files.delete(from);
}

export async function rm(path: string, _options?: object): Promise<void> {
  files.delete(path);
}

/** A file to be read from or, new or over what was there, to be written to. */
export async function open(path: string, flags: "r" | "w" | "wx") {
  const held = flags === "r" ? await opened(path) : undefined;
  const written: Uint8Array[] = [];
  return {
    stat: async () => ({ size: held!.size }),
    async read(target: Uint8Array, offset: number, length: number, position: number) {
      const bytes = new Uint8Array(await held!.slice(position, position + length).arrayBuffer());
      target.set(bytes, offset);
      return { bytesRead: bytes.length };
    },
    async write(source: Uint8Array, offset: number, length: number) {
      written.push(source.slice(offset, offset + length));
      return { bytesWritten: length };
    },
    async writeFile(text: string) {
      written.push(new TextEncoder().encode(text));
    },
    async sync() {},
    async close() {
      if (held) return;
      files.set(path, new Uint8Array(await new Blob(written as Uint8Array<ArrayBuffer>[]).arrayBuffer()));
    },
  };
}

async function opened(path: string): Promise<Blob> {
  const held = heldAt(path);
  return held instanceof Blob ? held : blobOf(held);
}

function heldAt(path: string): Uint8Array | Blob {
  const held = files.get(path);
  if (!held) throw Object.assign(new Error(`${path}: no such file in this page`), { code: "ENOENT" });
  return held;
}
