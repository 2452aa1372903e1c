/** A classroom: a real JupyterHub, its real proxy, and the lab as the server of each user. */
import assert from "node:assert/strict";
import { Channel } from "../lab/channel";
import { Browser, startHub, type TestHub } from "./support";

describe("JupyterHub", () => {
  let hub: TestHub;
  let ada: Browser;
  let ben: Browser;

  before(async () => {
    hub = await startHub();
    [ada, ben] = [new Browser(hub), new Browser(hub)];
    await Promise.all([ada.login("ada"), ben.login("ben")]);
    await Promise.all([ada.open("/user/ada/lab"), ben.open("/user/ben/lab")]);
  });
  after(() => hub?.close());
  afterEach(function () {
    if (this.currentTest?.state === "failed") console.error(hub.log().slice(-6000));
  });

  const asked = async (browser: Browser, url: string, init: Parameters<Browser["fetch"]>[1] = {}) => {
    const { status, text } = await browser.fetch(url, init);
    return { status, body: status === 200 || status === 201 ? JSON.parse(text) : text };
  };
  const changed = (browser: Browser, method: string, url: string, body: object = {}) =>
    asked(browser, url, { method, body: JSON.stringify(body), headers: { Origin: hub.url } });

  /** Runs a cell in a kernel of a user's server through the proxy. @returns what it printed and its error */
  async function runCell(browser: Browser, user: string, kernelId: string, code: string) {
    const path = `/user/${user}`;
    const headers = { Cookie: browser.cookies(`${path}/`), Origin: hub.url };
    const channel = await Channel.to(hub.url + path, kernelId, headers);
    const id = channel.execute(code);
    await channel.idle(id);
    const { content } = await channel.reply(id);
    channel.close();
    return { text: channel.text(id), error: content.status === "error" ? content.evalue : undefined };
  }

  it("shows each user a lab of their own, with all its addresses under the user's", async () => {
    for (const [browser, user] of [
      [ada, "ada"],
      [ben, "ben"],
    ] as const) {
      const page = await browser.open(`/user/${user}/`);
      assert.deepEqual([page.status, page.url], [200, `/user/${user}/lab`]);
      const config = JSON.parse(/type="application\/json">(.*?)<\/script>/.exec(page.text)![1]!);
      assert.equal(config.baseUrl, `/user/${user}/`);
      assert.equal(config.hubUser, user);
      assert.ok(page.text.includes(`src="/user/${user}/static/lab.js"`));
      assert.equal((await browser.fetch(`/user/${user}/static/lab.js`)).status, 200);
      const { body } = await asked(browser, `/user/${user}/api/kernelspecs`);
      const logo = body.kernelspecs.loralab.resources["logo-svg"];
      assert.equal((await browser.fetch(logo)).status, 200, logo);
      assert.deepEqual((await asked(browser, `/user/${user}/lab/api/machine`)).body.kernels, []);
    }
  });

  it("runs cells in each user's own kernel, over WebSockets through the proxy", async () => {
    const homes = await Promise.all(
      (
        [
          [ada, "ada"],
          [ben, "ben"],
        ] as const
      ).map(async ([browser, user]) => {
        const { status, body } = await changed(browser, "POST", `/user/${user}/api/kernels`);
        assert.equal(status, 201);
        const { text } = await runCell(browser, user, body.id, "console.log(6 * 7, process.cwd())");
        return text;
      }),
    );
    assert.match(homes[0]!, /^42 .*\/ada\n$/);
    assert.match(homes[1]!, /^42 .*\/ben\n$/);
  });

  it("saves notebooks, and answers where they are by the address that a browser needs", async () => {
    const { status, body } = await changed(ada, "POST", "/user/ada/api/contents", { type: "notebook" });
    assert.deepEqual([status, body.path], [201, "Untitled.ipynb"]);
    assert.equal((await asked(ada, "/user/ada/api/contents/Untitled.ipynb")).status, 200);
    assert.equal((await changed(ada, "DELETE", "/user/ada/api/contents/Untitled.ipynb")).status, 204);
  });

  it("keeps one user out of another's server: page, API, files, WebSocket, with cookie and with token", async () => {
    const kernel = (await changed(ada, "POST", "/user/ada/api/kernels")).body.id;
    assert.equal((await ben.fetch("/user/ada/lab")).status, 403);
    const token = await tokenOf(ben, "ben");
    const bearer = { Authorization: `token ${token}` };
    assert.equal((await asked(ben, "/user/ben/api/status", { headers: bearer })).status, 200);
    for (const path of [
      "lab",
      "api/contents",
      "api/kernels",
      "files/a",
      "static/lab.js",
      "lab/api/machine",
    ]) {
      // Neither what the browser has for another server nor a token of the hub that is good for that one.
      const stolen = { Cookie: ben.cookies("/user/ben/") };
      for (const headers of [stolen, bearer]) {
        const response = await fetch(`${hub.url}/user/ada/${path}`, { headers, redirect: "manual" });
        const isSentAway = path === "lab" && headers === stolen && response.status === 302;
        assert.ok(isSentAway || response.status === 403, `${path}: ${response.status}`);
      }
    }
    for (const headers of [{ Cookie: ben.cookies("/user/ben/"), Origin: hub.url }, bearer])
      await assert.rejects(Channel.to(`${hub.url}/user/ada`, kernel, headers), /403/);
    const refusal = await fetch(`${hub.url}/user/ada/api/contents`, { headers: bearer });
    assert.match(await refusal.text(), /this is the server of ada, and ben may not use it/);
  });

  it("lets those in whom the hub allows it: an administrator, and a program with the user's token", async () => {
    const teacher = new Browser(hub);
    await teacher.login("teacher");
    const question = await teacher.open("/user/ada/lab");
    assert.match(question.url, /^\/hub\/api\/oauth2\/authorize/);
    const page = await teacher.authorize(question);
    assert.deepEqual([page.status, page.url], [200, "/user/ada/lab"]);
    const headers = { Authorization: `token ${await tokenOf(ada, "ada")}` };
    const response = await fetch(`${hub.url}/user/ada/api/contents`, { headers });
    assert.equal(response.status, 200);
  });

  it("refuses what another site's page asks for, and a change that does not show that our page asks", async () => {
    const url = "/user/ada/api/kernels";
    const post = (headers: Record<string, string>) =>
      asked(ada, url, { method: "POST", body: "{}", headers });
    assert.equal((await post({ Origin: "https://evil.example" })).status, 403);
    assert.equal((await post({})).status, 403);
    assert.equal((await post({ "X-XSRFToken": "guessed" })).status, 403);
    const xsrf = ada.cookie(/^_xsrf$/, "/user/ada/")!;
    assert.equal((await post({ "X-XSRFToken": xsrf })).status, 201);
    const headers = { Cookie: ada.cookies("/user/ada/"), Origin: "https://evil.example" };
    const kernel = (await asked(ada, url)).body[0].id;
    await assert.rejects(Channel.to(`${hub.url}/user/ada`, kernel, headers), /403/);
  });

  it("does not take a login that another browser began", async () => {
    const answer = await fetch(`${hub.url}/user/ada/lab`, { redirect: "manual" });
    const authorize = new URL(answer.headers.get("location")!, hub.url);
    const state = authorize.searchParams.get("state")!;
    assert.match(state, /^[0-9a-f]{32}$/);
    const callback = `/user/ada/oauth_callback?code=any&state=${state}`;
    const { status, text } = await ada.fetch(callback);
    assert.equal(status, 403);
    assert.match(text, /This login was begun elsewhere, or long ago/);
  });

  it("counts a logout at the hub: the cookie of the lab is worth nothing after it", async () => {
    const eve = new Browser(hub);
    await eve.login("eve");
    await eve.open("/user/eve/lab");
    assert.equal((await eve.fetch("/user/eve/api/status")).status, 200);
    await eve.fetch("/hub/logout");
    assert.equal((await eve.fetch("/user/eve/api/status")).status, 403);
    assert.match((await eve.fetch("/user/eve/lab")).url, /^\/hub\/login/);
  });

  it("tells the hub when something was done last, so that it ends servers that nobody uses", async () => {
    const lastActivity = async () => {
      const headers = { Authorization: `token ${await tokenOf(ada, "ada")}` };
      const response = await fetch(`${hub.url}/hub/api/users/ada`, { headers });
      const { servers } = (await response.json()) as { servers: Record<string, { last_activity: string }> };
      return Date.parse(servers[""]!.last_activity);
    };
    const before = Date.now();
    await changed(ada, "POST", "/user/ada/api/kernels");
    while ((await lastActivity()) < before) await new Promise((resolve) => setTimeout(resolve, 100));
  });

  it("has our kernel in JupyterHub's own server too", async () => {
    const user = new Browser(hub);
    await user.login("jupyter");
    await user.open("/user/jupyter/tree");
    const headers = { Authorization: `token ${await tokenOf(user, "jupyter")}` };
    const response = await fetch(`${hub.url}/user/jupyter/api/kernels`, {
      method: "POST",
      body: JSON.stringify({ name: "loralab" }),
      headers,
    });
    assert.equal(response.status, 201);
    const { id } = (await response.json()) as { id: string };
    const channel = await Channel.to(`${hub.url}/user/jupyter`, id, headers);
    const request = channel.execute("const answer: number = 6 * 7; console.log(answer)");
    await channel.idle(request);
    channel.close();
    assert.equal(channel.text(request), "42\n");
  });

  /** A token for a program, as a user makes it on the hub's page for tokens. */
  async function tokenOf(browser: Browser, user: string): Promise<string> {
    const { status, text } = await browser.fetch(`/hub/api/users/${user}/tokens`, {
      method: "POST",
      body: "{}",
      headers: { Origin: hub.url, Referer: `${hub.url}/hub/token`, "Content-Type": "application/json" },
    });
    assert.equal(status, 201, text);
    return JSON.parse(text).token;
  }
});
