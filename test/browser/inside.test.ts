/** The inside of a trained adapter in the lab: every figure of it, and intruder dimensions under sliders for ε and k. */
import assert from "node:assert/strict";
import type { Browser, Locator } from "playwright-core";
import { type Lab, LabPage, launchBrowser, startLab, writeNotebook } from "./support";

const CELLS = [
  `
import { alignmentMap, capitals, dora, full, intruderCurve, intruderMeasures, intruders, loadModel, lora, matrixMap, similarityMap, spectra, train, weightChangeMap } from "loralab";
const base = await loadModel("nano");
const { train: data } = capitals();
const lesson = { data, steps: 30, batchSize: 8, display: false };
const student = base.attach(lora({ rank: 4, alpha: 32 }));
const run = await train(student, { ...lesson, learningRate: 1e-2, evaluate: { every: 10, measures: intruderMeasures() } });
const turned = base.attach(dora({ rank: 4, alpha: 32 }));
await train(turned, { ...lesson, learningRate: 1e-2 });
const whole = base.attach(full());
await train(whole, { ...lesson, learningRate: 1e-3 });
const report = intruders(student, { epsilon: 0.7 });`,
  "report",
  'matrixMap(student, "layers.0.self_attn.q_proj")',
  "similarityMap(report)",
  "alignmentMap(student)",
  "weightChangeMap({ full: whole, LoRA: student, DoRA: turned })",
  "intruderCurve(run)",
  "spectra(student)",
];
const NAMES = ["", "intruders", "matrices", "similarity", "alignment", "weight-changes", "curve", "spectra"];

describe("the inside of an adapter in the lab", function () {
  this.timeout(600_000);
  let lab: Lab;
  let browser: Browser;
  let page: LabPage;
  before(async () => {
    lab = await startLab();
    browser = await launchBrowser();
    writeNotebook(lab, "inside.ipynb", CELLS);
    page = await LabPage.open(browser, lab, { file: "inside.ipynb" });
    page.page.setDefaultTimeout(120_000);
    await page.idle(120_000);
    await page.runCell(0);
    await page.idle(300_000);
  });
  after(async () => {
    await page?.close();
    await browser?.close();
    await lab?.stop();
  });

  const titles = (cell: Locator) => cell.locator(".gtitle").allTextContents();
  const handle = (cell: Locator, name: string) =>
    cell.locator(".widget-slider", { hasText: name }).locator(".noUi-handle").first();
  async function pictures(cell: Locator, name: string): Promise<void> {
    for (const theme of ["Light", "Dark"]) {
      const themed = page.page.locator(`body[data-jp-theme-light="${theme === "Light"}"]`);
      // A page that is still drawing may lose the first change.
      for (const stop = performance.now() + 120_000; (await themed.count()) === 0; ) {
        assert.ok(performance.now() < stop, `the theme did not become ${theme}`);
        await page.command("apputils:change-theme", { theme: `JupyterLab ${theme}` });
        await themed.waitFor({ state: "attached", timeout: 10_000 }).catch(() => {});
      }
      await cell.evaluate((node: any) => node.scrollIntoView({ block: "start" }));
      await page.page.waitForTimeout(500);
      await page.screenshot(`inside-${name}-${theme.toLowerCase()}`);
    }
  }
  /** Runs a cell until its first figure is there. */
  async function run(index: number): Promise<Locator> {
    await page.runCell(index);
    const cell = page.cell(index);
    await cell.locator(".gtitle").first().waitFor();
    await page.idle(120_000);
    return cell;
  }
  /** Moves a slider until both figures say something else. */
  async function moves(cell: Locator, name: string, key: string): Promise<string[]> {
    const before = await titles(cell);
    await handle(cell, name).focus();
    await page.page.keyboard.press(key);
    const stop = performance.now() + 60_000;
    for (;;) {
      const now = await titles(cell);
      if (now.length === 2 && now.every((title, i) => title !== before[i])) return now;
      assert.ok(performance.now() < stop, `${name}: the figures did not change from ${before}`);
      await page.page.waitForTimeout(20);
    }
  }

  it("counts intruders anew when ε and k are moved", async () => {
    const cell = await run(1);
    assert.match((await titles(cell))[0]!, /^\d+ intruders? among \d+ directions at ε = 0\.7; /);
    await pictures(cell, NAMES[1]!);
    const [farther] = await moves(cell, "ε", "ArrowRight");
    assert.match(farther!, / at ε = 0\.75; /);
    const looked = (title: string) => Number(/among (\d+) directions/.exec(title)![1]);
    const [fewer] = await moves(cell, "k", "ArrowLeft");
    assert.equal(looked(fewer!) / looked(farther!), 9 / 10);
    const [all] = await moves(cell, "ε", "End");
    const [, count] = /^(\d+) intruders/.exec(all!)!;
    assert.ok(Number(count) >= Number(/^(\d+)/.exec(fewer!)![1]));
    await pictures(cell, "intruders-moved");
  });

  for (const [index, name] of NAMES.entries()) {
    if (index < 2) continue;
    it(`shows ${name} with a title that says what is there`, async () => {
      const cell = await run(index);
      assert.match((await titles(cell))[0]!, /\d/);
      await pictures(cell, name);
    });
  }
});
