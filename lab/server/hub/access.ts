/**
 * Access by a JupyterHub: the hub knows its users, and this server asks it who somebody is and whether they may come in.
 *
 * A browser goes the way of OAuth: to the hub, where its user is logged in or logs in, and back with a code, which this
 * server alone can change for a token of that user; then it gets a cookie that stands for the token, which stays here. A
 * program sends a token of the hub itself. Either token is shown to the hub, which answers with the user and what the
 * token is good for, and is shown again after a while and when the browser's session at the hub is another one, so that
 * a logout counts here too (JupyterHub, "Services" and "The Hub's OAuth provider").
 *
 * The name under which browsers reach the hub is not known here, so the Host is not checked. It need not be: a page of
 * another name gets no cookie of ours, and without one nothing is answered.
 */
import { randomBytes } from "node:crypto";
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
} from "../access";
import { HttpError } from "../errors";
import { refusalPage } from "../page";
import type { HubService } from "./service";

/** How long an answer of the hub is believed. */
const BELIEVED_MS = 60_000;
/** How long a login may take, in seconds, and how many may be under way. */
const LOGIN_SECONDS = 600;
const MOST_LOGINS = 1000;
const PATIENCE_MS = 10_000;

/** A user, as the hub's API gives it for a token. */
interface Visitor {
  name: string;
  scopes: string[];
}

export class HubAccess implements Access {
  private readonly cookieName: string;
  /** Tokens of the hub by the cookies that stand for them. */
  private readonly tokens = new Map<string, string>();
  /** Logins under way: the page that each is for, by OAuth's "state". */
  private readonly logins = new Map<string, string>();
  private readonly answers = new Map<string, { visitor: Promise<Visitor | undefined>; asked: number }>();

  constructor(private readonly hub: HubService) {
    this.cookieName = `loralab-${hub.clientId}`.replace(/[^\w-]/g, "_");
  }

  checkSource(request: Credentials): void {
    const host = request.header("host");
    checkOrigin(request, (origin) => URL.canParse(origin) && new URL(origin).host === host);
  }

  async checkUser(request: Credentials): Promise<void> {
    const visitor = await this.visitor(request);
    if (!visitor) throw new HttpError(403, "log in at the JupyterHub: open this page again", "token");
    if (!this.mayEnter(visitor)) throw new HttpError(403, this.refusal(visitor), "user");
    if (tokenOf(request) === undefined) checkForgery(request, cookiesOf(request));
  }

  async enter(request: Credentials, url: string): Promise<Entry | undefined> {
    if (url.startsWith("/oauth_callback?")) return this.comesBack(request);
    const visitor = await this.visitor(request);
    if (!visitor) return this.sendToHub(request, url);
    return this.mayEnter(visitor) ? undefined : { page: refusalPage(this.refusal(visitor), this.hub.pages) };
  }

  /** Who asks: by the token, or by the cookie that stands for one. */
  private async visitor(request: Credentials): Promise<Visitor | undefined> {
    const cookies = cookiesOf(request);
    const session = cookies.get(this.cookieName) ?? "";
    const token = tokenOf(request) ?? this.tokens.get(session);
    if (token === undefined) return undefined;
    const key = `${token} ${cookies.get("jupyterhub-session-id") ?? ""}`;
    const known = this.answers.get(key);
    if (known && Date.now() - known.asked < BELIEVED_MS) return known.visitor;
    for (const [old, { asked }] of this.answers)
      if (Date.now() - asked >= BELIEVED_MS) this.answers.delete(old);
    const visitor = this.askHub(token);
    this.answers.set(key, { visitor, asked: Date.now() });
    visitor.then(
      (one) => !one && this.tokens.get(session) === token && this.tokens.delete(session),
      () => this.answers.delete(key),
    );
    return visitor;
  }

  /** Whose token it is; undefined when it is nobody's, or no longer. */
  private async askHub(token: string): Promise<Visitor | undefined> {
    const response = await this.fetch("/user", { headers: { Authorization: `token ${token}` } });
    if (response.status === 401 || response.status === 403) return undefined;
    if (!response.ok) throw unanswered(`it answered ${response.status}`);
    return (await response.json()) as Visitor;
  }

  /** A scope without a filter, as an administrator may have, is good for all servers. */
  private mayEnter({ scopes }: Visitor): boolean {
    return this.hub.scopes.some((scope) => scopes.includes(scope) || scopes.includes(scope.split("!")[0]!));
  }

  private refusal({ name }: Visitor): string {
    return `this is the server of ${this.hub.user}, and ${name} may not use it`;
  }

  /** The first half of the login. The state, in a cookie too, ties the second half to this browser. */
  private sendToHub(request: Credentials, url: string): Entry {
    const state = randomBytes(16).toString("hex");
    for (const old of [...this.logins.keys()].slice(0, -MOST_LOGINS)) this.logins.delete(old);
    this.logins.set(state, url);
    const query = new URLSearchParams({
      client_id: this.hub.clientId,
      redirect_uri: this.hub.callback,
      response_type: "code",
      state,
    });
    const cookie = `${this.stateCookie(state)}=${state}; HttpOnly; Max-Age=${LOGIN_SECONDS}; ${this.attributes(request)}`;
    return { cookies: [cookie], location: `${this.hub.pages}api/oauth2/authorize?${query}` };
  }

  /** The second half: the hub sent the browser back with a code. */
  private async comesBack(request: Credentials): Promise<Entry> {
    const { query } = request;
    const state = query.get("state") ?? "";
    const cookies = cookiesOf(request);
    const url = this.logins.get(state);
    const attributes = this.attributes(request);
    if (url === undefined || !isSame(cookies.get(this.stateCookie(state)) ?? "", state))
      return {
        page: refusalPage("this login was begun elsewhere, or long ago: begin it again", this.hub.pages),
      };
    this.logins.delete(state);
    const done = `${this.stateCookie(state)}=; Max-Age=0; ${attributes}`;
    const token = await this.redeem(query.get("code") ?? "");
    if (token === undefined)
      return { page: refusalPage("the hub did not confirm the login: begin it again", this.hub.pages) };
    const session = randomBytes(24).toString("hex");
    this.tokens.set(session, token);
    const cookie = `${this.cookieName}=${session}; HttpOnly; ${attributes}`;
    return {
      cookies: [cookie, xsrfCookie(attributes), done],
      location: this.hub.base + url.slice(1),
    };
  }

  /** Changes a code for the token of the user who logged in. */
  private async redeem(code: string): Promise<string | undefined> {
    const response = await this.fetch("/oauth2/token", {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "authorization_code",
        code,
        client_id: this.hub.clientId,
        client_secret: this.hub.token,
        redirect_uri: this.hub.callback,
      }),
    });
    if (!response.ok) return undefined;
    return ((await response.json()) as { access_token?: string }).access_token;
  }

  private async fetch(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(this.hub.api + path, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
    } catch (error) {
      throw unanswered((error as Error).message);
    }
  }

  private stateCookie(state: string): string {
    return `${this.cookieName}-login-${state.slice(0, 8)}`;
  }

  /** Lax, as the hub, or a site that it asks for the login, sends the browser back here. */
  private attributes({ header }: Credentials): string {
    const isSecure = header("x-forwarded-proto")?.split(",")[0]?.trim() === "https";
    return `Path=${this.hub.base}; SameSite=Lax${isSecure ? "; Secure" : ""}`;
  }
}

function unanswered(why: string): HttpError {
  return new HttpError(
    503,
    `the JupyterHub cannot be asked who you are (${why}); try again in a moment`,
    "hub",
  );
}
