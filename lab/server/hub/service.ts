/**
 * What a JupyterHub tells a server that it starts, in the environment: where to listen, and how to ask about visitors.
 *
 * JupyterHub's "How to write a custom proxy/single-user server" and the source of its spawner name the variables.
 */
import { baseUrl } from "../base-url";

export interface HubService {
  /** Where to listen, and under which base URL the hub's proxy passes requests on. */
  ip: string;
  port: number;
  base: string;
  /** Whose server this is, and its name; a user's first has none. */
  user: string;
  server: string;
  /** The hub's API as this process reaches it, and the token by which the hub knows this server. */
  api: string;
  token: string;
  activityUrl: string;
  /** The hub's pages as browsers reach them; ends with a slash. */
  pages: string;
  /** OAuth: the name and the address under which this server asks who somebody is. */
  clientId: string;
  callback: string;
  /** One of these scopes lets a visitor in. */
  scopes: string[];
  /** The folder to serve, and the page to show first, where the hub's configuration sets them. */
  root?: string;
  defaultUrl?: string;
}

/** @throws Error naming what is missing */
export function hubService(env: NodeJS.ProcessEnv = process.env): HubService {
  const get = (name: string) => {
    const value = env[`JUPYTERHUB_${name}`];
    if (value) return value;
    throw new Error(
      `JUPYTERHUB_${name} is not set: "loralab hub" is started by a JupyterHub (2.0 or later), ` +
        'with c.Spawner.cmd = ["loralab", "hub"] in its configuration',
    );
  };
  const address = new URL(get("SERVICE_URL"));
  if (address.protocol !== "http:")
    throw new Error(
      "this server speaks plain HTTP with the hub's proxy: set c.JupyterHub.internal_ssl = False",
    );
  const ip = address.hostname.replace(/^\[|\]$/g, "");
  return {
    ip: ip === "*" ? "0.0.0.0" : ip,
    port: Number(address.port || 80),
    base: baseUrl(get("SERVICE_PREFIX")),
    user: get("USER"),
    server: env.JUPYTERHUB_SERVER_NAME ?? "",
    api: get("API_URL"),
    token: get("API_TOKEN"),
    activityUrl: get("ACTIVITY_URL"),
    pages: `${env.JUPYTERHUB_HOST ?? ""}${baseUrl(get("BASE_URL"))}hub/`,
    clientId: get("CLIENT_ID"),
    callback: get("OAUTH_CALLBACK_URL"),
    scopes: JSON.parse(env.JUPYTERHUB_OAUTH_ACCESS_SCOPES ?? get("OAUTH_SCOPES")),
    root: env.JUPYTERHUB_ROOT_DIR,
    defaultUrl: env.JUPYTERHUB_DEFAULT_URL,
  };
}
