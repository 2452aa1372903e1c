/** What handlers have in common: reading what a request says, and the usual answers. */
import type { Context } from "hono";
import type { Model, Wanted } from "./contents/model";
import { normalPath } from "./contents/paths";
import { joinedText, pieces } from "./contents/pieces";
import { HttpError } from "./errors";

/** The contents path in the URL, as `:path`; "" for the root folder. */
export function pathOf(c: Context): string {
  return contentsPath(c.req.param("path") ?? "");
}

export const contentsPath = normalPath;

/** A part of the URL, decoded. */
export function name(c: Context, parameter: string): string {
  return c.req.param(parameter)!;
}

/**
 * The body as a JSON object.
 *
 * @param otherwise what an empty body stands for; without it one is an error
 * @throws HttpError 400
 */
export async function json<T extends object = Record<string, unknown>>(
  c: Context,
  otherwise?: T,
): Promise<T> {
  const text = c.req.raw.body ? await joinedText(c.req.raw.body) : "";
  if (text.trim() === "" && otherwise) return otherwise;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new HttpError(400, `expected JSON in the body of the request: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new HttpError(400, `expected a JSON object in the body of the request, got ${text.slice(0, 40)}`);
  return value as T;
}

/** What of a file is asked for. */
export function wantedContent(c: Context): Wanted {
  const { type, format, content = "1", hash = "0" } = c.req.query();
  if (type !== undefined && !["file", "notebook", "directory"].includes(type))
    throw new HttpError(400, `type should be file, notebook or directory, got ${JSON.stringify(type)}`);
  if (format !== undefined && !["text", "base64", "json"].includes(format))
    throw new HttpError(400, `format should be text or base64, got ${JSON.stringify(format)}`);
  if (![content, hash].every((flag) => flag === "0" || flag === "1"))
    throw new HttpError(400, "content and hash should be 0 or 1");
  const text = format === "text" || format === "base64" ? format : undefined;
  return { type: type as Wanted["type"], format: text, content: content === "1", hash: hash === "1" };
}

/** The model of a file with its content, which may be long. */
export function content(c: Context, model: Model): Response {
  const parts = pieces(JSON.stringify(model));
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    pull(controller) {
      const { value, done } = parts.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
  return c.body(body, 200, { "Content-Type": "application/json" });
}

/** 204 once something is done. */
export async function done(c: Context, act: unknown): Promise<Response> {
  await act;
  return c.body(null, 204);
}

/** 201 with the model of a new file. */
export function made(c: Context, base: string, model: Model): Response {
  const url = `${base}api/contents/${model.path.split("/").map(encodeURIComponent).join("/")}`;
  return c.json(model, 201, { Location: url });
}

/** Tells the browser to save a file instead of showing it. */
export function attachment(path: string): Record<string, string> {
  const file = encodeURIComponent(path.split("/").at(-1)!).replace(
    /['()*]/g,
    (x) => `%${x.charCodeAt(0).toString(16)}`,
  );
  return { "Content-Disposition": `attachment; filename*=UTF-8''${file}` };
}
