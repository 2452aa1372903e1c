/** Each test is an attack: what another page, another program or a crafted file would try. */
import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import WebSocket from "ws";
import { Security } from "../../lab/server/security";
import { codeCell, notebook, saveNotebook, TOKEN, temporaryFolder, useLab } from "./support";

interface Raw {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

describe("lab: security", () => {
  const lab = useLab();

  /** A request whose path and headers go out as they are; no header is added but Host. */
  function raw(method: string, url: string, headers: Record<string, string> = {}, body = ""): Promise<Raw> {
    return new Promise((resolve, reject) => {
      const length = body ? { "Content-Length": String(Buffer.byteLength(body)) } : {};
      const request = http.request(
        { host: "127.0.0.1", port: lab.server.port, method, path: url, headers: { ...length, ...headers } },
        (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk) => {
            text += chunk;
          });
          response.on("end", () =>
            resolve({ status: response.statusCode!, headers: response.headers, body: text }),
          );
        },
      );
      request.on("error", reject).end(body);
    });
  }

  /** How the upgrade to a WebSocket is answered: 101 or why not. */
  function upgrade(url: string, headers: Record<string, string>): Promise<number> {
    return new Promise((resolve) => {
      const socket = new WebSocket(`${lab.origin.replace("http", "ws")}${url}`, { headers });
      socket.on("open", () => {
        socket.close();
        resolve(101);
      });
      socket.on("unexpected-response", (_, response) => resolve(response.statusCode!));
      socket.on("error", () => {});
    });
  }

  /** What a browser holds after it opened the printed address. */
  async function login(): Promise<{ cookie: string; xsrf: string; set: string[] }> {
    const { status, headers } = await raw("GET", `/lab?token=${TOKEN}`);
    assert.equal(status, 302);
    const set = headers["set-cookie"]!;
    const cookie = set.map((one) => one.split(";")[0]).join("; ");
    return { cookie, xsrf: /_xsrf=([^;]+)/.exec(cookie)![1]!, set };
  }

  it("answers nothing but the login page without the token, and compares it whole", async () => {
    for (const url of [
      "/api/contents",
      "/api/status",
      "/api/kernels",
      "/files/a",
      "/lab/api/machine",
      "/static/lab.js",
    ])
      assert.equal((await raw("GET", url)).status, 403, url);
    for (const token of ["", TOKEN.slice(0, -1), `${TOKEN}x`, TOKEN.toUpperCase()])
      assert.equal((await raw("GET", "/api/status", { Authorization: `token ${token}` })).status, 403, token);
    const page = await raw("GET", "/lab");
    assert.equal(page.status, 403);
    assert.match(page.body, /Open the whole address that/);
    assert.ok(!page.body.includes(TOKEN));
  });

  it("gives the browser a cookie that scripts cannot read and other sites do not send, and hides the token", async () => {
    const { set, cookie } = await login();
    const [key, xsrf] = set as [string, string];
    assert.match(key, /^loralab-\d+=[0-9a-f]{64}; HttpOnly; Path=\/; SameSite=Strict$/);
    assert.match(xsrf, /^_xsrf=[0-9a-f]{32}; Path=\/; SameSite=Strict$/);
    assert.ok(!set.join().includes(TOKEN));
    const answer = await raw("GET", `/lab/tree/a.ipynb?token=${TOKEN}&reset`);
    assert.equal(answer.headers.location, "/lab/tree/a.ipynb?reset=");
    assert.equal((await raw("GET", "/api/status", { Cookie: cookie })).status, 200);
    assert.equal((await raw("GET", "/lab", { Cookie: cookie })).headers["referrer-policy"], "no-referrer");
  });

  it("refuses a request that is addressed to another name (DNS rebinding)", async () => {
    for (const host of ["evil.example", `evil.example:${lab.server.port}`, "127.0.0.1:1", "localhost"])
      assert.equal((await raw("GET", `/api/status?token=${TOKEN}`, { Host: host })).status, 403, host);
    for (const name of ["localhost", "127.0.0.1", "[::1]"])
      assert.equal(
        (await raw("GET", `/api/status?token=${TOKEN}`, { Host: `${name}:${lab.server.port}` })).status,
        200,
        name,
      );
  });

  it("open to the network, it may be called by any address but by no stranger's name", () => {
    const security = new Security({ token: "t", ip: "0.0.0.0", port: 80, base: "/" });
    const check = (host: string) =>
      security.checkSource({
        method: "GET",
        header: (name) => (name === "host" ? host : undefined),
        query: new URLSearchParams(),
      });
    check("192.168.1.7");
    check("localhost:80");
    assert.throws(() => check("evil.example"), /this server is not called evil.example/);
  });

  it("refuses what another site's page asks for, with the cookie and with the token", async () => {
    const { cookie } = await login();
    const other = `http://127.0.0.1:${lab.server.port + 1}`; // another program's page on this machine: the same site
    for (const origin of ["https://evil.example", other, "null"]) {
      assert.equal(
        (await raw("POST", "/api/contents", { Cookie: cookie, Origin: origin }, "{}")).status,
        403,
      );
      assert.equal((await raw("GET", `/api/status?token=${TOKEN}`, { Origin: origin })).status, 403);
    }
    assert.equal(
      (await raw("GET", "/api/status", { Cookie: cookie, "Sec-Fetch-Site": "cross-site" })).status,
      403,
    );
  });

  it("lets a cookie alone change nothing: a change needs our own page's origin, or the _xsrf value", async () => {
    const { cookie, xsrf } = await login();
    const post = (headers: Record<string, string>) =>
      raw("POST", "/api/contents", { Cookie: cookie, ...headers }, '{"type":"file"}');
    assert.equal((await post({})).status, 403);
    assert.equal((await post({ "X-XSRFToken": "0".repeat(32) })).status, 403);
    assert.equal((await raw("DELETE", "/api/contents/a", { Cookie: cookie })).status, 403);
    assert.equal((await post({ "X-XSRFToken": xsrf })).status, 201);
    assert.equal((await post({ Origin: lab.origin })).status, 201);
    assert.equal((await post({ "Sec-Fetch-Site": "same-origin" })).status, 201);
  });

  it("checks a WebSocket as it checks a request, before the upgrade", async () => {
    const { cookie } = await login();
    const { body } = await lab.ask("POST", "/api/kernels", {});
    const url = `/api/kernels/${body.id}/channels`;
    assert.equal(await upgrade(url, {}), 403);
    assert.equal(await upgrade(url, { Cookie: cookie, Origin: "https://evil.example" }), 403);
    assert.equal(await upgrade(url, { Authorization: `token ${TOKEN}`, Origin: "http://127.0.0.1:1" }), 403);
    assert.equal(await upgrade(`${url}?token=${TOKEN}`, { Host: "evil.example" }), 403);
    assert.equal(await upgrade(`/api/kernels/none/channels?token=${TOKEN}`, {}), 404);
    assert.equal(await upgrade(`/elsewhere?token=${TOKEN}`, {}), 404);
    assert.equal(await upgrade(url, { Cookie: cookie, Origin: lab.origin }), 101);
    await lab.ask("DELETE", `/api/kernels/${body.id}`);
  });

  it("never leaves the root folder, by dots, encodings, absolute paths or links", async () => {
    const outside = temporaryFolder();
    const secret = path.join(outside, "secret.txt");
    fs.writeFileSync(secret, "secret");
    fs.symlinkSync(secret, lab.file("link.txt"));
    fs.symlinkSync(outside, lab.file("folder"));
    fs.symlinkSync(path.join(outside, "new.txt"), lab.file("dangling.txt"));
    const up = "../".repeat(12);
    const paths = [
      `${up}${secret}`,
      encodeURIComponent(`${up}${secret}`),
      `..%2f..%2f..%2f..${secret}`,
      `%2e%2e/%2e%2e/%2e%2e${secret}`,
      `..%252f..${secret}`,
      secret,
      "link.txt",
      "folder/secret.txt",
    ];
    for (const one of paths)
      for (const url of [
        "/api/contents/",
        "/files/",
        "/nbconvert/html/",
        "/static/",
        "/kernelspecs/loralab/",
      ]) {
        const { status, body } = await raw("GET", `${url}${one}`, { Authorization: `token ${TOKEN}` });
        assert.ok(
          status >= 400 && !body.includes('"secret"') && body !== "secret",
          `${url}${one}: ${status}`,
        );
      }
    const file = { type: "file", format: "text", content: "changed" };
    for (const one of ["link.txt", "folder/secret.txt", "dangling.txt", "folder/new.txt"]) {
      assert.equal((await lab.ask("PUT", `/api/contents/${one}`, file)).status, 404, one);
      assert.equal((await lab.ask("POST", "/api/contents", { copy_from: one })).status, 404, one);
    }
    assert.equal((await lab.ask("PATCH", "/api/contents/link.txt", { path: "../moved" })).status, 404);
    assert.equal(
      (await lab.ask("POST", "/api/sessions", { path: "folder/a", type: "notebook" })).status,
      404,
    );
    assert.deepEqual([fs.readFileSync(secret, "utf8"), fs.readdirSync(outside)], ["secret", ["secret.txt"]]);
    const listed = (await lab.ask("GET", "/api/contents")).body.content.map(
      ({ name }: { name: string }) => name,
    );
    assert.ok(
      !listed.includes("link.txt") && !listed.includes("folder"),
      "links out of the root are not listed",
    );
  });

  it("serves the user's files as another site's: their scripts have no cookie, and no type is guessed", async () => {
    fs.writeFileSync(lab.file("page.html"), "<script>fetch('/api/contents')</script>");
    const { headers } = await lab.ask("GET", "/files/page.html");
    assert.equal(headers.get("content-security-policy"), "sandbox allow-scripts");
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    const page = await lab.ask("GET", "/lab");
    assert.match(page.headers.get("content-security-policy")!, /frame-ancestors 'self'/);
  });

  it("writes what it keeps for its user alone: connection files, the key of trust", async () => {
    const { body } = await lab.ask("POST", "/api/kernels", {});
    const { connection } = (lab.server.lab.kernels.get(body.id) as any).process;
    assert.deepEqual([connection.ip, connection.signature_scheme], ["127.0.0.1", "hmac-sha256"]);
    assert.ok(connection.key.length >= 32);
    await saveNotebook(lab, "own.ipynb", notebook());
    for (const file of ["trust", "trust/key", "trust/signatures"])
      assert.equal(fs.statSync(path.join(lab.data, file)).mode & 0o077, 0, file);
    await lab.ask("DELETE", `/api/kernels/${body.id}`);
  });

  describe("trust", () => {
    const html = {
      output_type: "display_data",
      data: { "text/html": "<script>steal()</script>" },
      metadata: {},
    };
    const trusted = async (name: string) =>
      (await lab.ask("GET", `/api/contents/${name}`)).body.content.cells.map(
        (cell: any) => cell.metadata.trusted,
      );

    it("is not given to a notebook that was put into the folder, nor to a copy of its claim", async () => {
      const cell = codeCell("a", "", { outputs: [html], metadata: { trusted: true } });
      fs.writeFileSync(lab.file("foreign.ipynb"), JSON.stringify(notebook(cell)));
      assert.deepEqual(await trusted("foreign.ipynb"), [false]);
      const uploaded = { type: "file", format: "text", content: JSON.stringify(notebook(cell)) };
      await lab.ask("PUT", "/api/contents/uploaded.ipynb", uploaded);
      assert.deepEqual(await trusted("uploaded.ipynb"), [false]);
    });

    it("is given when all outputs were made here, kept by saving, and lost by a change from outside", async () => {
      const made = codeCell("a", "1", { outputs: [html], metadata: { trusted: true } });
      await saveNotebook(lab, "mine.ipynb", notebook(made));
      assert.deepEqual(await trusted("mine.ipynb"), [true]);
      const text = fs.readFileSync(lab.file("mine.ipynb"), "utf8");
      assert.ok(!text.includes("trusted"), "the mark is not in the file");
      fs.writeFileSync(lab.file("mine.ipynb"), text.replace("steal", "steal2"));
      assert.deepEqual(await trusted("mine.ipynb"), [false]);
      const mixed = notebook(made, codeCell("b", "2", { outputs: [html], metadata: { trusted: false } }));
      await saveNotebook(lab, "mixed.ipynb", mixed);
      assert.deepEqual(await trusted("mixed.ipynb"), [false, false]);
    });

    it("holds for the tutorials that come with the package", async () => {
      const [tutorial] = (await lab.ask("GET", "/lab/api/tutorials")).body;
      const opened = await lab.ask("POST", `/lab/api/tutorials/${tutorial.name}/open`);
      assert.ok(
        (await trusted(opened.body.path)).filter((mark: unknown) => mark !== undefined).every(Boolean),
      );
    });
  });
});
