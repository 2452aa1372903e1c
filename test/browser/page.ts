/** A user at a notebook in Chromium. */
import fs from "node:fs";
import path from "node:path";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import type { Server } from "./jupyterlab";

const SCREENSHOTS = path.join(__dirname, "..", "..", ".cache", "browser");
/** The first page of a server takes long on a busy machine. */
const PATIENCE_MS = 60_000;

/** Starts Chromium: the one that the environment variable CHROMIUM names, by default Debian's. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
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
}

/** Keeps a picture of a page, for people to look at. */
export async function screenshot(page: Page, name: string): Promise<void> {
  fs.mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
}

/** A notebook that is open in a page, its kernel started. */
export class NotebookPage {
  private constructor(readonly page: Page) {}

  /** Writes a notebook with these code cells into the server's folder, and opens it. */
  static async open(browser: Browser, server: Server, name: string, cells: string[]): Promise<NotebookPage> {
    const code = cells.map((source, i) => ({
      cell_type: "code",
      id: `cell-${i}`,
      metadata: {},
      source,
      outputs: [],
      execution_count: null,
    }));
    const kernelspec = { name: "loralab", display_name: "TypeScript (loralab)", language: "typescript" };
    const notebook = { nbformat: 4, nbformat_minor: 5, metadata: { kernelspec }, cells: code };
    fs.writeFileSync(path.join(server.folder, name), JSON.stringify(notebook));
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(server.address(name));
    const opened = new NotebookPage(page);
    await opened.ready();
    return opened;
  }

  cell(index: number): Locator {
    return this.page.locator(".jp-Notebook .jp-Cell").nth(index);
  }

  output(index: number): Locator {
    return this.cell(index).locator(".jp-OutputArea").first();
  }

  /** Runs a cell by Shift+Enter and waits for its end. */
  async run(index: number): Promise<void> {
    await this.cell(index).locator(".cm-content").click();
    await this.page.keyboard.press("Shift+Enter");
    await this.cell(index)
      .locator(".jp-InputPrompt", { hasText: /\[\d+\]/ })
      .waitFor();
  }

  /** Saves the notebook. @returns what is in the file then */
  async save(server: Server, name: string): Promise<any> {
    const file = path.join(server.folder, name);
    const before = fs.readFileSync(file, "utf8");
    await this.page.keyboard.press("Control+s");
    while (fs.readFileSync(file, "utf8") === before) await this.page.waitForTimeout(100);
    return JSON.parse(fs.readFileSync(file, "utf8"));
  }

  /** Waits for the kernel: what is run before the page has heard of it is lost. */
  async ready(): Promise<void> {
    await this.cell(0).waitFor();
    await this.page.locator("#jp-bottom-panel", { hasText: "| Idle" }).waitFor();
  }
}
