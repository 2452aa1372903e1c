/** The contents model: what the API tells of a file, a notebook or a folder. */
import { createHash, type Hash } from "node:crypto";
import { constants, createReadStream, type Stats } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import type { Contents as C } from "@jupyterlab/services";
import mime from "mime-types";
import { HttpError } from "../errors";
import { parseNotebook } from "./notebook-file";
import { baseName, joinPath } from "./paths";
import { joinedText } from "./pieces";
import type { Trust } from "./trust";

export type Model = C.IModel;

/** What a request for a file asks for; what is absent is chosen by the file's name. */
export interface Wanted {
  type?: "file" | "notebook" | "directory";
  format?: "text" | "base64";
  content: boolean;
  hash: boolean;
}

/** A file larger than this is not put into one JSON answer: strings of Node.js end at 512 MiB. */
const LARGEST = 256 * 2 ** 20;

const NO_HASH: { hash?: string; hash_algorithm?: string } = {
  hash: null as any,
  hash_algorithm: null as any,
};

/** The model without content, of a file that is there. */
export async function describe(
  file: string,
  apiPath: string,
  wantedType?: Wanted["type"],
): Promise<Model & { type: "file" | "notebook" | "directory" }> {
  const stat = await fs.stat(file);
  const type = stat.isDirectory()
    ? "directory"
    : wantedType === "file" || wantedType === "notebook"
      ? wantedType
      : typeOf(apiPath);
  return {
    name: baseName(apiPath),
    path: apiPath,
    type,
    created: created(stat).toISOString(),
    last_modified: stat.mtime.toISOString(),
    writable: await isWritable(file),
    size: type === "directory" ? (null as any) : stat.size,
    mimetype: ((type === "file" && mimetypeOf(apiPath)) || null) as string,
    format: null,
    content: null,
    ...NO_HASH,
  };
}

/** The model of a file or a notebook with its content. */
export async function withContent(
  file: string,
  model: Model,
  { format, hash }: Wanted,
  trust: Trust,
): Promise<Model> {
  if (model.size! > LARGEST)
    throw new HttpError(
      413,
      `${model.path} has ${(model.size! / 2 ** 20).toFixed(0)} MiB; up to ${LARGEST / 2 ** 20} MiB can be opened. ` +
        "Download it, or read it from a cell.",
    );
  if (model.type === "notebook") {
    const hashing = createHash("sha256");
    const text = await joinedText(createReadStream(file), (piece) => hash && hashing.update(piece));
    const notebook = parseNotebook(text, model.path);
    trust.mark(notebook);
    return { ...model, ...(hash ? hashModel(hashing) : {}), format: "json", content: notebook };
  }
  const bytes = await fs.readFile(file);
  const hashed = hash ? hashModel(createHash("sha256").update(bytes)) : {};
  const text = format === "base64" ? undefined : utf8(bytes);
  if (format === "text" && text === undefined)
    throw new HttpError(400, `${model.path} is not UTF-8 encoded text`, "bad format");
  const mimetype = mimetypeOf(model.path) ?? (text === undefined ? "application/octet-stream" : "text/plain");
  return text === undefined
    ? { ...model, ...hashed, mimetype, format: "base64", content: bytes.toString("base64") }
    : { ...model, ...hashed, mimetype, format: "text", content: text };
}

/** The model of a folder with the models of what lies in it; links to nowhere and what cannot be read are left out. */
export async function listing(
  model: Model,
  names: string[],
  resolve: (apiPath: string) => Promise<string>,
): Promise<Model> {
  const entries = await Promise.all(
    names.map(async (name) => {
      const apiPath = joinPath(model.path, name);
      try {
        return await describe(await resolve(apiPath), apiPath);
      } catch {
        return undefined; // a link that leads nowhere or out of the root, or a file deleted since
      }
    }),
  );
  return { ...model, format: "json", content: entries.filter(Boolean) };
}

export async function hashOfFile(file: string): Promise<{ hash: string; hash_algorithm: string }> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file)) hash.update(piece);
  return hashModel(hash);
}

export function mimetypeOf(name: string): string | undefined {
  // mime-types takes .ts for a video stream.
  if (/\.[cm]?tsx?$/.test(name)) return "text/typescript";
  return mime.lookup(path.extname(name)) || undefined;
}

function typeOf(apiPath: string): "file" | "notebook" {
  return apiPath.endsWith(".ipynb") ? "notebook" : "file";
}

function hashModel(sha256: Hash): { hash: string; hash_algorithm: string } {
  return { hash: sha256.digest("hex"), hash_algorithm: "sha256" };
}

function utf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function created(stat: Stats): Date {
  return stat.birthtimeMs > 0 ? stat.birthtime : stat.ctime;
}

async function isWritable(file: string): Promise<boolean> {
  return fs.access(file, constants.W_OK).then(
    () => true,
    () => false,
  );
}
