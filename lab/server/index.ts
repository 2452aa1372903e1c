/** The lab's server: a small Jupyter Server, for one user, on this machine. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import v8 from "node:v8";
import { getRequestListener } from "@hono/node-server";
import { collectWhenIdle } from "../../kernel/idle";
import { baseUrl, serveUnder } from "./base-url";
import { HubAccess } from "./hub/access";
import { reportActivity } from "./hub/activity";
import type { HubService } from "./hub/service";
import { Lab, type LabOptions } from "./lab";
import { routes } from "./routes";
import { Security } from "./security";
import { serveWebSockets } from "./websocket";

export { labFolder } from "./folders";
export type { LabOptions } from "./lab";
export { isLoopback, newToken } from "./security";

export interface ServerOptions extends Omit<LabOptions, "hub"> {
  ip: string;
  /** The first port that is tried; 0: any that is free. */
  port: number;
  /** How many ports are tried after a busy one. */
  tries: number;
  /** Who is let in: who has the token, or whom the hub knows. */
  access: { token: string } | { hub: HubService };
}

export interface LabServer {
  port: number;
  /** Where a browser gets in, with the token where there is one. */
  url: string;
  lab: Lab;
  /** Ends all kernels, then the server. */
  close(): Promise<void>;
}

/**
 * Starts the server.
 *
 * @throws Error when no port is free, or the address is not this machine's
 */
export async function startServer(given: ServerOptions): Promise<LabServer> {
  const { ip, port, tries, access: by, ...options } = given;
  const base = baseUrl(options.base ?? "/");
  const server = http.createServer();
  const bound = await listen(server, ip, port, tries);
  const hub = "hub" in by ? by.hub : undefined;
  const access = "hub" in by ? new HubAccess(by.hub) : new Security({ ...by, ip, port: bound, base });
  const lab = new Lab({ ...options, base, hub }, access);
  const app = routes(lab);
  serveUnder(server, base);
  server.on("request", getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  giveMemoryBack(server);
  const endWebSockets = serveWebSockets(server, access, lab.kernels, lab.events);
  const endReports = hub && reportActivity(hub, () => lab.lastActivity());
  const host = ip.includes(":") ? `[${ip}]` : ip === "0.0.0.0" ? "127.0.0.1" : ip;
  return {
    port: bound,
    url: `http://${host}:${bound}${base}lab${"token" in by ? `?token=${by.token}` : ""}`,
    lab,
    async close() {
      server.close();
      endReports?.();
      await lab.close();
      endWebSockets();
      server.closeAllConnections();
    },
  };
}

/** What a request of more than this leaves behind is worth a collection of garbage, in bytes. */
const LARGE = 2 ** 20;
const PAUSE_MS = 1000;

/**
 * A large notebook is copied several times on its way, as text and as values; after it, the server would keep the room.
 * V8 never gives back what the youngest values' part of its heap has grown to (32 MB), so that stays as it is.
 */
function giveMemoryBack(server: http.Server): void {
  v8.setFlagsFromString("--semi-space-growth-factor=1");
  const collect = collectWhenIdle(PAUSE_MS);
  server.on("request", ({ socket }, response) => {
    const moved = () => socket.bytesRead + socket.bytesWritten;
    const before = moved();
    response.on("close", () => {
      if (moved() - before > LARGE) collect();
    });
  });
}

async function listen(server: http.Server, ip: string, port: number, tries: number): Promise<number> {
  for (let i = 0; ; i++) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(port === 0 ? 0 : port + i, ip, () => {
          server.off("error", reject);
          resolve();
        });
      });
      return (server.address() as AddressInfo).port;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "EADDRINUSE" && i < tries && port + i < 65535) continue;
      if (code === "EADDRINUSE")
        throw new Error(
          `port ${port}${tries ? ` and the ${tries} after it are` : " is"} in use; choose another with --port`,
        );
      if (code === "EADDRNOTAVAIL")
        throw new Error(`${ip} is not an address of this machine; choose another --ip`);
      throw new Error(`cannot listen on ${ip}:${port + i}: ${message}`);
    }
  }
}
