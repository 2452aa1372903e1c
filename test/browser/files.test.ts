/** Notebooks as files: what is edited in the page is what lies in the folder. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import type { Browser, Download, Page } from "playwright-core";
import {
  eventually,
  type Lab,
  LabPage,
  launchBrowser,
  readNotebook,
  startLab,
  writeNotebook,
} from "./support";

describe("files in the lab", () => {
  let lab: Lab;
  let browser: Browser;
  let page: LabPage;
  before(async () => {
    lab = await startLab();
    browser = await launchBrowser();
  });
  beforeEach(async () => {
    writeNotebook(lab, "work.ipynb", ["const answer: number = 42;\nanswer", "// end"]);
    page = await LabPage.open(browser, lab, { file: "work.ipynb" });
    await page.idle();
  });
  afterEach(async () => {
    await page.close();
    await lab.endKernels();
    for (const name of fs.readdirSync(lab.folder))
      fs.rmSync(path.join(lab.folder, name), { recursive: true });
  });
  after(async () => {
    await browser?.close();
    await lab?.stop();
  });

  const names = () => fs.readdirSync(lab.folder).filter((name) => !name.startsWith("."));
  const entry = (name: string) => page.page.locator(".jp-DirListing-item", { hasText: name });
  async function contextMenu(name: string, ...labels: string[]): Promise<void> {
    await entry(name).click({ button: "right" });
    for (const label of labels)
      await page.page.locator(".lm-Menu-itemLabel", { hasText: label }).first().click();
  }

  it("are saved as edited, with outputs", async () => {
    await page.cell(0).locator(".cm-content").click();
    await page.page.keyboard.press("Control+End");
    await page.page.keyboard.type(" + 1");
    await page.page.keyboard.press("Shift+Enter");
    await page.output(0).waitFor();
    await page.page.keyboard.press("Control+s");
    await eventually(() => readNotebook(lab, "work.ipynb").cells[0].outputs.length === 1, "it was not saved");
    const [cell] = readNotebook(lab, "work.ipynb").cells;
    assert.equal([cell.source].flat().join(""), "const answer: number = 42;\nanswer + 1");
    assert.equal([cell.outputs[0].data["text/plain"]].flat().join(""), "43");
  });

  it("show texts as JupyterLab itself draws them: plain ones, colours, links and control characters", async () => {
    const texts = [
      "",
      "plain\n",
      "\n\ntwo empty lines <b>&amp;</b> \t ΔW 𝛼",
      "\x1b[31mred\x1b[0m https://example.org/a?b=c#d.",
      "www.example.org, data:text/plain,x and a://b",
      "carriage\rreturn \0 and \x07",
    ];
    const drawn = await page.page.evaluate(async (given) => {
      const { rendermime } = (globalThis as any).jupyterapp.shell.currentWidget.content;
      const pairs: [string, string][] = [];
      for (const mimeType of ["text/plain", "application/vnd.jupyter.stdout"])
        for (const text of given) {
          const ours = rendermime.createRenderer(mimeType);
          const JupyterLabs = Object.getPrototypeOf(ours.constructor);
          const theirs = new JupyterLabs({ mimeType, sanitizer: rendermime.sanitizer });
          const model = rendermime.createModel({ data: { [mimeType]: text } });
          for (const renderer of [ours, theirs]) await renderer.renderModel(model);
          pairs.push([ours.node.outerHTML, theirs.node.outerHTML]);
        }
      return pairs;
    }, texts);
    assert.equal(drawn.length, 2 * texts.length);
    for (const [ours, theirs] of drawn) assert.equal(ours, theirs);
    assert.match(drawn[1]![0], /^<div class="lm-Widget jp-RenderedText.*<pre>plain\n<\/pre><\/div>$/s);
    assert.match(drawn[3]![0], /<a href="https:\/\/example.org/);
  });

  it("are renamed, duplicated, deleted and uploaded in the file browser", async () => {
    await contextMenu("work.ipynb", "Duplicate");
    await entry("work-Copy1.ipynb").waitFor();
    assert.deepEqual(names().sort(), ["work-Copy1.ipynb", "work.ipynb"]);

    await contextMenu("work-Copy1.ipynb", "Rename");
    await page.page.locator(".jp-DirListing-editor").fill("renamed.ipynb");
    await page.page.keyboard.press("Enter");
    await entry("renamed.ipynb").waitFor();
    assert.deepEqual(names().sort(), ["renamed.ipynb", "work.ipynb"]);

    await contextMenu("renamed.ipynb", "Delete");
    await page.page.locator(".jp-Dialog button.jp-mod-warn").click();
    await entry("renamed.ipynb").waitFor({ state: "detached" });
    assert.deepEqual(names(), ["work.ipynb"]);

    const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 31) & 255));
    const chooser = page.page.waitForEvent("filechooser");
    await page.page
      .locator(
        '[data-command="filebrowser:upload"], [title^="Upload"], .jp-ToolbarButton [aria-label*="pload"]',
      )
      .first()
      .click();
    await (await chooser).setFiles({ name: "data.bin", mimeType: "application/octet-stream", buffer: bytes });
    await entry("data.bin").waitFor();
    await eventually(
      () => fs.statSync(path.join(lab.folder, "data.bin")).size === bytes.length,
      "it was cut short",
    );
    assert.deepEqual(fs.readFileSync(path.join(lab.folder, "data.bin")), bytes);
    await page.screenshot("files");
  });

  it("are exported to HTML and to TypeScript, with what was just edited", async () => {
    await page.runCell(0);
    await page.output(0).waitFor();
    for (const [label, extension, expected] of [
      ["HTML", ".html", /42/],
      ["Executable Script", ".ts", /const answer: number = 42;/],
    ] as const) {
      // It comes to a tab of its own, which is gone again at once.
      const download = new Promise<Download>((resolve) => {
        const watch = (tab: Page) => tab.once("download", resolve);
        page.page.context().once("page", watch);
        watch(page.page);
      });
      await page.menu("File", "Save and Export Notebook As", label);
      const file = await download;
      assert.equal(file.suggestedFilename(), `work${extension}`);
      assert.match(fs.readFileSync(await file.path(), "utf8"), expected);
    }
  });

  it("that changed on disk meanwhile are not overwritten without asking", async () => {
    await page.cell(0).locator(".cm-content").click();
    await page.page.keyboard.type("// mine\n");
    await page.page.waitForTimeout(1500);
    writeNotebook(lab, "work.ipynb", ["'of somebody else'"]);
    await page.page.keyboard.press("Control+s");
    await page.page.locator(".jp-Dialog").waitFor();
    await page.screenshot("save-conflict");
    assert.match(fs.readFileSync(path.join(lab.folder, "work.ipynb"), "utf8"), /of somebody else/);
    await page.page.locator(".jp-Dialog button", { hasText: "Revert" }).click();
    await eventually(
      async () => /of somebody else/.test((await page.cell(0).textContent()) ?? ""),
      "not reverted",
    );
  });
});
