import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { type Server, startJupyterLab } from "./jupyterlab";
import { NotebookPage, screenshot, startBrowser } from "./page";
import { startLab } from "./support";

/** The lab in place of JupyterLab. */
async function startLabServer(): Promise<Server> {
  const { url, folder, stop } = await startLab();
  const address = (notebook: string) => {
    const tree = new URL(url);
    tree.pathname = `/lab/tree/${encodeURIComponent(notebook)}`;
    tree.searchParams.set("reset", "");
    return tree.href;
  };
  return { folder, address, stop };
}

const FIGURE = `
/** A wave as a picture. */
function wave(periods: number) {
  const points = Array.from({ length: 400 }, (_, x) => \`\${x},\${50 - 40 * Math.sin((x / 400) * 2 * Math.PI * periods)}\`);
  const svg = \`<svg width="400" height="100" data-periods="\${periods}"><polyline points="\${points.join(" ")}" fill="none" stroke="teal"/></svg>\`;
  return { [Symbol.for("Jupyter.display")]: () => ({ "text/html": svg, "text/plain": \`a wave of \${periods} periods\` }) };
}
interact(({ periods }) => {
  console.log("periods:", periods);
  if (periods > 8) throw new RangeError("too many periods");
  return wave(periods);
}, { periods: [1, 9] })`;

const CONTROLS = `
const log = new widgets.Output();
const method = new widgets.Dropdown({ options: { LoRA: "lora", DoRA: "dora" }, description: "method" });
const merged = new widgets.Checkbox({ description: "merged" });
const name = new widgets.Text({ description: "name" });
const train = new widgets.Button({ description: "Train", buttonStyle: "primary" });
const bar = new widgets.IntProgress({ max: 3 });
const html = new widgets.HTML({ value: "<i id='state'>ready</i>" });
train.onClick(async () => {
  for (const step of [1, 2, 3]) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    bar.value = step;
  }
  html.value = "<i id='state'>trained</i>";
  log.capture(() => { console.log(method.value, merged.value, name.value); display({ steps: bar.value }) });
});
new widgets.VBox({ children: [new widgets.HBox({ children: [method, merged] }), name, train, bar, html, log] })`;

for (const [name, start] of [
  ["JupyterLab", startJupyterLab],
  ["the lab", startLabServer],
] as const)
  describe(`widgets in ${name}`, function () {
    this.timeout(240_000);
    let server: Server;
    let browser: Browser;
    before(async () => {
      server = await start();
      browser = await startBrowser();
    });
    afterEach(async function () {
      for (const page of browser.contexts().flatMap((context) => context.pages())) {
        if (this.currentTest?.isFailed()) await screenshot(page, "failed");
        await page.close();
      }
    });
    after(async () => {
      await browser?.close();
      await server?.stop();
    });

    it("a slider that is moved changes a figure, by keys and by the mouse", async () => {
      const notebook = await NotebookPage.open(browser, server, "figure.ipynb", [FIGURE]);
      await notebook.run(0);
      const output = notebook.output(0);
      const handle = output.locator(".noUi-handle");
      const figure = output.locator("svg[data-periods]");
      const points = () => figure.locator("polyline").getAttribute("points");
      await output.locator("svg[data-periods='5']").waitFor();
      const first = await points();
      await screenshot(notebook.page, "slider-before");

      await handle.focus();
      for (let i = 0; i < 2; i++) await notebook.page.keyboard.press("ArrowRight");
      await output.locator("svg[data-periods='7']").waitFor();
      assert.notEqual(await points(), first);
      assert.equal(await output.locator(".widget-readout").textContent(), "7");

      const track = (await output.locator(".noUi-target").boundingBox())!;
      const from = (await handle.boundingBox())!;
      await notebook.page.mouse.move(from.x + from.width / 2, from.y + from.height / 2);
      await notebook.page.mouse.down();
      await notebook.page.mouse.move(track.x + track.width / 2, from.y, { steps: 10 });
      await notebook.page.mouse.move(track.x + 1, from.y, { steps: 10 });
      await output.locator("svg[data-periods='1']").waitFor();
      await notebook.page.mouse.up();
      await screenshot(notebook.page, "slider-after");
      assert.equal(await figure.count(), 1);
      assert.match((await output.textContent())!, /periods: 1/);

      await handle.focus();
      await notebook.page.keyboard.press("End");
      const error = output.locator("[data-mime-type='application/vnd.jupyter.stderr']");
      await error.getByText("RangeError: too many periods").waitFor();
      await figure.waitFor({ state: "detached" });
      await screenshot(notebook.page, "slider-error");
      await notebook.page.keyboard.press("Home");
      await output.locator("svg[data-periods='1']").waitFor();

      const saved = await notebook.save(server, "figure.ipynb");
      const texts = saved.cells[0].outputs.map((o: any) => [o.data["text/plain"]].flat().join(""));
      assert.deepEqual(texts, [
        "VBox(children: [ IntSlider(description: 'periods', min: 1, max: 9, value: 5) ])",
        "periods: 1\n",
        "a wave of 1 periods",
      ]);
    });

    it("every kind of control is shown and works", async () => {
      const notebook = await NotebookPage.open(browser, server, "controls.ipynb", [CONTROLS]);
      await notebook.run(0);
      const output = notebook.output(0);
      await output.locator("select").selectOption("DoRA");
      await output.locator("input[type=checkbox]").check();
      await output.locator("input[type=text]").fill("first run");
      await output.locator("button", { hasText: "Train" }).click();
      await output.locator("#state", { hasText: "trained" }).waitFor();
      await output.getByText("dora true first run").waitFor();
      await output.getByText("{ steps: 3 }").waitFor();
      assert.equal(await output.locator(".progress-bar").evaluate((bar: any) => bar.style.width), "100%");
      await screenshot(notebook.page, "controls");
    });

    it("widgets and their values are there again after the page is reloaded", async () => {
      const notebook = await NotebookPage.open(browser, server, "reload.ipynb", [
        "const rank = new widgets.IntSlider({ description: 'rank', min: 1, max: 64, value: 8 }); rank",
        "rank.value",
        "for (const _ of progress(Array(50).fill(0), { label: 'steps' })) await new Promise((r) => setTimeout(r, 5));",
      ]);
      await notebook.run(2);
      const bar = notebook.output(2).locator("progress");
      await notebook
        .output(2)
        .getByText(/50\/50/)
        .waitFor();
      assert.equal(await bar.getAttribute("value"), "50");
      await notebook.run(0);
      await notebook.output(0).locator(".noUi-handle").focus();
      await notebook.page.keyboard.press("ArrowRight");
      await notebook.output(0).locator(".widget-readout", { hasText: "9" }).waitFor();
      await notebook.save(server, "reload.ipynb");
      await notebook.page.reload();
      await notebook.ready();
      await notebook.output(0).locator(".widget-readout", { hasText: "9" }).waitFor();
      assert.equal(await bar.getAttribute("value"), "50");
      await notebook.output(0).locator(".noUi-handle").focus();
      await notebook.page.keyboard.press("ArrowRight");
      await notebook.run(1);
      await notebook.output(1).getByText("10").waitFor();
      await screenshot(notebook.page, "reloaded");
    });
  });
