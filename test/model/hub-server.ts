/**
 * A server that behaves as the Hugging Face hub does towards those who fetch models: information on a revision, the list
 * of files page by page, and the files themselves, where small ones are redirected within the hub and large ones to
 * another host, which must not be sent the token. It can be told to misbehave.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HubModel {
  /** Commit → its files. */
  commits: Record<string, Map<string, Buffer>>;
  /** Branch or tag → commit. */
  refs: Record<string, string>;
  /** The only token that may read its files. */
  gate?: string;
}

/** Files from this size on are "large": kept by their SHA-256, elsewhere. */
const LARGE = 270_000;
const PAGE = 3;

export const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
export const gitHash = (data: Buffer): string =>
  createHash("sha1").update(`blob ${data.length}\0`).update(data).digest("hex");

export class HubServer {
  readonly models = new Map<string, HubModel>();
  /** "GET /path" of each request, with its range. */
  readonly requests: string[] = [];
  /** Bytes after which the next answers with large files break off, one entry for each answer. */
  drops: number[] = [];
  /** Sends a large file's bytes with one of them changed. */
  corrupt = false;
  /** Announces large files by chunks, as the hub does for those that it keeps in Xet, to clients that know of it. */
  xet = false;
  private readonly hub: Server;
  private readonly storage: Server;

  constructor() {
    const guarded = (serve: (request: IncomingMessage, response: ServerResponse) => void) =>
      createServer((request, response) => {
        const { range } = request.headers;
        this.requests.push(`${request.method} ${request.url}${range ? ` ${range}` : ""}`);
        serve(request, response);
      });
    this.hub = guarded((request, response) => this.answer(request, response));
    this.storage = guarded((request, response) => this.store(request, response));
  }

  async start(): Promise<void> {
    for (const server of [this.hub, this.storage])
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    for (const server of [this.hub, this.storage]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.hub.address() as AddressInfo).port}`;
  }

  /** Files that were asked for, by name. */
  get fetched(): string[] {
    const files = this.requests.flatMap((request) => request.match(/\/resolve\/[^/]+\/([^ ?]+)/)?.[1] ?? []);
    return [...new Set(files)];
  }

  /** What comes back of it is nobody's: returning ends the answer. */
  private answer(request: IncomingMessage, response: ServerResponse): unknown {
    const url = new URL(request.url!, this.endpoint);
    const parts = url.pathname.slice(1).split("/").map(decodeURIComponent);
    const isApi = parts[0] === "api";
    if (url.pathname.startsWith("/api/resolve-cache/")) return this.storeSmall(parts, request, response);
    const [organisation, name, what, revision, ...path] = isApi ? parts.slice(2) : parts;
    const model = this.models.get(`${organisation}/${name}`);
    const token = request.headers.authorization?.replace("Bearer ", "");
    // The hub does not tell strangers whether a name exists.
    if (!model)
      return fail(
        response,
        token ? 404 : 401,
        "RepoNotFound",
        "Repository not found",
        "Invalid username or password.",
      );
    const commit = model.refs[revision ?? "main"] ?? revision!;
    const files = model.commits[commit];
    if (!files) return fail(response, 404, "RevisionNotFound", `Invalid rev id: ${revision}`);
    if (isApi && what === "revision")
      return json(response, {
        _id: "1",
        id: `${organisation}/${name}`,
        sha: commit,
        private: false,
        gated: model.gate ? "manual" : false,
        siblings: [...files.keys()].map((rfilename) => ({ rfilename })),
      });
    if (isApi && what === "tree") return this.list(files, url, response);
    if (model.gate && token !== model.gate) {
      const why = `Access to model ${organisation}/${name} is restricted`;
      return fail(response, token ? 403 : 401, "GatedRepo", why);
    }
    const file = path.join("/");
    const data = files.get(file);
    if (!data) return fail(response, 404, "EntryNotFound", "Entry not found");
    response.setHeader("X-Repo-Commit", commit);
    if (data.length < LARGE) {
      // Python's client reads size and hash off this answer, and follows it since it is a relative one.
      const location = `/api/resolve-cache/models/${organisation}/${name}/${commit}/${encodeURIComponent(file)}`;
      response.setHeader("ETag", `"${gitHash(data)}"`);
      response.writeHead(307, { location, "X-Linked-Size": data.length }).end();
      return;
    }
    response.setHeader("X-Linked-ETag", `"${sha256(data)}"`);
    response.setHeader("X-Linked-Size", data.length);
    if (this.xet && request.headers.accept?.includes("application/vnd.xet-fileinfo+json")) {
      const link = (what: string) => `<${this.endpoint}/no-xet-here>; rel="${what}"`;
      response.setHeader("Content-Type", "application/vnd.xet-fileinfo+json");
      response.setHeader("X-Xet-Hash", sha256(data));
      response.setHeader("Link", `${link("xet-auth")}, ${link("xet-reconstruction-info")}`);
      response.end("{}");
      return;
    }
    const { port } = this.storage.address() as AddressInfo;
    const location = `http://localhost:${port}/${organisation}/${name}/${commit}/${encodeURIComponent(file)}`;
    response.writeHead(302, { location }).end();
  }

  private list(files: Map<string, Buffer>, url: URL, response: ServerResponse): void {
    const entries: object[] = [...files].map(([path, data]) => ({
      type: "file",
      path,
      size: data.length,
      oid: gitHash(data),
      ...(data.length >= LARGE && { lfs: { oid: sha256(data), size: data.length, pointerSize: 134 } }),
    }));
    entries.push({ type: "directory", path: "onnx", size: 0, oid: "0".repeat(40) });
    const from = Number(url.searchParams.get("cursor") ?? 0);
    if (from + PAGE < entries.length) {
      url.searchParams.set("cursor", String(from + PAGE));
      response.setHeader("Link", `<${url}>; rel="next"`);
    }
    json(response, entries.slice(from, from + PAGE));
  }

  private storeSmall(parts: string[], request: IncomingMessage, response: ServerResponse): void {
    const [, , , organisation, name, commit, file] = parts;
    const data = this.models.get(`${organisation}/${name}`)!.commits[commit!]!.get(file!)!;
    response.setHeader("ETag", `"${gitHash(data)}"`);
    response.setHeader("X-Repo-Commit", commit!);
    this.send(data, request, response);
  }

  private store(request: IncomingMessage, response: ServerResponse): unknown {
    // As signed addresses do.
    if (request.headers.authorization)
      return fail(response, 400, "InvalidArgument", "Only one way to sign in");
    const [organisation, name, commit, file] = request.url!.slice(1).split("/").map(decodeURIComponent);
    let data = this.models.get(`${organisation}/${name}`)!.commits[commit!]!.get(file!)!;
    if (this.corrupt) {
      data = Buffer.from(data);
      data[data.length - 5]! ^= 1;
    }
    response.setHeader("ETag", `"${sha256(data)}"`);
    this.send(
      data,
      request,
      response,
      request.headers.range === "bytes=0-0" ? undefined : this.drops.shift(),
    );
  }

  /** The whole or a range of it, breaking off after so many bytes. */
  private send(data: Buffer, request: IncomingMessage, response: ServerResponse, most?: number): void {
    const range = request.headers.range?.match(/^bytes=(\d+)-(\d*)$/);
    const [begin, end] = range
      ? [Number(range[1]), range[2] ? Number(range[2]) + 1 : data.length]
      : [0, data.length];
    const part = data.subarray(begin, end);
    response.setHeader("Accept-Ranges", "bytes");
    response.setHeader("Content-Length", part.length);
    if (range) response.setHeader("Content-Range", `bytes ${begin}-${end - 1}/${data.length}`);
    response.statusCode = range ? 206 : 200;
    if (request.method === "HEAD") response.end();
    else if (most === undefined || most >= part.length) response.end(part);
    else response.write(part.subarray(0, most), () => setTimeout(() => response.destroy(), 20));
  }
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.end(JSON.stringify(value));
}

function fail(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  error = message,
): void {
  response.writeHead(status, {
    "X-Error-Code": code,
    "X-Error-Message": message,
    "Content-Type": "application/json; charset=utf-8",
  });
  response.end(JSON.stringify({ error }));
}
