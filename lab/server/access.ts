/**
 * Who is let in: whoever knows the server's token (`security.ts`), or whom a JupyterHub vouches for (`hub/access.ts`);
 * and what both have in common, which is all about browsers.
 *
 * A browser's cookie alone is not enough. Other pages, of this machine or of other sites, would send it too; so the
 * Origin must be ours (also for a WebSocket, which no CORS protects), and a change needs evidence that our own page asks
 * for it (cross-site request forgery).
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { HttpError } from "./errors";

/** What of a request decides whether it is answered. */
export interface Credentials {
  method: string;
  /** Header by lower-case name. */
  header(name: string): string | undefined;
  query: URLSearchParams;
}

/** What a browser is answered in place of the page that it asked for. */
export type Entry = { cookies?: string[] } & ({ location: string } | { page: string });

export interface Access {
  /** @throws HttpError 403 when the request is not addressed to us, or comes from another site's page */
  checkSource(request: Credentials): void;
  /** @throws HttpError 403 when the request does not show that it may be answered */
  checkUser(request: Credentials): Promise<void>;
  /**
   * A browser asks for a page: undefined when it may have it, else the way in, or why there is none.
   *
   * @param url path and query, without the base URL
   */
  enter(request: Credentials, url: string): Promise<Entry | undefined>;
}

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
const XSRF_COOKIE = "_xsrf";

/** @throws HttpError 403 when another site's page asks; `isOwn` tells our own origin */
export function checkOrigin({ header }: Credentials, isOwn: (origin: string) => boolean): void {
  const origin = header("origin");
  if (origin !== undefined && !isOwn(origin))
    throw new HttpError(403, `a page of ${origin} may not use this server`, "origin");
  if (
    origin === undefined &&
    header("sec-fetch-site") === "cross-site" &&
    header("sec-fetch-mode") !== "navigate"
  )
    throw new HttpError(403, "a page of another site may not use this server", "origin");
}

/** For a request that a cookie lets in. @throws HttpError 403 when it changes something and may not be our own page's */
export function checkForgery({ method, header, query }: Credentials, cookies: Map<string, string>): void {
  if (SAFE_METHODS.has(method)) return;
  if (header("origin") !== undefined || header("sec-fetch-site") === "same-origin") return; // ours: it was checked
  const sent = header("x-xsrftoken") ?? query.get("_xsrf") ?? "";
  if (sent === "" || !isSame(sent, cookies.get(XSRF_COOKIE) ?? ""))
    throw new HttpError(403, "'_xsrf' argument missing: reload the page", "xsrf");
}

/** The cookie of the check against forgery, the only one that scripts can read. */
export function xsrfCookie(attributes: string): string {
  return `${XSRF_COOKIE}=${randomBytes(16).toString("hex")}; ${attributes}`;
}

export function credentialsOf(request: IncomingMessage): Credentials {
  return {
    method: request.method ?? "GET",
    header: (name) => request.headers[name] as string | undefined,
    query: new URL(request.url ?? "/", "http://localhost").searchParams,
  };
}

export function tokenOf({ header, query }: Credentials): string | undefined {
  const match = /^(?:token|bearer) +(\S+)$/i.exec(header("authorization") ?? "");
  return match?.[1] ?? query.get("token") ?? undefined;
}

export function cookiesOf({ header }: Credentials): Map<string, string> {
  return new Map(
    (header("cookie") ?? "").split(";").map((pair) => {
      const [name = "", ...value] = pair.trim().split("=");
      return [name, value.join("=")];
    }),
  );
}

/** Compares without telling by its time how much is right: the hashes are of one length and compared whole. */
export function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b)) && a.length === b.length;
}
