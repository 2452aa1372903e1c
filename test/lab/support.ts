/** A lab server for a test file, on a folder of its own, and a client that has the token. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { packageRoot } from "../../kernel/entry";
import { type LabServer, type ServerOptions, startServer } from "../../lab/server";

export const TOKEN = "a-token-for-tests";

export interface Answer {
  status: number;
  /** The body: parsed when it is JSON. */
  body: any;
  headers: Headers;
}

export interface TestLab {
  server: LabServer;
  root: string;
  data: string;
  /** `http://127.0.0.1:PORT` */
  origin: string;
  /** Asks as a program that knows the token. */
  ask(method: string, url: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** A file of the root folder. */
  file(...parts: string[]): string;
}

export async function startTestLab(options: Partial<ServerOptions> = {}): Promise<TestLab> {
  const root = temporaryFolder();
  const data = temporaryFolder();
  const server = await startServer({
    root,
    data,
    ui: path.join(__dirname, "bundle"),
    tutorials: path.join(packageRoot(), "notebooks"),
    version: "0.0.0",
    ip: "127.0.0.1",
    port: 0,
    tries: 0,
    access: { token: TOKEN },
    ...options,
  });
  const origin = `http://127.0.0.1:${server.port}`;
  return {
    server,
    root,
    data,
    origin,
    file: (...parts) => path.join(root, ...parts),
    async ask(method, url, body, headers = {}) {
      const response = await fetch(origin + url, {
        method,
        redirect: "manual",
        headers: { Authorization: `token ${TOKEN}`, ...headers },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      const isJson = response.headers.get("content-type")?.includes("json");
      return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
    },
  };
}

export async function stopTestLab(lab: TestLab): Promise<void> {
  await lab.server.close();
  for (const folder of [lab.root, lab.data]) fs.rmSync(folder, { recursive: true, force: true });
}

/** Starts one lab before the tests of the calling suite and ends it after them. */
export function useLab(options: Partial<ServerOptions> = {}): TestLab {
  const used = {} as TestLab;
  before(async () => {
    Object.assign(used, await startTestLab(options));
  });
  after(() => stopTestLab(used));
  return used;
}

export function temporaryFolder(): string {
  return fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "loralab-lab-")));
}

/** A notebook with the given cells. */
export function notebook(...cells: object[]) {
  return { nbformat: 4, nbformat_minor: 5, metadata: {}, cells };
}

export function codeCell(id: string, source: string, fields: object = {}) {
  return { id, cell_type: "code", source, metadata: {}, outputs: [], execution_count: null, ...fields };
}

export function saveNotebook(lab: TestLab, name: string, content: object): Promise<Answer> {
  return lab.ask("PUT", `/api/contents/${name}`, { type: "notebook", format: "json", content });
}

/** Waits until a condition holds; the test's own time limit ends it otherwise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
