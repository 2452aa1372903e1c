/** What every request passes before its handler: who asks, from where, how much; and every answer on its way out. */
import type { Hono } from "hono";
import { asHttpError, HttpError } from "./errors";
import { LOGIN_PAGE } from "./page";
import type { Credentials, Security } from "./security";

/** One request brings no more; JupyterLab uploads large files in parts of 1 MiB. */
export const LARGEST_BODY = 128 * 2 ** 20;

export function secure(app: Hono, security: Security): void {
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
    const isPage = c.req.method === "GET" && /^\/(lab(?!\/api(\/|$))(\/|$)|$)/.test(c.req.path);
    security.checkSource(request);
    try {
      security.checkUser(request);
    } catch (error) {
      if (!isPage) throw error;
      return c.html(LOGIN_PAGE, 403);
    }
    const token = request.query.get("token");
    if (isPage && token !== null && security.isToken(token)) {
      for (const cookie of security.cookies()) c.header("Set-Cookie", cookie, { append: true });
      // The token leaves the address bar, the history, and what links tell of where they were followed.
      const url = new URL(c.req.url);
      url.searchParams.delete("token");
      return c.redirect(url.pathname + url.search);
    }
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
