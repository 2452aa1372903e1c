/** From the shelf to the end of the first tutorial, as a reader goes. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import type { Browser } from "playwright-core";
import { packageRoot } from "../../kernel/entry";
import { eventually, type Lab, LabPage, launchBrowser, startLab, writeNotebook } from "./support";

const NAME = "00-tour";

describe("the shelf and the first tutorial", () => {
  let lab: Lab;
  let browser: Browser;
  /** The reader's copy, and how many of its cells the reader had run when it was saved. */
  const copy = () => path.join(lab.folder, "loralab-tutorials", `${NAME}.ipynb`);
  const runCells = () => (fs.readFileSync(copy(), "utf8").match(/"shell.execute_reply"/g) ?? []).length;
  const original = path.join(packageRoot(), "notebooks", `${NAME}.ipynb`);
  const cells = (file: string) => JSON.parse(fs.readFileSync(file, "utf8")).cells;
  const codeCells = () => cells(original).filter((cell: any) => cell.cell_type === "code").length;
  before(async () => {
    lab = await startLab({ fast: true });
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
      assert.match((await card.textContent()) ?? "", /Start here.*A tour of the notebook.*Not started/s);
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
    await eventually(() => runCells() >= codeCells(), "it was not saved");
    await page.menu("Help", "Tutorials");
    await card.getByText("All cells run").waitFor();
    await page.screenshot("shelf-done");
    await page.close();
  });

  it("takes a reader's guesses and holds them against what came out", async () => {
    const ask = `import { predict } from "loralab";
const where = predict("Where does it continue?", { choices: ["in Paris", "in Amsterdam"] });
const share = predict("How much of it stays?", { unit: "%", min: 0, max: 100 });`;
    writeNotebook(lab, "guesses.ipynb", [
      ask,
      `where.reveal("in Amsterdam", "It has read it often.")`,
      "share.reveal(75)",
    ]);
    const page = await LabPage.open(browser, lab, { file: "guesses.ipynb" });
    await page.idle();
    await page.runCell(0);
    const choice = page.cell(0).locator("select");
    await choice.waitFor();
    await choice.selectOption({ label: "in Amsterdam" });
    const number = page.cell(0).locator(".widget-readout");
    await number.fill("25");
    await number.press("Enter");
    await page.runCell(1);
    await page
      .output(1)
      .getByText("You guessed: in Amsterdam. The run says: in Amsterdam. As you guessed.")
      .waitFor();
    await page.output(1).getByText("It has read it often.").waitFor();
    await page.runCell(2);
    await page.output(2).getByText("You guessed: 25 %. The run says: 75 %. 50 % between them.").waitFor();
    await page.screenshot("guesses");
    await choice.selectOption({ label: "in Paris" });
    await page.runCell(1);
    await page.output(1).getByText("You guessed: in Paris.").waitFor();
    await page.close();
  });

  it("takes a tutorial that was only opened as unchanged", async () => {
    const page = await LabPage.open(browser, lab);
    await page.page.locator('[data-tutorial="03-lora-from-scratch"]').click();
    await page.page.locator(".jp-Notebook").waitFor();
    await page.idle();
    await page.page.waitForTimeout(1000); // what a kernel says of itself is in the model by then
    const changed = page.page.locator(".lm-TabBar-tab.jp-mod-dirty");
    assert.equal(await changed.count(), 0);
    await page.command("notebook:insert-cell-below");
    await changed.first().waitFor();
    await page.close();
  });

  it("puts a tutorial back as it was shipped, and keeps the reader's version", async () => {
    const page = await LabPage.open(browser, lab);
    await page.page.locator(`[data-tutorial="${NAME}"]`).click();
    await page.page.locator(".jp-Notebook").waitFor();
    await page.idle();
    const first = cells(original).findIndex((cell: any) => cell.cell_type === "code");
    const time = () =>
      page.cell(first).evaluate((node) => (node as any).style.getPropertyValue("--loralab-duration"));
    await page.runCell(first);
    await eventually(async () => (await time()) !== "", "it did not run", 60_000);
    await page.page.keyboard.press("Control+s");
    await eventually(() => runCells() > 0, "it was not saved");
    await page.menu("File", "Reset This Tutorial…");
    await page.screenshot("reset-dialog");
    await page.page.locator(".jp-Dialog button", { hasText: "Reset" }).click();
    await page.page.locator(".Toastify__toast", { hasText: "Your version is in" }).waitFor();
    await page.page.waitForTimeout(500);
    await page.screenshot("reset-done");
    assert.equal(await page.page.locator(".jp-Dialog").count(), 0, "nothing more is asked");
    assert.equal(await time(), "", "the page shows no run of the reader's");
    assert.deepEqual(cells(copy()), cells(original));
    const kept = fs.readdirSync(path.dirname(copy())).filter((name) => /before-reset/.test(name));
    assert.equal(kept.length, 1);
    await page.close();
  });
});
