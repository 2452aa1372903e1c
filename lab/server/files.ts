/** Files sent as they are: the front end's, kernels' logos, and the user's under `/files/`. */
import { createReadStream } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import type { Context } from "hono";
import { mimetypeOf } from "./contents/model";
import { asHttpError, HttpError } from "./errors";

/**
 * Sends a file, or the part of it that is asked for; nothing when the browser has it already.
 *
 * @param name what errors call it
 */
export async function sendFile(
  c: Context,
  file: string,
  name: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const stat = await fs.stat(file).catch((error) => {
    throw asHttpError(error, `cannot send ${name}`);
  });
  if (!stat.isFile()) throw new HttpError(404, `${name} is not a file`);
  const etag = `"${stat.size.toString(16)}-${Math.round(stat.mtimeMs * 1000).toString(16)}"`;
  const type = mimetypeOf(file) ?? "application/octet-stream";
  const all: Record<string, string> = {
    "Content-Type": /^text\/|javascript$|json$/.test(type) ? `${type}; charset=utf-8` : type,
    "Cache-Control": "no-cache",
    "Accept-Ranges": "bytes",
    ETag: etag,
    ...headers,
  };
  if (c.req.header("if-none-match") === etag) return c.body(null, 304, all);
  const range = rangeOf(c.req.header("range"), stat.size);
  if (range === "outside") return c.body(null, 416, { "Content-Range": `bytes */${stat.size}` });
  const { start, end } = range ?? { start: 0, end: stat.size - 1 };
  all["Content-Length"] = String(end - start + 1);
  if (range) all["Content-Range"] = `bytes ${start}-${end}/${stat.size}`;
  const status = range ? 206 : 200;
  if (c.req.method === "HEAD" || stat.size === 0) return c.body(null, status, all);
  const body = Readable.toWeb(createReadStream(file, { start, end })) as ReadableStream;
  return c.body(body, status, all);
}

/** The file of a folder that a URL names. @throws HttpError 404 when it would lie outside */
export function fileIn(folder: string, name: string): string {
  const file = path.resolve(folder, name);
  if (name.includes("\0") || !file.startsWith(folder + path.sep))
    throw new HttpError(404, `no such file: ${name}`);
  return file;
}

/** One range of bytes; more than one are answered with the whole file, as HTTP allows. */
function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | "outside" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  const start = match[1] === "" ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === "" || match[2] === "" ? size - 1 : Math.min(size - 1, Number(match[2]));
  return start > end ? "outside" : { start, end };
}
