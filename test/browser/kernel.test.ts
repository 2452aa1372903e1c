/** Stop, restart, crashes, and two tabs on one kernel. */
import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { eventually, type Lab, LabPage, launchBrowser, startLab, writeNotebook } from "./support";

describe("the kernel in the lab", () => {
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

  async function open(name: string, cells: string[]): Promise<LabPage> {
    writeNotebook(lab, name, cells);
    const page = await LabPage.open(browser, lab, { file: name });
    await page.idle();
    return page;
  }

  it("is stopped by the Stop button in an endless loop, and keeps its variables", async () => {
    const page = await open("stop.ipynb", ["const kept = 42", "while (true) {}", "'aborted'", "kept"]);
    await page.runCell(0);
    await eventually(async () => (await page.prompt(0)) === "[1]:", "the first cell did not run");
    await page.runCell(1);
    await eventually(async () => (await page.prompt(1)) === "[*]:", "the loop does not run");
    await page.page.locator('[data-command="notebook:interrupt-kernel"]').click();
    await page.output(1).waitFor();
    assert.match((await page.output(1).textContent()) ?? "", /[Ii]nterrupt/);
    await page.idle();
    await page.runCell(3);
    await page.output(3).waitFor();
    assert.match((await page.output(3).textContent()) ?? "", /42/);
    await page.screenshot("interrupted");
    await page.close();
  });

  it("loses its variables at a restart, says so before, and runs all again", async () => {
    const page = await open("restart.ipynb", [
      "(globalThis as any).runs = ((globalThis as any).runs ?? 0) + 1",
    ]);
    for (const run of [1, 2]) {
      await page.runCell(0);
      await eventually(async () => (await page.prompt(0)) === `[${run}]:`, `run ${run}`);
    }
    assert.match((await page.output(0).textContent()) ?? "", /2/);
    await page.menu("Kernel", "Restart Kernel and Run All Cells…");
    await page.screenshot("restart-dialog");
    await page.page.locator(".jp-Dialog button", { hasText: "Restart" }).click();
    await eventually(async () => (await page.prompt(0)) === "[1]:", "it did not run again");
    assert.match((await page.output(0).textContent()) ?? "", /1/);
    await page.close();
  });

  it("that crashes says what happened, and works again at once", async () => {
    const page = await open("crash.ipynb", ["process.kill(process.pid, 'SIGKILL')", "'alive'"]);
    await page.runCell(0);
    await page.output(0).waitFor();
    assert.match((await page.output(0).textContent()) ?? "", /SIGKILL|died|ended|lost/);
    await page.runCell(1);
    await page.output(1).waitFor();
    assert.match((await page.output(1).textContent()) ?? "", /alive/);
    await page.screenshot("crashed-cell");
    await page.close();
  });

  it("whose whole process is killed is started again, and the page says so", async () => {
    const page = await open("killed.ipynb", ["process.kill(process.ppid, 'SIGKILL')", "'alive'"]);
    await page.runCell(0);
    const dialog = page.page.locator(".jp-Dialog");
    await dialog.waitFor();
    await page.screenshot("crashed-kernel");
    await dialog.locator("button").last().click();
    await page.idle();
    await page.runCell(1);
    await page.output(1).waitFor();
    assert.match((await page.output(1).textContent()) ?? "", /alive/);
    await page.close();
  });

  it("is one for two tabs of a notebook: what one defines the other sees", async () => {
    const first = await open("two.ipynb", ["const shared = 'of both'", "shared"]);
    const second = await first.anotherTab("two.ipynb");
    await second.idle();
    await first.runCell(0);
    await eventually(async () => (await first.prompt(0)) === "[1]:", "the first tab did not run");
    await second.runCell(1);
    await second.output(1).waitFor();
    assert.match((await second.output(1).textContent()) ?? "", /of both/);
    assert.equal(await first.output(1).count(), 0, "the other tab's output is the other tab's");
    await first.close();
    await second.close();
  });
});
