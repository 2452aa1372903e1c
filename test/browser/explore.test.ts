/** Sliders over a trained adapter, and over a plan, under a user's hands. */
import assert from "node:assert/strict";
import type { Browser, Locator } from "playwright-core";
import {
  eventually,
  type Lab,
  LabPage,
  launchBrowser,
  readNotebook,
  startLab,
  writeNotebook,
} from "./support";

const TRAIN = `
import { capitals, explore, loadModel, lora, measureMemory, train } from "loralab";
const base = await loadModel("small");
const { train: data, heldOut } = capitals();
const lesson = { data, steps: 25, batchSize: 8, learningRate: 3e-3, display: false };
const student = base.attach(lora({ rank: 8, alpha: 16 }));
await train(student, lesson);
const other = base.attach(lora({ rank: 8, alpha: 16 }), { seed: 3 });
await train(other, { ...lesson, seed: 3 });
const evidence = { data: heldOut.slice(0, 16), prompts: ["What is the capital of the Netherlands?"] };`;

const CELLS = [
  TRAIN,
  "await explore.rank(student, evidence)",
  "await explore.scale(student, evidence)",
  "await explore.targets(student, evidence)",
  'await explore.blend(student, other, { ...evidence, names: ["one", "two"] })',
  'explore.plan("Llama-3.1-8B")',
  "await measureMemory(student)",
];

/** In the page: milliseconds from the next key, click or choice to the frame that shows another title in a cell. */
function answerTime(cell: any): { answered: Promise<number> } {
  const page = globalThis as any;
  const before = cell.querySelector(".gtitle")?.textContent;
  let asked = 0;
  for (const type of ["keydown", "change"])
    page.addEventListener(type, () => (asked ||= performance.now()), { capture: true, once: true });
  const answered = new Promise<number>((resolve) => {
    new page.MutationObserver((_: unknown, observer: any) => {
      const now = cell.querySelector(".gtitle")?.textContent;
      if (now === before || now === undefined) return;
      observer.disconnect();
      page.requestAnimationFrame(() => resolve(performance.now() - asked));
    }).observe(cell, { subtree: true, childList: true, characterData: true, attributes: true });
  });
  return { answered };
}

describe("sliders over what was learned", function () {
  this.timeout(900_000);
  let lab: Lab;
  let browser: Browser;
  let page: LabPage;
  before(async () => {
    lab = await startLab();
    browser = await launchBrowser();
    writeNotebook(lab, "explore.ipynb", CELLS);
    page = await LabPage.open(browser, lab, { file: "explore.ipynb" });
    page.page.setDefaultTimeout(120_000);
    await page.idle(120_000);
    await page.runCell(0);
    await page.idle(400_000);
  });
  after(async () => {
    await page?.close();
    await browser?.close();
    await lab?.stop();
  });

  const titleOf = (cell: Locator) => cell.locator(".gtitle").first().textContent();
  const handle = (cell: Locator, name: string) =>
    cell.locator(".widget-slider", { hasText: name }).locator(".noUi-handle").first();
  /** Runs a cell until its figure is there. */
  async function run(index: number): Promise<Locator> {
    await page.runCell(index);
    const cell = page.cell(index);
    await cell.locator(".gtitle").first().waitFor();
    await page.idle(300_000);
    return cell;
  }
  /** Moves and waits for another title; says for whoever watches how long that took, from the event to the frame. */
  async function moves(cell: Locator, what: string, move: () => Promise<unknown>): Promise<string> {
    const before = await titleOf(cell);
    if (process.env.TIMES) await page.page.waitForTimeout(500); // The samples of the last move are written.
    const timed = process.env.TIMES ? await cell.evaluateHandle(answerTime) : null;
    await move();
    const stop = performance.now() + 60_000;
    while ((await titleOf(cell)) === before) {
      assert.ok(performance.now() < stop, `${what}: the figure did not change from ${before}`);
      await page.page.waitForTimeout(5);
    }
    if (timed)
      console.log(`      ${what}: ${Math.round(await timed.evaluate(({ answered }) => answered))} ms`);
    return (await titleOf(cell))!;
  }
  const pictures = async (cell: Locator, name: string) => {
    for (const theme of ["Light", "Dark", "Light"]) {
      const body = page.page.locator(`body[data-jp-theme-light="${theme === "Light"}"]`);
      // The first time, the theme that follows the desktop can win over the one that is asked for.
      for (let tries = 0; tries < 10 && (await body.count()) === 0; tries++) {
        await page.command("apputils:change-theme", { theme: `JupyterLab ${theme}` });
        await page.page.waitForTimeout(2000);
      }
      await body.waitFor({ state: "attached" });
      await page.page.waitForTimeout(1000);
      await cell.evaluate((node: any) => node.scrollIntoView({ block: "start" }));
      await page.page.waitForTimeout(300);
      await page.screenshot(`explore-${name}-${theme.toLowerCase()}`);
    }
  };

  it("rank: the slider truncates the adapter; figure and samples follow, by keys and by the mouse", async () => {
    const cell = await run(1);
    assert.match((await titleOf(cell))!, /^Rank 8 of 8 keeps 100 %/);
    const sample = () => cell.locator("td .text").nth(2).textContent();
    const whole = await sample();
    const drawing = await cell.locator(".main-svg").first().elementHandle();
    await handle(cell, "rank").focus();
    for (const rank of [7, 6, 5, 4, 3, 2, 1]) {
      const title = await moves(cell, `rank ${rank}`, () => page.page.keyboard.press("ArrowLeft"));
      assert.match(title, new RegExp(`^Rank ${rank} of 8 keeps [\\d.]+ %`));
    }
    assert.ok(await drawing!.evaluate((node: any) => node.isConnected), "the figure was changed in place");
    await pictures(cell, "rank");
    assert.match(
      await moves(cell, "rank 0", () => page.page.keyboard.press("Home")),
      /^Rank 0 of 8 keeps 0 %/,
    );
    await eventually(async () => (await sample()) !== whole, "the sample is still the adapter's");
    await cell.locator("th", { hasText: "rank 0" }).waitFor();

    const from = (await handle(cell, "rank").boundingBox())!;
    const track = (await cell.locator(".noUi-target").first().boundingBox())!;
    await page.page.mouse.move(from.x + from.width / 2, from.y + from.height / 2);
    await page.page.mouse.down();
    await page.page.mouse.move(track.x + track.width, from.y + from.height / 2, { steps: 12 });
    await page.page.mouse.up();
    await eventually(
      async () => /^Rank 8 of 8/.test((await titleOf(cell))!),
      "the mouse did not move it",
      60_000,
    );
    await eventually(async () => (await sample()) === whole, "the sample is not the adapter's again", 60_000);
  });

  it("scale: the factor of ΔW", async () => {
    const cell = await run(2);
    await handle(cell, "factor").focus();
    assert.match(
      await moves(cell, "factor 0.95", () => page.page.keyboard.press("ArrowLeft")),
      /^0\.95 × ΔW: loss/,
    );
    assert.match(
      await moves(cell, "factor 0.9", () => page.page.keyboard.press("ArrowLeft")),
      /^0\.9 × ΔW: loss/,
    );
    await pictures(cell, "scale");
  });

  it("targets: modules and layers on and off", async () => {
    const cell = await run(3);
    const box = cell.locator(".widget-checkbox", { hasText: "up_proj" }).locator("input");
    assert.match(await moves(cell, "without up_proj", () => box.uncheck()), /^All but up_proj keeps/);
    await handle(cell, "layers").focus();
    assert.match(
      await moves(cell, "without layer 0", () => page.page.keyboard.press("ArrowRight")),
      /^All but up_proj in layers 1–5 keeps/,
    );
    await pictures(cell, "targets");
  });

  it("blend: two weights and the cross-terms", async () => {
    const cell = await run(4);
    assert.match(
      (await titleOf(cell))!,
      /^1 × one \+ 1 × two: loss .*Cross-terms would be [\d.]+ % of the sum/,
    );
    await handle(cell, "two").focus();
    assert.match(
      await moves(cell, "weight 0.75", () => page.page.keyboard.press("ArrowLeft")),
      /^1 × one \+ 0\.75 × two/,
    );
    const box = cell.locator("input[type=checkbox]");
    assert.match(
      await moves(cell, "cross-terms", () => box.check()),
      /with cross-terms: loss .*Cross-terms are/,
    );
    await pictures(cell, "blend");
  });

  it("plan: settings of what is not even loaded", async () => {
    const cell = await run(5);
    assert.match((await titleOf(cell))!, /^Llama-3\.1-8B, LoRA of rank 8: 20\.1 GB, fits/);
    await handle(cell, "rank").focus();
    await moves(cell, "plan, rank 9", () => page.page.keyboard.press("ArrowRight"));
    await moves(cell, "plan, rank 10", () => page.page.keyboard.press("ArrowRight"));
    const method = cell.locator("select").first();
    assert.match(
      await moves(cell, "plan, QLoRA", () => method.selectOption("QLoRA")),
      /^Llama-3\.1-8B, QLoRA of rank 10: /,
    );
    await cell.getByText("quantization constants").last().waitFor();
    await pictures(cell, "plan");
  });

  it("memory: what training took, measured in a process of its own, beside the plan", async () => {
    await page.runCell(6);
    const cell = page.cell(6);
    const title = cell.locator(".loralab .title");
    await title.waitFor();
    assert.match(
      (await title.textContent())!,
      /^Training small with lora, adamw, 8 × 128 tokens, took \d+\.\d MB here/,
    );
    await pictures(cell, "memory");
  });

  it("the saved notebook shows the last figures, samples and all positions to whoever has no widgets", async () => {
    await page.page.keyboard.press("Escape");
    await page.page.keyboard.press("Control+s");
    const textsOf = (cell: any) =>
      cell.outputs.map(({ data }: any) => [data?.["text/plain"] ?? ""].flat().join(""));
    await eventually(
      () => readNotebook(lab, "explore.ipynb").cells[5].outputs.length > 2,
      "it was not saved",
    );
    const [, rank] = readNotebook(lab, "explore.ipynb").cells;
    const texts = textsOf(rank);
    assert.match(texts[0], /IntSlider/);
    assert.match(texts[1], /^Rank 8 of 8 keeps 100 %.*rank 8 ◀/s);
    assert.match(texts[2], /What is the capital of the Netherlands\?\n +the base: /);
    assert.match(texts[3], /^position +‖ΔW‖² kept +loss\nrank 0 /);
    assert.ok(rank.outputs[1].data["application/vnd.plotly.v1+json"], "the figure itself");
    assert.match([rank.outputs[1].data["text/html"]].flat().join(""), /<img src="data:image\/svg/);
  });
});
