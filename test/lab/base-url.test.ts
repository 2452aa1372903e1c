/** The lab under a path, as behind a proxy that has others beside it. */
import assert from "node:assert/strict";
import { baseUrl } from "../../lab/server/base-url";
import { hubService } from "../../lab/server/hub/service";
import { Channel } from "./channel";
import { TOKEN, useLab } from "./support";

describe("lab: base URL", () => {
  const lab = useLab({ base: "/labs/ada/" });

  it("is a path, with or without its slashes", () => {
    for (const text of ["labs/ada", "/labs/ada", "/labs/ada/", "//labs//ada//"])
      assert.equal(baseUrl(text), "/labs/ada/");
    assert.equal(baseUrl("/"), "/");
    for (const text of ["/a b/", "https://a.example/?b", "/a/../b/", "/a#b"])
      assert.throws(() => baseUrl(text), /expected a base URL such as \/labs\/ada\//, text);
  });

  it("is where everything is, and outside of it there is nothing", async () => {
    for (const url of ["/labs/ada/api/status", "/labs/ada/lab", "/labs/ada/api/contents?content=0"])
      assert.notEqual((await lab.ask("GET", url)).status, 404, url);
    for (const url of ["/api/status", "/lab", "/labs/ada2/api/status", "/labs/eve/api/status"])
      assert.equal((await lab.ask("GET", url)).status, 404, url);
  });

  it("begins the addresses that the lab gives: links, redirects, logos, cookies", async () => {
    const { url } = lab.server;
    assert.equal(url, `${lab.origin}/labs/ada/lab?token=${TOKEN}`);
    const entry = await fetch(url, { redirect: "manual" });
    assert.equal(entry.headers.get("location"), "/labs/ada/lab");
    assert.ok(entry.headers.getSetCookie().every((cookie) => cookie.includes("; Path=/labs/ada/;")));
    for (const bare of ["/labs/ada", "/labs/ada/"])
      assert.equal((await lab.ask("GET", bare)).headers.get("location"), "/labs/ada/lab");
    const page = await lab.ask("GET", "/labs/ada/lab/tree/a.ipynb");
    assert.match(page.body, /<script defer src="\/labs\/ada\/static\/lab\.js">/);
    const config = JSON.parse(/type="application\/json">(.*?)<\/script>/.exec(page.body)![1]!);
    assert.deepEqual(
      [config.baseUrl, config.fullStaticUrl, config.treePath],
      ["/labs/ada/", "/labs/ada/static", "a.ipynb"],
    );
    const made = await lab.ask("POST", "/labs/ada/api/contents", { type: "file", ext: ".txt" });
    assert.equal(made.headers.get("location"), "/labs/ada/api/contents/untitled.txt");
    const specs = await lab.ask("GET", "/labs/ada/api/kernelspecs");
    const logo = specs.body.kernelspecs.loralab.resources["logo-svg"];
    assert.equal((await lab.ask("GET", logo)).status, 200);
  });

  it("holds for WebSockets", async () => {
    const { body } = await lab.ask("POST", "/labs/ada/api/kernels", {});
    const headers = { Authorization: `token ${TOKEN}` };
    const channel = await Channel.to(`${lab.origin}/labs/ada`, body.id, headers);
    const request = channel.execute("console.log(6 * 7)");
    await channel.idle(request);
    channel.close();
    assert.equal(channel.text(request), "42\n");
    await assert.rejects(Channel.to(lab.origin, body.id, headers), /404/);
  });
});

describe("lab: what a JupyterHub says in the environment", () => {
  const env = {
    JUPYTERHUB_SERVICE_URL: "http://0.0.0.0:8888/user/ada/",
    JUPYTERHUB_SERVICE_PREFIX: "/user/ada/",
    JUPYTERHUB_USER: "ada",
    JUPYTERHUB_API_URL: "http://hub:8081/hub/api",
    JUPYTERHUB_API_TOKEN: "secret",
    JUPYTERHUB_ACTIVITY_URL: "http://hub:8081/hub/api/users/ada/activity",
    JUPYTERHUB_BASE_URL: "/",
    JUPYTERHUB_CLIENT_ID: "jupyterhub-user-ada",
    JUPYTERHUB_OAUTH_CALLBACK_URL: "/user/ada/oauth_callback",
    JUPYTERHUB_OAUTH_SCOPES: '["access:servers!user=ada"]',
  };

  it("is read whole, and what is missing is named", () => {
    const { ip, port, base, pages, scopes } = hubService(env);
    assert.deepEqual(
      { ip, port, base, pages, scopes },
      { ip: "0.0.0.0", port: 8888, base: "/user/ada/", pages: "/hub/", scopes: ["access:servers!user=ada"] },
    );
    for (const name of Object.keys(env))
      assert.throws(() => hubService({ ...env, [name]: undefined }), new RegExp(`${name} is not set`));
  });

  it("refuses a hub whose proxy would speak TLS with it", () => {
    const JUPYTERHUB_SERVICE_URL = "https://0.0.0.0:8888/user/ada/";
    assert.throws(() => hubService({ ...env, JUPYTERHUB_SERVICE_URL }), /internal_ssl = False/);
  });
});
