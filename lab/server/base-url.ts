/**
 * The lab under a base URL, as behind a proxy that serves others beside it: `/user/ada/lab` for `/lab`.
 *
 * What comes in loses the base before anyone looks at it, so that routes and checks know only the lab's own paths; what
 * goes out (links, redirects, cookies) is given it. A base begins and ends with a slash; "/" is none.
 */
import type { IncomingMessage, Server } from "node:http";

/** @throws Error when it is not the path of a URL */
export function baseUrl(text: string): string {
  const base = `/${text}/`.replace(/\/+/g, "/");
  if (!/^[\w/%~@.!$&'()*+,;=:-]+$/.test(base) || /\/\.{1,2}\//.test(base))
    throw new Error(`expected a base URL such as /labs/ada/, got ${JSON.stringify(text)}`);
  return base;
}

/** Where requests go that are not under the base: nothing is there. */
const OUTSIDE = "/outside-of-the-base-url";

/** Takes the base off the URLs of all requests to a server, before its other listeners hear of them. */
export function serveUnder(server: Server, base: string): void {
  const bare = base.slice(0, -1);
  const strip = (request: IncomingMessage) => {
    const [, path = "/", query = ""] = /^([^?]*)(.*)$/.exec(request.url ?? "/")!;
    if (path === bare) request.url = `/${query}`;
    else request.url = path.startsWith(base) ? path.slice(bare.length) + query : OUTSIDE;
  };
  if (base === "/") return;
  server.prependListener("request", strip);
  server.prependListener("upgrade", strip);
}
