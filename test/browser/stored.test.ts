/** What is stored in a notebook that somebody else made: figures and tables as they look before any cell has run. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import type { Browser } from "playwright-core";
import { DISPLAY, type Displayable } from "../../src/display/bundle";
import { Figure } from "../../src/display/figure";
import { card, html, table } from "../../src/display/html";
import { eventually, type Lab, LabPage, launchBrowser, startLab } from "./support";

const FILE = "stored.ipynb";

const names = ["rank 4", "rank 16", "rank 64", "full fine-tuning, twice the rate"];
const figure = new Figure(
  names.map((name, i) => ({ type: "scatter", name, x: [1, 2, 3], y: [i, i + 1, i + 2] })),
  {
    title: { text: "Four lines" },
    xaxis: { title: { text: "step" } },
    yaxis: { title: { text: "loss" } },
    legend: { orientation: "h", x: 0, y: -0.22, yanchor: "top" },
  },
  { text: "Four lines", html: html`<p>Four lines</p>` },
);
const terms = card(
  table(
    [{ head: "term" }, { head: "memory", number: true }],
    [{ cells: ["a formula that is longer than its heading", "21.9 MB"] }],
  ),
);

describe("stored outputs in the lab", function () {
  this.timeout(300_000);
  let lab: Lab;
  let browser: Browser;
  before(async () => {
    lab = await startLab();
    browser = await launchBrowser();
    const bundles = [
      (figure as Displayable)[DISPLAY](),
      { "text/html": terms.source, "text/plain": "a table of terms" },
    ];
    writeOutputs(lab, bundles as object[]);
  });
  after(async () => {
    await browser?.close();
    await lab?.stop();
  });

  it("keep a legend below the axes clear of them when the page gets wider", async () => {
    const page = await LabPage.open(browser, lab, { file: FILE });
    await page.page.setViewportSize({ width: 1000, height: 900 });
    const drawn = page.cell(0).locator(".loralab-Plotly");
    await drawn.locator(".legend").waitFor();
    const width = () => drawn.evaluate((node: any) => node._fullLayout.width as number);
    const narrow = await width();
    await page.page.setViewportSize({ width: 1600, height: 900 });
    await eventually(async () => (await width()) > narrow, "the figure did not get wider");
    await page.page.waitForTimeout(500);
    const box = async (what: string) => (await drawn.locator(what).first().boundingBox())!;
    const [legend, title] = [await box(".legend"), await box(".xtitle")];
    assert.ok(
      legend.y >= title.y + title.height,
      `the legend begins at ${legend.y}, the axis's title ends at ${title.y + title.height}`,
    );
    await page.close();
  });

  it("have words of a table at the left and numbers at the right, styles or none", async () => {
    const page = await LabPage.open(browser, lab, { file: FILE });
    const cells = page.output(1).locator("td");
    await cells.first().waitFor();
    assert.equal(await page.output(1).locator("style").count(), 0, "an untrusted notebook has no styles");
    const aligned = await cells.evaluateAll((all) =>
      all.map((cell) => (globalThis as any).getComputedStyle(cell).textAlign),
    );
    assert.deepEqual(aligned, ["left", "right"]);
    await page.close();
  });
});

/** A notebook with a cell for each output. */
function writeOutputs({ folder }: Lab, bundles: readonly object[]): void {
  const notebook = {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {
      kernelspec: { name: "loralab", display_name: "TypeScript (loralab)", language: "typescript" },
    },
    cells: bundles.map((data, i) => ({
      cell_type: "code",
      id: `cell-${i}`,
      metadata: {},
      execution_count: i + 1,
      outputs: [{ output_type: "execute_result", execution_count: i + 1, metadata: {}, data }],
      source: "",
    })),
  };
  fs.writeFileSync(path.join(folder, FILE), JSON.stringify(notebook));
}
