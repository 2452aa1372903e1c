/** Everything that can be shown, in the lab, light and dark: whole, with titles and axes, nothing cut off; and pictures to look at. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import type { Browser } from "playwright-core";
import { packageRoot } from "../../kernel/entry";
import { GALLERY } from "./gallery";
import {
  eventually,
  type Lab,
  LabPage,
  launchBrowser,
  readNotebook,
  startLab,
  writeNotebook,
} from "./support";

const FILE = "gallery.ipynb";
const PICTURES = path.join(packageRoot(), ".cache", "screenshots", "gallery");

describe("every display in the lab", function () {
  this.timeout(900_000);
  let lab: Lab;
  let browser: Browser;
  before(async () => {
    fs.mkdirSync(PICTURES, { recursive: true });
    lab = await startLab();
    browser = await launchBrowser();
    writeNotebook(
      lab,
      FILE,
      GALLERY.map(([, code]) => code),
    );
  });
  after(async () => {
    await browser?.close();
    await lab?.stop();
  });

  it("is whole when its cells have run, in the light theme", async () => {
    const page = await opened(false);
    await page.idle(180_000);
    await page.menu("Run", "Run All Cells");
    await page.page.locator(".jp-InputPrompt", { hasText: "[*]" }).first().waitFor();
    await page.idle(600_000);
    await page.page.keyboard.press("Control+s");
    await eventually(
      () => readNotebook(lab, FILE).cells.every(({ outputs }) => outputs.length > 0),
      "it was not saved",
    );
    assert.deepEqual(await look(page, "light"), []);
    await page.close();
  });

  it("is whole when the saved notebook is opened again, in the dark theme", async () => {
    const page = await opened(true);
    // Cells are made anew once the file has come.
    await page.output(0).first().waitFor();
    assert.deepEqual(await look(page, "dark"), []);
    await page.close();
  });

  it("offers the numbers of a figure as a file", async () => {
    const page = await opened(false);
    const place = GALLERY.findIndex(([name]) => name === "spectra");
    const figure = page.cell(place).locator(".loralab-Plotly").first();
    await figure.scrollIntoViewIfNeeded();
    await figure.hover();
    const [download] = await Promise.all([
      page.page.waitForEvent("download"),
      figure.locator('[data-title="Download data as CSV"]').click(),
    ]);
    assert.match(download.suggestedFilename(), /changed most.*\.csv$/);
    const [head, ...rows] = fs
      .readFileSync((await download.path())!, "utf8")
      .trimEnd()
      .split("\r\n");
    assert.equal(head, "\ufeffmodule,layer,‖ΔW‖/‖W‖ (%)");
    // Seven modules in each of four layers.
    assert.equal(rows.length, 28);
    assert.match(rows[0]!, /^q_proj,0,\d+(\.\d+)?$/);
    await page.close();
  });

  async function opened(dark: boolean): Promise<LabPage> {
    const page = await LabPage.open(browser, lab, { file: FILE, dark });
    // As tall as the tallest output, so that each is in its picture whole.
    await page.page.setViewportSize({ width: 1400, height: 1700 });
    // What runs in the page is compiled by tsx, which names functions by a helper of its own.
    await page.page.evaluate("globalThis.__name = (named) => named");
    return page;
  }
});

/** Takes a picture of each output. @returns what is wrong with them */
async function look(page: LabPage, theme: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const [i, [name]] of GALLERY.entries()) {
    const output = page.cell(i).locator(".jp-OutputArea").first();
    await page.cell(i).evaluate((cell: any) => cell.scrollIntoView());
    await output.waitFor();
    for (const figure of await output.locator(".loralab-Plotly").all())
      await figure.locator(".main-svg").first().waitFor();
    await page.page.waitForTimeout(250);
    await output.screenshot({ path: path.join(PICTURES, `${name}-${theme}.png`) });
    wrong.push(...(await output.evaluate(faults)).map((fault) => `${name}: ${fault}`));
  }
  return wrong;
}

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
    // Parallel coordinates have an axis of their own kind for each column.
    for (const axis of figure.querySelector(".cartesianlayer .subplot") ? ["x", "y"] : [])
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
