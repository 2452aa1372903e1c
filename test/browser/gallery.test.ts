/** Everything that can be shown, in the lab, light and dark: whole, with titles and axes, nothing cut off; and pictures to look at. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import type { Browser } from "playwright-core";
import { packageRoot } from "../../kernel/entry";
import { GALLERY } from "./gallery";
import { type Lab, LabPage, launchBrowser, startLab, writeNotebook } from "./support";

const PICTURES = path.join(packageRoot(), ".cache", "screenshots", "gallery");

describe("every display in the lab", function () {
  this.timeout(400_000);
  let lab: Lab;
  let browser: Browser;
  let page: LabPage;
  before(async () => {
    fs.mkdirSync(PICTURES, { recursive: true });
    lab = await startLab();
    browser = await launchBrowser();
    writeNotebook(
      lab,
      "gallery.ipynb",
      GALLERY.map(([, code]) => code),
    );
    page = await LabPage.open(browser, lab, { file: "gallery.ipynb" });
    await page.idle();
    await page.menu("Run", "Run All Cells");
    await page.page.locator(".jp-InputPrompt", { hasText: "[*]" }).first().waitFor();
    await page.idle(300_000);
    // What runs in the page is compiled by tsx, which names functions by a helper of its own.
    await page.page.evaluate("globalThis.__name = (named) => named");
  });
  after(async () => {
    await page?.close();
    await browser?.close();
    await lab?.stop();
  });

  for (const theme of ["Light", "Dark"])
    it(`is whole in the ${theme.toLowerCase()} theme`, async () => {
      await page.command("apputils:change-theme", { theme: `JupyterLab ${theme}` });
      await page.page
        .locator(`body[data-jp-theme-light="${theme === "Light"}"]`)
        .waitFor({ state: "attached", timeout: 90_000 });
      const wrong: string[] = [];
      for (const [i, [name]] of GALLERY.entries()) {
        const cell = page.cell(i);
        await cell.scrollIntoViewIfNeeded();
        const output = cell.locator(".jp-OutputArea").first();
        await output.waitFor();
        for (const figure of await output.locator(".loralab-Plotly").all())
          await figure.locator(".main-svg").first().waitFor();
        await page.page.waitForTimeout(250);
        await output.screenshot({ path: path.join(PICTURES, `${name}-${theme.toLowerCase()}.png`) });
        wrong.push(...(await output.evaluate(faults)).map((fault) => `${name}: ${fault}`));
      }
      assert.deepEqual(wrong, []);
    });
});

/** What is wrong with an output, seen from within the page. */
function faults(output: any): string[] {
  const found: string[] = [];
  for (const error of output.querySelectorAll('[data-mime-type="application/vnd.jupyter.error"]'))
    found.push(error.textContent);
  for (const box of output.querySelectorAll(".jp-OutputArea-output"))
    if (box.scrollWidth > box.clientWidth + 1)
      found.push(`${box.scrollWidth} pixels wide in ${box.clientWidth}`);
  for (const figure of output.querySelectorAll(".loralab-Plotly")) {
    const said = (selector: string) =>
      [...figure.querySelectorAll(selector)].map((one: any) => one.textContent.trim());
    if (!said(".gtitle").some(Boolean)) found.push("a figure has no title");
    for (const axis of ["x", "y"])
      if (!said(`.${axis}title, .${axis}2title`).some(Boolean))
        found.push(`a figure has no title at its ${axis} axis`);
    const frame = figure.getBoundingClientRect();
    for (const text of figure.querySelectorAll("text")) {
      const { left, right, top, bottom, width } = text.getBoundingClientRect();
      if (
        width > 0 &&
        (left < frame.left - 1 || right > frame.right + 1 || top < frame.top - 1 || bottom > frame.bottom + 1)
      )
        found.push(`cut off: "${text.textContent}"`);
    }
  }
  return found;
}
