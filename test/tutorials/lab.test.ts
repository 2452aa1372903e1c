/** Every tutorial, opened from the shelf and run from top to bottom in the lab, in fast mode. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import type { Browser } from "playwright-core";
import { packageRoot } from "../../kernel/entry";
import { type Lab, LabPage, launchBrowser, startLab } from "../browser/support";

const FOLDER = path.join(packageRoot(), "notebooks");

describe("the tutorials in the lab", function () {
  this.timeout(600_000);
  let lab: Lab;
  let browser: Browser;
  before(async () => {
    lab = await startLab({ fast: true });
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await lab?.stop();
  });

  for (const file of fs.readdirSync(FOLDER).filter((name) => name.endsWith(".ipynb"))) {
    const name = path.basename(file, ".ipynb");
    it(`${name}: every cell runs, every figure is drawn`, async () => {
      const page = await LabPage.open(browser, lab);
      await page.page.locator(`[data-tutorial="${name}"]`).click();
      await page.page.locator(".jp-Notebook").waitFor();
      await page.idle();
      await page.menu("Run", "Run All Cells");
      await page.page.locator(".jp-InputPrompt", { hasText: "[*]" }).first().waitFor();
      await page.idle(500_000);
      const errors = page.page.locator('[data-mime-type="application/vnd.jupyter.error"]');
      assert.deepEqual(await errors.allTextContents(), []);
      const prompts = await page.page.locator(".jp-CodeCell .jp-InputArea-prompt").allTextContents();
      assert.ok(prompts.length > 0 && prompts.every((prompt) => /\[\d+\]/.test(prompt)), prompts.join(" "));
      const figures = page.page.locator(".loralab-Plotly");
      for (let i = 0; i < (await figures.count()); i++) {
        await figures.nth(i).scrollIntoViewIfNeeded();
        await figures.nth(i).locator(".main-svg").first().waitFor();
        await page.screenshot(`tutorial-${name}-figure-${i + 1}`);
      }
      await page.close();
      await lab.endKernels();
    });
  }
});
