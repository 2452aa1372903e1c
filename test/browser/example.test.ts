/** The example page under a user's hands: LoRA in Chromium, with Node's losses. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { startExample } from "../../examples/browser/serve";
import { capitals, loadModel, lora, train } from "../../src";
import { launchBrowser } from "./support";

const SCREENSHOTS = path.join(__dirname, "..", "..", ".cache", "screenshots");
const STEPS = 10;
/** A page computes in WebAssembly, on one thread here, on a machine that is busy with other tests. */
const PATIENCE_MS = 300_000;

describe("the example page", function () {
  this.timeout(2 * PATIENCE_MS);
  let example: Awaited<ReturnType<typeof startExample>>;
  let browser: Browser;
  let page: Page;
  /** Requests that left this computer, and errors in the console. */
  const problems: string[] = [];

  before(async () => {
    example = await startExample(0);
    browser = await launchBrowser();
    page = await browser.newPage({ viewport: { width: 900, height: 900 }, colorScheme: "dark" });
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => problems.push(`uncaught: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(`${message.text()} (${message.location().url})`);
    });
    page.on("request", (request) => {
      const { protocol, hostname } = new URL(request.url());
      if (!["data:", "blob:"].includes(protocol) && hostname !== "127.0.0.1") problems.push(request.url());
    });
    await page.goto(example.url);
  });

  after(async () => {
    await browser?.close();
    example?.stop();
  });

  const text = (id: string) => page.locator(`#${id}`).textContent();

  it("loads the model and continues a prompt as Node does", async () => {
    await page.locator("#status", { hasText: "Ready" }).waitFor();
    const base = await loadModel("small");
    const { text: expected } = await base.generate(await page.locator("#prompt").inputValue(), {
      maxTokens: 24,
    });
    assert.equal(await text("base"), expected);
    assert.match((await text("backend"))!, /ONNX Runtime 1\.\d+\.\d+: WebAssembly, threads: \d+\./);
  });

  it("trains with Node's losses, draws them, and answers otherwise than before", async () => {
    await page.locator("#steps").fill(`${STEPS}`);
    await page.getByRole("button", { name: "Train" }).click();
    await page.locator("#status", { hasText: `${STEPS} steps in` }).waitFor();
    await page.locator("#save:enabled").waitFor();
    const losses = await page.evaluate(
      (steps) =>
        ((globalThis as any).document.getElementById("curve").data as { y: number[] }[])
          .find(({ y }) => y.length === steps)!
          .y.map(Number),
      STEPS,
    );
    assert.ok(losses.at(-1)! < losses[0]! - 1, `${losses}`);

    const student = (await loadModel("small")).attach(lora({ rank: 8, alpha: 16 }));
    const run = await train(student, { data: capitals().train, steps: STEPS, batchSize: 16 });
    const differences = run.losses.map((loss, i) => Math.abs(loss - losses[i]!));
    assert.ok(Math.max(...differences) < 1e-3, `${run.losses} in Node, ${losses} in the page`);
    const { text: expected } = await student.generate(await page.locator("#prompt").inputValue(), {
      maxTokens: 24,
    });
    assert.equal(await text("tuned"), expected);
    assert.notEqual(await text("tuned"), await text("base"));
    fs.mkdirSync(SCREENSHOTS, { recursive: true });
    await page.screenshot({ path: path.join(SCREENSHOTS, "example-dark.png") });
    await page.emulateMedia({ colorScheme: "light" });
    await page.screenshot({ path: path.join(SCREENSHOTS, "example-light.png") });
  });

  it("gives the adapter out as PEFT's files", async () => {
    const names = new Set<string>();
    page.on("download", (download) => names.add(download.suggestedFilename()));
    const arrived = page.waitForEvent("download", () => names.size === 2);
    await page.getByRole("button", { name: "Download the adapter" }).click();
    await arrived;
    assert.deepEqual([...names].sort(), ["adapter_config.json", "adapter_model.safetensors"]);
  });

  it("keeps to this computer, without an error", () => assert.deepEqual(problems, []));
});
