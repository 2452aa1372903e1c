/** A real JupyterHub with its real proxy, from Debian's packages, and browsers that keep cookies as browsers do. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { installKernelspec } from "../../kernel/install";

export const PASSWORD = "a-password-for-tests";

export interface TestHub {
  /** `http://127.0.0.1:PORT` */
  url: string;
  /** What hub and servers said. */
  log(): string;
  close(): Promise<void>;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

/** @param ui the front end; by default the page alone, without JupyterLab */
export async function startHub({ ui = path.join(__dirname, "../lab/bundle") } = {}): Promise<TestHub> {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "loralab-hub-")));
  const ports = await freePorts(3);
  const [url, api, proxy] = ports.map((port) => `http://127.0.0.1:${port}`) as [string, string, string];
  const prefix = path.join(folder, "kernels");
  installKernelspec("loralab", { kind: "prefix", prefix });
  const homes = path.join(folder, "homes");
  fs.mkdirSync(homes);
  const loralab = [require.resolve("tsx/cjs"), path.join(__dirname, "../../bin/loralab.ts")];
  const hub = spawn("jupyterhub", ["--config", path.join(__dirname, "jupyterhub_config.py")], {
    cwd: folder,
    env: {
      ...process.env,
      HUB_URL: url,
      HUB_API_URL: api,
      HUB_PROXY_URL: proxy,
      HUB_PASSWORD: PASSWORD,
      HUB_HOMES: homes,
      HUB_KERNELS: path.join(prefix, "share/jupyter"),
      HUB_COMMAND: JSON.stringify([process.execPath, "--require", ...loralab, "hub"]),
      LORALAB_UI: ui,
      CONFIGPROXY_AUTH_TOKEN: "a-secret-for-tests",
      NODE_PATH: "/usr/share/nodejs", // where Debian has the proxy's packages; Node of another origin does not look there
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let log = "";
  for (const stream of [hub.stdout!, hub.stderr!])
    stream.setEncoding("utf8").on("data", (text: string) => {
      log += text;
    });
  const ended = once(hub, "exit");
  for (;;) {
    const response = await fetch(`${url}/hub/health`).catch(() => undefined);
    if (response?.ok) break;
    assert.equal(hub.exitCode, null, `jupyterhub did not start:\n${log}`);
    await delay(100);
  }
  return {
    url,
    log: () => log,
    async close() {
      await endHub(hub, ended);
      fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** The hub, asked to end, ends its proxy and all servers; what it may leave is of its process group. */
async function endHub(hub: ChildProcess, ended: Promise<unknown>): Promise<void> {
  hub.kill("SIGTERM");
  await ended;
  try {
    process.kill(-hub.pid!, "SIGKILL");
  } catch {
    // nothing was left
  }
}

/** What a browser is to a server: cookies by path, redirects that are followed, and an Origin. */
export class Browser {
  private readonly jar: { name: string; value: string; path: string }[] = [];

  constructor(private readonly hub: TestHub) {}

  /** The cookies that go with a request, the most specific first. */
  cookies(pathname: string): string {
    return this.jar
      .filter(({ path }) => pathname.startsWith(path))
      .sort((a, b) => b.path.length - a.path.length)
      .map(({ name, value }) => `${name}=${value}`)
      .join("; ");
  }

  cookie(name: RegExp, pathname: string): string | undefined {
    return this.jar.find((one) => name.test(one.name) && pathname.startsWith(one.path))?.value;
  }

  async fetch(
    url: string,
    init: RequestInit & { headers?: Record<string, string> } = {},
  ): Promise<{ status: number; url: string; text: string }> {
    let target = new URL(url, this.hub.url);
    let options: RequestInit & { headers?: Record<string, string> } = init;
    for (let hops = 0; hops < 30; hops++) {
      const cookies = this.cookies(target.pathname);
      const response = await fetch(target, {
        ...options,
        redirect: "manual",
        headers: { ...options.headers, ...(cookies && { Cookie: cookies }) },
      });
      for (const text of response.headers.getSetCookie()) this.keep(text, target.pathname);
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || location === null)
        return { status: response.status, url: target.pathname + target.search, text: await response.text() };
      await response.arrayBuffer();
      target = new URL(location, target);
      options = {};
    }
    throw new Error(`too many redirects, the last to ${target}`);
  }

  /** Logs in at the hub; the hub starts the user's server, whose page comes back in the end. */
  async login(user: string): Promise<void> {
    const { text } = await this.fetch("/hub/login");
    const xsrf = /name="_xsrf" value="([^"]+)"/.exec(text)?.[1];
    const form = new URLSearchParams({ username: user, password: PASSWORD, ...(xsrf && { _xsrf: xsrf }) });
    const answer = await this.fetch("/hub/login", {
      method: "POST",
      body: form,
      headers: { Origin: this.hub.url },
    });
    assert.equal(answer.status, 200, answer.text);
  }

  /** Says yes to the hub, which asks before it tells another user's server who one is. */
  authorize({ url, text }: { url: string; text: string }): ReturnType<Browser["fetch"]> {
    const hidden = [...text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)];
    const body = new URLSearchParams(
      hidden.map(([, name = "", value = ""]): [string, string] => [name, value]),
    );
    return this.fetch(url, {
      method: "POST",
      body,
      headers: { Origin: this.hub.url, Referer: this.hub.url + url },
    });
  }

  /** The page at a URL, once the hub has started the server that it is of. */
  async open(url: string): Promise<{ status: number; url: string; text: string }> {
    for (;;) {
      const answer = await this.fetch(url);
      if (!answer.url.includes("/spawn-pending/") && answer.status !== 424 && answer.status !== 503)
        return answer;
      await delay(200);
    }
  }

  private keep(text: string, pathname: string): void {
    const [pair = "", ...attributes] = text.split(/; */);
    const [name = "", ...rest] = pair.split("=");
    const value = rest.join("=").replace(/^"|"$/g, "");
    const given = attributes.find((one) => /^path=/i.test(one))?.slice(5) ?? pathname;
    const at = this.jar.findIndex((one) => one.name === name && one.path === given);
    if (at >= 0) this.jar.splice(at, 1);
    const isOver = attributes.some(
      (one) => /^max-age=0$/i.test(one) || (/^expires=/i.test(one) && Date.parse(one.slice(8)) < Date.now()),
    );
    if (value !== "" && !isOver) this.jar.push({ name, value, path: given });
  }
}
