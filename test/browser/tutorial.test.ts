/** From the shelf to the end of the first tutorial, as a reader goes. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import type { Browser } from "playwright-core";
import { eventually, type Lab, LabPage, launchBrowser, startLab } from "./support";

const NAME = "01-what-lora-is";

describe("the shelf and the first tutorial", () => {
  let lab: Lab;
  let browser: Browser;
  before(async () => {
    lab = await startLab({ fast: false });
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await lab?.stop();
  });

  it("offers the tutorials on a card each, in the light theme and, on a dark desktop, in the dark one", async () => {
    for (const dark of [false, true]) {
      const page = await LabPage.open(browser, lab, { dark });
      const card = page.page.locator(`[data-tutorial="${NAME}"]`);
      await card.waitFor();
      assert.match((await card.textContent()) ?? "", /What LoRA is.*Not started/s);
      assert.match(await page.page.title(), /^loralab/);
      await page.page.locator(`body[data-jp-theme-light="${!dark}"]`).waitFor({ state: "attached" });
      await page.screenshot(`shelf-${dark ? "dark" : "light"}`);
      await page.close();
    }
  });

  it("opens a tutorial from the keyboard and runs it to its end, with curve, tables and times", async function () {
    this.timeout(400_000);
    const page = await LabPage.open(browser, lab, { dark: true });
    const card = page.page.locator(`[data-tutorial="${NAME}"]`);
    await card.waitFor();
    await card.focus();
    await page.page.keyboard.press("Enter");
    await page.page.locator(".jp-Notebook").waitFor();
    assert.equal(await page.page.locator(".jp-Dialog").count(), 0, "no kernel is asked for");
    await page.idle();
    await page.menu("Run", "Run All Cells");
    await page.page.locator(".jp-InputPrompt", { hasText: "[*]" }).first().waitFor();
    await page.idle(300_000);

    assert.equal(await page.page.locator('[data-mime-type="application/vnd.jupyter.error"]').count(), 0);
    const text = (await page.page.locator(".jp-OutputArea").allTextContents()).join("\n");
    assert.deepEqual(text.match(/✗.{0,80}/g), null, "every check holds");
    assert.ok(text.includes("5,475,584"), "the parameters of the base");
    const figures = page.page.locator(".loralab-Plotly");
    const center = () =>
      figures.first().evaluate((node) => (node as any).scrollIntoView({ block: "center" }));
    await center();
    await figures.first().locator(".main-svg").first().waitFor();
    await page.page.waitForTimeout(500);
    await page.screenshot("tutorial-curve-dark");
    assert.ok((await page.page.locator(".jp-OutputArea table").count()) > 0, "a table");
    const times = await page.page
      .locator(".jp-CodeCell")
      .evaluateAll((cells) =>
        (cells as any[]).map((cell) => cell.style.getPropertyValue("--loralab-duration")),
      );
    assert.ok(times.every(Boolean), `each cell says how long it ran: ${times}`);
    await page.page.locator(".jp-OutputArea table").first().scrollIntoViewIfNeeded();
    await page.screenshot("tutorial-table-dark");
    await page.command("apputils:change-theme", { theme: "JupyterLab Light" });
    await page.page.locator('body[data-jp-theme-light="true"]').waitFor({ state: "attached" });
    await center();
    await page.page.waitForTimeout(500);
    await page.screenshot("tutorial-curve-light");
    await page.page.keyboard.press("Control+s");
    const file = path.join(lab.folder, "loralab-tutorials", `${NAME}.ipynb`);
    const run = () => fs.readFileSync(file, "utf8").match(/"execution_count": ?\d/g) ?? [];
    await eventually(() => run().length >= 16, "it was not saved");
    await page.close();
  });

  it("says on the card how far the reader is, and puts the tutorial back with the reader's version kept", async () => {
    const file = path.join(lab.folder, "loralab-tutorials", `${NAME}.ipynb`);
    const page = await LabPage.open(browser, lab);
    const card = page.page.locator(`[data-tutorial="${NAME}"]`);
    await card.waitFor();
    assert.match((await card.textContent()) ?? "", /All cells run/);
    await page.screenshot("shelf-done");
    await card.click();
    await page.page.locator(".jp-Notebook").waitFor();
    await page.idle();
    assert.match(fs.readFileSync(file, "utf8"), /"execution_count": ?\d/);
    await page.menu("File", "Reset This Tutorial…");
    await page.screenshot("reset-dialog");
    await page.page.locator(".jp-Dialog button", { hasText: "Reset" }).click();
    await page.page.locator(".Toastify__toast", { hasText: "Your version is in" }).waitFor();
    await page.screenshot("reset-done");
    assert.equal(await page.page.locator(".jp-OutputArea-output").count(), 0, "shown as shipped");
    assert.ok(!/"execution_count": ?\d/.test(fs.readFileSync(file, "utf8")), "as shipped in the file");
    const kept = fs
      .readdirSync(path.dirname(file))
      .filter((name) => name.endsWith(".ipynb") && name !== `${NAME}.ipynb`);
    assert.equal(kept.length, 1);
    await page.close();
  });
});
