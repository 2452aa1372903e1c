/**
 * The lab as its users have it: `loralab start` in a process of its own, on a new folder, seen through Chromium. Every
 * page watches itself: a request that leaves this computer or an error in the console fails the test that caused it.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from "playwright-core";
import { packageRoot } from "../../kernel/entry";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const SCREENSHOTS = path.join(packageRoot(), ".cache", "screenshots");

/** A large notebook takes long to come up on a busy machine. */
const PATIENCE_MS = 120_000;

export interface Lab {
  url: string;
  /** The user's folder. */
  folder: string;
  process: ChildProcess;
  /** Ends the kernels that a test started. */
  endKernels(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a lab on an empty folder; it builds the front end if that is stale.
 *
 * @param fast tutorials train a few steps only, too few for what they check
 * @param built runs what `npm run build` made, as users do, in place of the sources
 */
export async function startLab({ fast = true, built = false } = {}): Promise<Lab> {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "loralab-browser-"));
  const folder = path.join(home, "work");
  fs.mkdirSync(folder);
  const child = spawn(
    process.execPath,
    [
      ...(built ? ["dist/bin/loralab.js"] : ["--require", "tsx/cjs", "bin/loralab.ts"]),
      ...["start", folder, "--no-browser", "--port", "0"],
    ],
    {
      cwd: packageRoot(),
      env: { ...process.env, LORALAB_HOME: home, LORALAB_EXPOSE_APP: "1", LORALAB_FAST: fast ? "1" : "" },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const exited = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  let said = "";
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      said += chunk;
      const ready = /Lab ready: (\S+)/.exec(said);
      if (ready) resolve(ready[1]!);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("exit", (code) => reject(new Error(`loralab ended with status ${code}:\n${said}`)));
  });
  return {
    url,
    folder,
    process: child,
    async endKernels() {
      const api = new URL("/api/kernels", url).href;
      const headers = { authorization: `token ${new URL(url).searchParams.get("token")}` };
      const kernels = (await (await fetch(api, { headers })).json()) as { id: string }[];
      await Promise.all(kernels.map(({ id }) => fetch(`${api}/${id}`, { method: "DELETE", headers })));
    },
    async stop() {
      child.kill("SIGTERM");
      await exited;
      fs.rmSync(home, { recursive: true, force: true });
    },
  };
}

export const launchBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });

interface OpenOptions {
  /** Path in the lab's folder. */
  file?: string;
  dark?: boolean;
  /** Where JupyterLab remembers what was open. */
  workspace?: string;
}

let workspaces = 0;

/** A page of the lab, with what went wrong on it. */
export class LabPage {
  /** Requests that left this computer, and errors in the console. */
  readonly problems: string[] = [];

  private constructor(
    readonly page: Page,
    readonly context: BrowserContext,
    private readonly lab: Lab,
    private readonly workspace: string,
  ) {
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => this.problems.push(`uncaught: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") this.problems.push(`${message.text()} (${message.location().url})`);
    });
    const watch = (address: string) => {
      const { protocol, hostname } = new URL(address);
      if (!["data:", "blob:"].includes(protocol) && hostname !== "127.0.0.1")
        this.problems.push(`a request left this computer: ${address}`);
    };
    page.on("request", (request) => watch(request.url()));
    page.on("websocket", (socket) => watch(socket.url()));
  }

  /** Opens the lab, or a file of its folder, in a new profile with a layout of its own. */
  static async open(
    browser: Browser,
    lab: Lab,
    { file, dark = false, workspace = `test-${workspaces++}` }: OpenOptions = {},
  ): Promise<LabPage> {
    const context = await browser.newContext({
      viewport: { width: 1400, height: 900 },
      colorScheme: dark ? "dark" : "light",
      acceptDownloads: true,
    });
    const opened = new LabPage(await context.newPage(), context, lab, workspace);
    await opened.goto(file);
    return opened;
  }

  /** Another tab of the same browser window. */
  async anotherTab(file?: string): Promise<LabPage> {
    const opened = new LabPage(await this.context.newPage(), this.context, this.lab, `test-${workspaces++}`);
    await opened.goto(file);
    return opened;
  }

  private async goto(file?: string): Promise<void> {
    const url = new URL(this.lab.url);
    const tree = file ? `/tree/${file.split("/").map(encodeURIComponent).join("/")}` : "";
    url.pathname = `/lab/workspaces/${this.workspace}${tree}`;
    await this.page.goto(url.href);
    await this.page.locator(file?.endsWith(".ipynb") ? ".jp-Notebook" : ".jp-LabShell").waitFor();
  }

  /** Closes the page and says whether all went well on it. */
  async close(): Promise<void> {
    await this.page.close();
    assert.deepEqual(this.problems, []);
  }

  screenshot(name: string): Promise<Buffer> {
    return this.page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
  }

  /** Chooses an item of the menu bar. */
  async menu(...labels: string[]): Promise<void> {
    await this.page.locator(".lm-MenuBar-itemLabel", { hasText: labels[0] }).click();
    for (const label of labels.slice(1))
      await this.page.locator(".lm-Menu-itemLabel", { hasText: label }).first().click();
  }

  /** Starts a command of JupyterLab. */
  command(id: string, args: object = {}): Promise<void> {
    return this.page.evaluate(
      ([command, options]) => void (globalThis as any).jupyterapp.commands.execute(command, options),
      [id, args] as const,
    );
  }

  /** Waits until the notebook's kernel says that it is idle and no cell is marked as running. */
  async idle(timeout = 60_000): Promise<void> {
    // The status bar says so once the page has heard of the kernel; what is run before that is lost.
    await this.page.locator("#jp-bottom-panel", { hasText: "| Idle" }).waitFor({ timeout });
    await this.page
      .locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]:visible')
      .waitFor({ timeout });
    await this.page.waitForFunction(
      () =>
        ![...(globalThis as any).document.querySelectorAll(".jp-InputPrompt")].some((prompt) =>
          prompt.textContent.includes("*"),
        ),
      undefined,
      { timeout },
    );
  }

  /** Runs a cell, as a reader does: a click into it and Control-Enter. */
  async runCell(index: number): Promise<void> {
    await this.cell(index).locator(".cm-content").click();
    await this.page.keyboard.press("Control+Enter");
  }

  cell(index: number): Locator {
    return this.page.locator(".jp-Notebook:visible .jp-Cell").nth(index);
  }

  output(index: number): Locator {
    return this.cell(index).locator(".jp-OutputArea-output");
  }

  /** What a code cell shows where its number is: "[3]:", "[*]:". */
  prompt(index: number): Promise<string | null> {
    return this.cell(index).locator(".jp-InputPrompt").textContent();
  }
}

/** Waits for a condition that no locator can express. */
export async function eventually(condition: () => Promise<boolean> | boolean, what: string, ms = 20_000) {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`after ${ms / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Writes a notebook with these code cells, named `cell-0`, `cell-1`, …, into the lab's folder. */
export function writeNotebook({ folder }: Lab, name: string, cells: string[]): void {
  const notebook = {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {
      kernelspec: { name: "loralab", display_name: "TypeScript (loralab)", language: "typescript" },
    },
    cells: cells.map((source, i) => ({
      cell_type: "code",
      id: `cell-${i}`,
      metadata: {},
      execution_count: null,
      outputs: [],
      source,
    })),
  };
  fs.writeFileSync(path.join(folder, name), JSON.stringify(notebook));
}

export const readNotebook = ({ folder }: Lab, name: string): { cells: any[] } =>
  JSON.parse(fs.readFileSync(path.join(folder, name), "utf8"));
