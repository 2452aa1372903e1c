/** Output survives a reload of the page: what came while nobody looked is there, and what comes later too. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import type { Browser } from "playwright-core";
import {
  eventually,
  type Lab,
  LabPage,
  launchBrowser,
  readNotebook,
  startLab,
  writeNotebook,
} from "./support";

const CURVE = `
const MIME = "application/vnd.plotly.v1+json";
const figure = (n: number) => ({ [Symbol.for("Jupyter.display")]: () => ({
  [MIME]: { data: [{ x: [...Array(n).keys()], y: [...Array(n).keys()].map((i) => i * i) }], layout: {} },
  "text/plain": n + " points",
}) });
const { existsSync } = await import("node:fs");
let n = 0;
while (!existsSync("FILE")) {
  n++;
  display(figure(n), { id: "curve" });
  console.log("step " + n);
  await new Promise((resolve) => setTimeout(resolve, 100));
}
"done"`;

/** A cell that draws and prints until there is a file. */
const curveUntil = (file: string) => CURVE.replace("FILE", file);

const SLIDER = `
const drawing = (bars: number) => ({ [Symbol.for("Jupyter.display")]: () => ({
  "text/html": \`<svg width="200" height="40" data-bars="\${bars}">\${[...Array(bars).keys()]
    .map((i) => \`<rect x="\${i * 12}" width="10" height="40" fill="teal"/>\`).join("")}</svg>\`,
  "text/plain": bars + " bars",
}) });
interact(({ bars }) => drawing(bars), { bars: [0, 4] })`;

/** Points of the trace that is drawn. */
const points = (lab: LabPage, cell: number): Promise<number> =>
  lab
    .cell(cell)
    .locator(".loralab-Plotly")
    .first()
    .evaluate((node) => (node as any).data?.[0]?.x.length ?? 0);

/** The numbers of the lines "step n". */
const steps = async (lab: LabPage, cell: number): Promise<number[]> =>
  [...((await lab.cell(cell).locator(".jp-OutputArea").textContent()) ?? "").matchAll(/step (\d+)/g)].map(
    (m) => Number(m[1]),
  );

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe("reload during a run", () => {
  let lab: Lab;
  let browser: Browser;
  before(async () => {
    lab = await startLab();
    browser = await launchBrowser();
  });
  afterEach(() => lab.endKernels());
  after(async () => {
    await browser?.close();
    await lab?.stop();
  });

  it("keeps the curve and the text, marks the cell as running, and goes on to the end", async () => {
    writeNotebook(lab, "curve.ipynb", [curveUntil("curve-end"), "1 + 1"]);
    const page = await LabPage.open(browser, lab, { file: "curve.ipynb" });
    await page.idle();
    await page.menu("Run", "Run All Cells");
    await eventually(async () => (await steps(page, 0)).length > 10, "no steps were shown");
    const before = (await steps(page, 0)).length;

    await page.page.reload();
    await page.page.locator(".jp-Notebook .loralab-Plotly .main-svg").first().waitFor();
    const restored = await steps(page, 0);
    assert.ok(restored.length >= before, `${restored.length} lines after the reload, ${before} before`);
    assert.equal(await page.prompt(0), "[*]:");
    assert.equal(await page.prompt(1), "[*]:", "the cell that waits is marked too");
    await page.screenshot("reload-running");

    await eventually(async () => (await steps(page, 0)).length > restored.length + 10, "nothing new came");
    fs.writeFileSync(path.join(lab.folder, "curve-end"), "");
    await page.output(1).waitFor();
    await page.idle();
    const all = await steps(page, 0);
    assert.deepEqual(all, upTo(all.length), "every line once, in order");
    await eventually(
      async () => (await points(page, 0)) === all.length,
      "the curve did not get its last point",
    );
    assert.match((await page.cell(0).textContent()) ?? "", /'done'/);
    assert.match((await page.output(1).textContent()) ?? "", /2/);
    assert.match((await page.prompt(0)) ?? "", /\[\d+\]:/);
    await page.screenshot("reload-finished");
    await page.close();
  });

  it("shows what a cell put out that ended while no page was open", async () => {
    writeNotebook(lab, "away.ipynb", [
      curveUntil("away-end"),
      "2 + 2",
      "throw new Error('on purpose')",
      "'never'",
    ]);
    const first = await LabPage.open(browser, lab, { file: "away.ipynb" });
    await first.idle();
    await first.menu("Run", "Run All Cells");
    await eventually(async () => (await steps(first, 0)).length > 1, "no steps were shown");
    await first.close();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    fs.writeFileSync(path.join(lab.folder, "away-end"), "");

    const second = await LabPage.open(browser, lab, { file: "away.ipynb" });
    await second.output(2).waitFor();
    await second.idle();
    const all = await steps(second, 0);
    assert.ok(all.length > 5);
    assert.deepEqual(all, upTo(all.length));
    assert.match((await second.output(1).textContent()) ?? "", /4/);
    assert.match((await second.output(2).textContent()) ?? "", /on purpose/);
    assert.equal(await second.prompt(3), "[ ]:", "the cell after the error did not run");
    const time = await second
      .cell(0)
      .evaluate((node) => (node as any).style.getPropertyValue("--loralab-duration"));
    assert.match(time, /^"\d+(\.\d)? s"$/, "how long it ran was recorded, though nobody looked");
    await second.screenshot("reload-away");
    await second.close();
  });

  it("keeps the figure of a slider alive, whether the notebook was saved or not", async () => {
    writeNotebook(lab, "slider.ipynb", [SLIDER]);
    const page = await LabPage.open(browser, lab, { file: "slider.ipynb" });
    const bars = (n: number) => page.cell(0).locator(`svg[data-bars='${n}'] rect`);
    const right = async () => {
      await page.cell(0).locator(".noUi-handle").focus();
      await page.page.keyboard.press("ArrowRight");
    };
    const reload = async () => {
      await page.page.reload();
      await page.page.locator(".jp-Notebook").waitFor();
      await page.idle();
    };
    await page.idle();
    await page.runCell(0);
    await bars(2).first().waitFor();
    await reload();
    await right();
    await bars(3).nth(2).waitFor();

    const isSaved = (n: number) =>
      JSON.stringify(readNotebook(lab, "slider.ipynb").cells[0].outputs).includes(`${n} bars`);
    await page.page.keyboard.press("Control+s");
    await eventually(() => isSaved(3), "it was not saved");
    await reload();
    await bars(3).nth(2).waitFor();
    await eventually(
      async () => (await page.page.locator(".jp-mod-dirty").count()) === 0,
      "a notebook that nobody changed is said to be changed",
    );
    await right();
    await bars(4).nth(3).waitFor();
    await page.screenshot("reload-slider");
    await reload();
    await bars(4).nth(3).waitFor();
    assert.equal(await page.cell(0).locator("svg[data-bars]").count(), 1);
    await page.close();
  });

  it("leaves alone what was cleared after the run, and what was saved", async () => {
    writeNotebook(lab, "cleared.ipynb", ["'first'", "'second'"]);
    const page = await LabPage.open(browser, lab, { file: "cleared.ipynb" });
    await page.idle();
    await page.menu("Run", "Run All Cells");
    await page.output(1).waitFor();
    await page.idle();
    const saved = () => readNotebook(lab, "cleared.ipynb").cells.map((cell) => cell.outputs.length);
    await page.page.keyboard.press("Control+s");
    await eventually(() => saved().join() === "1,1", "it was not saved");
    await page.command("notebook:clear-all-cell-outputs");
    await page.page.keyboard.press("Control+s");
    await eventually(() => saved().join() === "0,0", "it was not saved");
    await page.page.reload();
    await page.page.locator(".jp-Notebook").waitFor();
    await page.idle();
    await page.page.waitForTimeout(1000);
    assert.equal(await page.output(0).count(), 0);
    assert.equal(await page.output(1).count(), 0);
    await page.close();
  });
});
