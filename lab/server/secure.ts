/** What every request passes before its handler: who asks, from where, how much; and every answer on its way out. */
import type { Hono } from "hono";
import type { Access, Credentials } from "./access";
import { asHttpError, HttpError } from "./errors";

/** One request brings no more; JupyterLab uploads large files in parts of 1 MiB. */
export const LARGEST_BODY = 128 * 2 ** 20;

/** Paths that a person opens, and where a login may lead back to. */
const PAGES = /^\/(lab(?!\/api(\/|$))(\/|$)|oauth_callback$|$)/;

export function secure(app: Hono, access: Access): void {
  app.use(async (c, next) => {
    await next();
    c.res.headers.set("X-Content-Type-Options", "nosniff");
    c.res.headers.set("Referrer-Policy", "no-referrer");
    if (!c.res.headers.has("Content-Security-Policy"))
      c.res.headers.set(
        "Content-Security-Policy",
        "frame-ancestors 'self'; object-src 'none'; base-uri 'self'",
      );
    if (!c.res.headers.has("Cache-Control")) c.res.headers.set("Cache-Control", "no-store");
  });
  app.use(async (c, next) => {
    const request: Credentials = {
      method: c.req.method,
      header: (name) => c.req.header(name),
      query: new URL(c.req.url).searchParams,
    };
    access.checkSource(request);
    if (c.req.method === "GET" && PAGES.test(c.req.path)) {
      const { pathname, search } = new URL(c.req.url);
      const entry = await access.enter(request, pathname + search);
      if (entry) {
        for (const cookie of entry.cookies ?? []) c.header("Set-Cookie", cookie, { append: true });
        return "page" in entry ? c.html(entry.page, 403) : c.redirect(entry.location);
      }
    } else await access.checkUser(request);
    await next();
  });
  app.use(async (c, next) => {
    const length = c.req.header("content-length");
    if (length === undefined && c.req.header("transfer-encoding") !== undefined)
      throw new HttpError(411, "a request with a body should tell its length (Content-Length)");
    if (Number(length ?? 0) > LARGEST_BODY)
      throw new HttpError(
        413,
        `a request may bring up to ${LARGEST_BODY / 2 ** 20} MiB, this one brings ${Math.ceil(Number(length) / 2 ** 20)}; ` +
          "upload a larger file in parts, as the file browser does",
      );
    await next();
  });
  app.notFound((c) => c.json({ message: `there is no ${c.req.method} ${c.req.path}`, reason: null }, 404));
  app.onError((error, c) => {
    const { status, message, reason } = asHttpError(error, `${c.req.method} ${c.req.path}`);
    if (!(error instanceof HttpError)) console.error(error);
    return c.json({ message, reason }, status);
  });
}
