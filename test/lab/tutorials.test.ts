/** The shelf of tutorials, and notebooks as other files. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { packageRoot } from "../../kernel/entry";
import { exportNotebook } from "../../lab/export";
import { codeCell, notebook, saveNotebook, useLab } from "./support";

const NAME = "00-tour";
const ORIGINAL = path.join(packageRoot(), "notebooks", `${NAME}.ipynb`);

describe("lab: tutorials", () => {
  const lab = useLab();
  const copy = () => lab.file("loralab-tutorials", `${NAME}.ipynb`);
  const shelf = async () =>
    (await lab.ask("GET", "/lab/api/tutorials")).body.find((one: any) => one.name === NAME);
  const ask = (name: string, what: string) => lab.ask("POST", `/lab/api/tutorials/${name}/${what}`);

  it("stand on the shelf with title, summary and progress", async () => {
    const { title, summary, path: apiPath, progress } = await shelf();
    assert.equal(apiPath, `loralab-tutorials/${NAME}.ipynb`);
    assert.match(title, /A tour of the notebook/);
    assert.ok(summary.length > 20 && !summary.startsWith("#"));
    const code = JSON.parse(fs.readFileSync(ORIGINAL, "utf8")).cells.filter(
      (cell: any) => cell.cell_type === "code",
    );
    assert.deepEqual(progress, { opened: false, run: 0, of: code.length });
  });

  it("open as a copy in the user's folder, once; what the user did there stays", async () => {
    const before = fs.readFileSync(ORIGINAL);
    const opened = await ask(NAME, "open");
    assert.deepEqual([opened.status, opened.body.path], [201, `loralab-tutorials/${NAME}.ipynb`]);
    const { content } = (await lab.ask("GET", `/api/contents/${opened.body.path}`)).body;
    const cell = content.cells.find((one: any) => one.cell_type === "code");
    Object.assign(cell, { source: "1 + 1", execution_count: 1, outputs: [] });
    await saveNotebook(lab, opened.body.path, content);
    assert.equal((await ask(NAME, "open")).status, 200);
    assert.match(fs.readFileSync(copy(), "utf8"), /"1 \+ 1"/);
    assert.deepEqual(fs.readFileSync(ORIGINAL), before);
    const { progress } = await shelf();
    assert.deepEqual([progress.opened, progress.run], [true, 1]);
  });

  it("are reset to what was shipped, and what the user had is kept beside", async () => {
    const mine = fs.readFileSync(copy(), "utf8");
    const reset = await ask(NAME, "reset");
    assert.equal(reset.body.backup, `loralab-tutorials/${NAME}-before-reset.ipynb`);
    assert.equal(fs.readFileSync(lab.file(reset.body.backup), "utf8"), mine);
    assert.doesNotMatch(fs.readFileSync(copy(), "utf8"), /"1 \+ 1"/);
    assert.equal((await ask(NAME, "reset")).body.backup, null, "nothing was changed since");
    fs.writeFileSync(copy(), "{ not a notebook");
    assert.equal((await ask(NAME, "reset")).body.backup, `loralab-tutorials/${NAME}-before-reset-2.ipynb`);
  });

  it("are only those on the shelf", async () => {
    for (const name of ["none", "..%2fpackage", "..%2f..%2fetc%2fpasswd", "%00"])
      for (const what of ["open", "reset"]) assert.equal((await ask(name, what)).status, 404, name);
  });
});

describe("lab: memory of the machine", () => {
  const lab = useLab();

  it("is told for the server and for each kernel with its notebook", async () => {
    const session = await lab.ask("POST", "/api/sessions", { path: "a.ipynb", type: "notebook" });
    const { body } = await lab.ask("GET", "/lab/api/machine");
    assert.ok(body.server > 10e6 && body.total >= body.free);
    assert.deepEqual(
      body.kernels.map(({ id, path }: any) => [id, path]),
      [[session.body.kernel.id, "a.ipynb"]],
    );
    // A process that has just begun is still small.
    const grown = async () => (await lab.ask("GET", "/lab/api/machine")).body.kernels[0].memory > 10e6;
    if (process.platform === "linux") while (!(await grown())) await delay(50);
    await lab.ask("DELETE", `/api/sessions/${session.body.id}`);
  });
});

describe("lab: exported notebooks", () => {
  const none = { name: "untitled", readImage: async () => undefined };
  const html = async (...cells: object[]) =>
    (await exportNotebook(notebook(...cells) as any, "html", none)).text;
  const prose = (source: string, fields = {}) => ({
    id: "p",
    cell_type: "markdown",
    metadata: {},
    source,
    ...fields,
  });
  const shows = (data: object) =>
    codeCell("a", "x", { outputs: [{ output_type: "display_data", metadata: {}, data }] });
  const figure = {
    "application/vnd.plotly.v1+json": { data: [{ y: [1, 2] }], layout: { title: { text: "</script>" } } },
  };

  it("are a script that runs: code in order, prose as comments, a mark where a cell begins", async () => {
    const cells = [
      prose("# Title\n\ntext"),
      codeCell("a", "const a = 1;"),
      codeCell("b", "console.log(a);\n"),
    ];
    const { text, extension } = await exportNotebook(notebook(...cells) as any, "script", none);
    assert.equal(extension, ".ts");
    assert.equal(
      text,
      "// %% [markdown]\n// # Title\n//\n// text\n\n// %%\nconst a = 1;\n\n// %%\nconsole.log(a);\n",
    );
    const python = {
      ...notebook(prose("hi")),
      metadata: { language_info: { name: "python", file_extension: ".py" } },
    };
    assert.deepEqual(await exportNotebook(python as any, "script", none), {
      text: "# %% [markdown]\n# hi\n",
      extension: ".py",
    });
  });

  it("set formulas and leave money alone", async () => {
    const text = await html(prose("It costs $5 or $6.\n\n$W + BA$ and\n\n$$\\Delta W = BA$$"));
    assert.match(text, /It costs \$5 or \$6\./);
    assert.equal(text.match(/<annotation encoding="application\/x-tex">/g)!.length, 2);
    assert.match(text, /class="katex-display"/);
    assert.match(text, /src:url\(data:font\/woff2;base64,/);
    assert.doesNotMatch(text, /url\(fonts\//);
    assert.doesNotMatch(await html(prose("no formula")), /katex/);
  });

  it("keep hints folded, with the Markdown in them", async () => {
    const text = await html(prose("<details><summary>Hint 1</summary>\n\n**Look** at `B`.\n\n</details>"));
    assert.match(text, /<details><summary>Hint 1<\/summary>\s*<p><strong>Look<\/strong> at <code>B<\/code>/);
  });

  it("hold plotly once for all figures, as data, and need nothing from the network", async () => {
    const text = await html(shows(figure), shows(figure));
    assert.equal(text.match(/id="plotly"/g)!.length, 1);
    assert.ok(text.length < 5e6, `${text.length}`);
    assert.doesNotMatch(
      text.replace(/<script type="text\/plain"[\s\S]*?<\/script>/, ""),
      /<(script|link|img)[^>]+(src|href)="http/,
    );
    const [, figures] = /id="figures">([\s\S]*?)<\/script>/.exec(text)!;
    assert.equal(JSON.parse(figures!).length, 2);
    assert.equal(JSON.parse(figures!)[0].layout.title.text, "</script>");
    assert.doesNotMatch(await html(codeCell("a", "1")), /plotly/);
  });

  it("let no script of an output run", async () => {
    const attack = shows({ "text/html": "<script>steal()</script><img src=x onerror=steal()>" });
    const policy = (text: string) => /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(text)![1]!;
    assert.match(policy(await html(attack)), /default-src 'none'; script-src 'none';/);
    const withFigure = policy(await html(attack, shows(figure)));
    assert.match(withFigure, /script-src 'sha256-[^']+' 'sha256-[^']+' 'unsafe-eval';/);
    assert.doesNotMatch(withFigure, /script-src[^;]*'unsafe-inline'/);
    assert.match(
      await html(shows({ "image/svg+xml": "<svg onload='steal()'/>" })),
      /<img alt="" src="data:image\/svg\+xml;base64,/,
    );
  });

  it("show text as a terminal does, escaped, and code with its parts marked", async () => {
    const stream = {
      output_type: "stream",
      name: "stdout",
      text: "0 %\r100 %\n\u001b[31mred\u001b[39m <b>&",
    };
    const text = await html(
      codeCell("a", "const a: string = '<b>';", { outputs: [stream], execution_count: 7 }),
    );
    assert.match(
      text,
      /<pre class="stdout">100 %\n<span style="color:rgb\(187, 0, 0\)">red<\/span> &lt;b&gt;&amp;<\/pre>/,
    );
    assert.match(text, /<span class="tok-keyword">const<\/span>/);
    assert.match(text, /'&lt;b&gt;'/);
    assert.match(text, /\[7\]/);
  });

  it("bring images with them: attached ones, and files beside the notebook", async () => {
    const attached = prose("![a](attachment:a.png)", { attachments: { "a.png": { "image/png": "AAAA" } } });
    assert.match(await html(attached), /src="data:image\/png;base64,AAAA"/);
    const readImage = async (file: string) => (file === "b c.svg" ? Buffer.from("<svg/>") : undefined);
    const { text } = await exportNotebook(notebook(prose("![b](b%20c.svg)")) as any, "html", {
      name: "n",
      readImage,
    });
    assert.match(text, /src="data:image\/svg\+xml;base64,PHN2Zy8\+"/);
  });
});

describe("lab: exports over HTTP", () => {
  const lab = useLab();

  it("are offered, downloaded, and refused for what is not a notebook", async () => {
    await saveNotebook(lab, "é.ipynb", notebook(codeCell("a", "1")));
    assert.deepEqual(Object.keys((await lab.ask("GET", "/api/nbconvert")).body), ["html", "script"]);
    const page = await lab.ask("GET", "/nbconvert/html/%C3%A9.ipynb?download=true");
    assert.equal(page.headers.get("content-disposition"), "attachment; filename*=UTF-8''%C3%A9.html");
    assert.equal(page.headers.get("content-security-policy"), "sandbox allow-scripts");
    assert.match(page.body, /^<!doctype html>/);
    assert.equal((await lab.ask("GET", "/nbconvert/script/%C3%A9.ipynb")).body, "// %%\n1\n");
    assert.equal((await lab.ask("GET", "/nbconvert/pdf/%C3%A9.ipynb")).status, 400);
    assert.equal((await lab.ask("GET", "/nbconvert/html/none.ipynb")).status, 404);
  });
});
