/**
 * Access by a token: a program that knows it, or a browser that was given the cookie for it.
 *
 * The Host must be ours: a page whose name was made to point to this machine would get the cookie too (DNS rebinding).
 */
import { createHash, randomBytes } from "node:crypto";
import net from "node:net";
import os from "node:os";
import {
  type Access,
  type Credentials,
  checkForgery,
  checkOrigin,
  cookiesOf,
  type Entry,
  isSame,
  tokenOf,
  xsrfCookie,
} from "./access";
import { HttpError } from "./errors";
import { loginPage } from "./page";

export interface SecurityOptions {
  token: string;
  /** The address that the server listens on; one other than loopback may be reached by other names. */
  ip: string;
  port: number;
  base: string;
}

export class Security implements Access {
  /** Browsers keep cookies by name and host, not by port: two servers must not overwrite each other's. */
  private readonly cookieName: string;

  constructor(private readonly options: SecurityOptions) {
    this.cookieName = `loralab-${options.port}`;
  }

  checkSource(request: Credentials): void {
    const host = request.header("host") ?? "";
    if (!this.isOwnHost(host))
      throw new HttpError(
        403,
        `this server is not called ${host || "nothing"}; use the address that it printed`,
        "host",
      );
    checkOrigin(request, (origin) => origin === `http://${host}`);
  }

  async checkUser(request: Credentials): Promise<void> {
    const given = tokenOf(request);
    if (given !== undefined) {
      if (isSame(given, this.options.token)) return;
      throw new HttpError(
        403,
        "the token is wrong; the server printed the right one when it started",
        "token",
      );
    }
    const cookies = cookiesOf(request);
    if (!isSame(cookies.get(this.cookieName) ?? "", this.cookieValue))
      throw new HttpError(
        403,
        "open the address that the server printed when it started: it has the token",
        "token",
      );
    checkForgery(request, cookies);
  }

  async enter(request: Credentials, url: string): Promise<Entry | undefined> {
    const { base, token } = this.options;
    try {
      await this.checkUser(request);
    } catch {
      return { page: loginPage(base) };
    }
    if (!isSame(request.query.get("token") ?? "", token)) return undefined;
    // The token leaves the address bar, the history, and what links tell of where they were followed.
    const { pathname, searchParams } = new URL(url, "http://localhost");
    searchParams.delete("token");
    const query = String(searchParams);
    return { cookies: this.cookies(), location: base + pathname.slice(1) + (query && `?${query}`) };
  }

  /** The cookies that a browser gets with the token. */
  private cookies(): string[] {
    const attributes = `Path=${this.options.base}; SameSite=Strict`;
    return [`${this.cookieName}=${this.cookieValue}; HttpOnly; ${attributes}`, xsrfCookie(attributes)];
  }

  /** Not the token itself: who reads the cookie cannot use it elsewhere. */
  private get cookieValue(): string {
    return createHash("sha256").update(`cookie:${this.options.token}`).digest("hex");
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
