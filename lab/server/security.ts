/**
 * Who may talk to the server: a program that knows the token, or a browser that was given the cookie.
 *
 * A cookie alone is not enough. Other pages of the same machine, and pages whose name was made to point to it, would
 * send it too; so the Host must be ours (DNS rebinding), the Origin must be ours (also for a WebSocket, which no CORS
 * protects), and a change needs evidence that our own page asks for it (cross-site request forgery).
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import net from "node:net";
import os from "node:os";
import { HttpError } from "./errors";

export interface SecurityOptions {
  token: string;
  /** The address that the server listens on; one other than loopback may be reached by other names. */
  ip: string;
  port: number;
}

/** What of a request decides whether it is answered. */
export interface Credentials {
  method: string;
  /** Header by lower-case name. */
  header(name: string): string | undefined;
  query: URLSearchParams;
}

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
export const XSRF_COOKIE = "_xsrf";

export class Security {
  /** Browsers keep cookies by name and host, not by port: two servers must not overwrite each other's. */
  private readonly cookieName: string;

  constructor(readonly options: SecurityOptions) {
    this.cookieName = `loralab-${options.port}`;
  }

  /** @throws HttpError 403 when the request is not addressed to us, or comes from another site's page */
  checkSource({ header }: Credentials): void {
    const host = header("host") ?? "";
    if (!this.isOwnHost(host))
      throw new HttpError(
        403,
        `this server is not called ${host || "nothing"}; use the address that it printed`,
        "host",
      );
    const origin = header("origin");
    if (origin !== undefined && origin !== `http://${host}`)
      throw new HttpError(403, `a page of ${origin} may not use this server`, "origin");
    if (
      origin === undefined &&
      header("sec-fetch-site") === "cross-site" &&
      header("sec-fetch-mode") !== "navigate"
    )
      throw new HttpError(403, "a page of another site may not use this server", "origin");
  }

  /** @throws HttpError 403 when the request does not show that it may be answered */
  checkUser(request: Credentials): void {
    const given = tokenOf(request);
    if (given !== undefined) {
      if (isSame(given, this.options.token)) return;
      throw new HttpError(
        403,
        "the token is wrong; the server printed the right one when it started",
        "token",
      );
    }
    const cookies = cookiesOf(request.header("cookie"));
    if (!isSame(cookies.get(this.cookieName) ?? "", this.cookieValue))
      throw new HttpError(
        403,
        "open the address that the server printed when it started: it has the token",
        "token",
      );
    if (!SAFE_METHODS.has(request.method)) this.checkForgery(request, cookies);
  }

  /** The cookies that a browser gets with the token. Only that of the XSRF check can be read by scripts. */
  cookies(): string[] {
    const attributes = "Path=/; SameSite=Strict";
    return [
      `${this.cookieName}=${this.cookieValue}; HttpOnly; ${attributes}`,
      `${XSRF_COOKIE}=${randomBytes(16).toString("hex")}; ${attributes}`,
    ];
  }

  isToken(text: string): boolean {
    return isSame(text, this.options.token);
  }

  /** Not the token itself: who reads the cookie cannot use it elsewhere. */
  private get cookieValue(): string {
    return createHash("sha256").update(`cookie:${this.options.token}`).digest("hex");
  }

  private checkForgery({ header, query }: Credentials, cookies: Map<string, string>): void {
    if (header("origin") !== undefined || header("sec-fetch-site") === "same-origin") return; // ours: it was checked
    const sent = header("x-xsrftoken") ?? query.get("_xsrf") ?? "";
    if (sent === "" || !isSame(sent, cookies.get(XSRF_COOKIE) ?? ""))
      throw new HttpError(403, "'_xsrf' argument missing: reload the page", "xsrf");
  }

  private isOwnHost(host: string): boolean {
    const { ip, port } = this.options;
    const match = /^(\[[0-9a-f:.]+\]|[^:]+)(?::(\d+))?$/i.exec(host);
    if (!match) return false;
    const name = match[1]!.replace(/^\[|\]$/g, "").toLowerCase();
    if (Number(match[2] ?? 80) !== port) return false;
    if (["localhost", "127.0.0.1", "::1", ip].includes(name)) return true;
    // Open to the network: by any address, which cannot be rebound, and by the machine's own name.
    return !isLoopback(ip) && (net.isIP(name) !== 0 || name === os.hostname().toLowerCase());
  }
}

export function isLoopback(ip: string): boolean {
  return ip === "localhost" || ip === "::1" || /^127\./.test(ip);
}

export function newToken(): string {
  return randomBytes(24).toString("hex");
}

export function credentialsOf(request: IncomingMessage): Credentials {
  return {
    method: request.method ?? "GET",
    header: (name) => request.headers[name] as string | undefined,
    query: new URL(request.url ?? "/", "http://localhost").searchParams,
  };
}

function tokenOf({ header, query }: Credentials): string | undefined {
  const match = /^(?:token|bearer) +(\S+)$/i.exec(header("authorization") ?? "");
  return match?.[1] ?? query.get("token") ?? undefined;
}

function cookiesOf(header = ""): Map<string, string> {
  return new Map(
    header.split(";").map((pair) => {
      const [name = "", ...value] = pair.trim().split("=");
      return [name, value.join("=")];
    }),
  );
}

/** Compares without telling by its time how much is right: the hashes are of one length and compared whole. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b)) && a.length === b.length;
}
