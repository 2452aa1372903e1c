/** The lab in a JupyterHub as a student meets it: the hub's login, then the lab under the user's own base URL. */
import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { bundleFolder } from "../../lab/bundle";
import { PASSWORD, startHub, type TestHub } from "../hub/support";
import { launchBrowser } from "./support";

describe("lab in a JupyterHub", () => {
  let hub: TestHub;
  let browser: Browser;
  before(async () => {
    [hub, browser] = await Promise.all([startHub({ ui: bundleFolder() }), launchBrowser()]);
  });
  after(() => Promise.all([hub?.close(), browser?.close()]));

  it("logs in, opens a tutorial, runs a cell, and logs out at the hub", async () => {
    const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    page.setDefaultTimeout(100_000);
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("response", (response) => {
      if (response.url().includes("/user/ada/") && response.status() >= 400 && response.status() < 600)
        problems.push(`${response.status()} ${response.url()}`);
    });
    await page.goto(`${hub.url}/hub/login`);
    await page.locator("#username_input").fill("ada");
    await page.locator("#password_input").fill(PASSWORD);
    await page.locator("#login_submit").click();
    await page.waitForURL("**/user/ada/lab*");
    await page.getByText("A tour").first().click();
    await page.locator(".jp-Notebook").waitFor();
    await page.locator("#jp-bottom-panel", { hasText: "| Idle" }).waitFor();
    const cell = page.locator(".jp-Notebook .jp-CodeCell").first();
    await cell.locator(".cm-content").click();
    await page.keyboard.press("Control+a");
    await page.keyboard.type("6 * 7 * 1000");
    await page.keyboard.press("Control+Enter");
    await cell.locator(".jp-OutputArea-output", { hasText: "42000" }).waitFor();
    await page.locator(".lm-MenuBar-itemLabel", { hasText: "File" }).click();
    await page.screenshot({ path: ".cache/screenshots/hub.png" });
    await page.locator(".lm-Menu-itemLabel", { hasText: "Log Out (ada)" }).click();
    await page.waitForURL("**/hub/login*");
    assert.deepEqual(problems, []);
    await page.goto(`${hub.url}/user/ada/lab`);
    await page.locator("#login_submit").waitFor();
  });
});
