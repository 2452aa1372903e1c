/** The contents API: files as Jupyter's clients see them, and nothing lost when something goes wrong. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import { writeAtomic } from "../../lab/server/contents/atomic";
import { codeCell, notebook, saveNotebook, TOKEN, useLab } from "./support";

describe("lab: contents", () => {
  const lab = useLab();
  const get = (url: string) => lab.ask("GET", `/api/contents/${url}`);
  const putText = (name: string, content: string, fields: object = {}) =>
    lab.ask("PUT", `/api/contents/${encodeURIComponent(name)}`, {
      type: "file",
      format: "text",
      content,
      ...fields,
    });

  it("tells type, format and mimetype of text, of bytes, of notebooks and of folders", async () => {
    fs.writeFileSync(lab.file("a.csv"), "x,y\n");
    fs.writeFileSync(lab.file("a.ts"), "1");
    fs.writeFileSync(lab.file("a.bin"), Buffer.from([0xff, 0xfe, 0]));
    fs.mkdirSync(lab.file("sub"));
    await saveNotebook(lab, "a.ipynb", notebook());
    const seen = async (url: string) => {
      const { type, format, mimetype } = (await get(url)).body;
      return [type, format, mimetype];
    };
    assert.deepEqual(await seen("a.csv"), ["file", "text", "text/csv"]);
    assert.deepEqual(await seen("a.ts"), ["file", "text", "text/typescript"]);
    assert.deepEqual(await seen("a.bin"), ["file", "base64", "application/octet-stream"]);
    assert.deepEqual(await seen("a.ipynb"), ["notebook", "json", null]);
    assert.deepEqual(await seen("a.ipynb?type=file"), ["file", "text", "application/x-ipynb+json"]);
    assert.deepEqual(await seen("sub"), ["directory", "json", null]);
    assert.deepEqual(await seen("a.csv?content=0"), ["file", null, "text/csv"]);
    assert.equal((await get("a.bin")).body.content, "//4A");
    const { hash, hash_algorithm } = (await get("a.csv?content=0&hash=1")).body;
    assert.equal(hash_algorithm, "sha256");
    const [expected] = execFileSync("sha256sum", [lab.file("a.csv")], { encoding: "utf8" }).split(" ");
    assert.equal(hash, expected);
    const wrong = await get("a.bin?format=text");
    assert.deepEqual([wrong.status, wrong.body.reason], [400, "bad format"]);
    assert.equal((await get("a.csv?type=directory")).status, 400);
  });

  it("names new files Untitled, Untitled1 …, and copies -Copy1, -Copy2 …", async () => {
    const create = async (body: object) => (await lab.ask("POST", "/api/contents", body)).body.path;
    assert.equal(await create({ type: "notebook" }), "Untitled.ipynb");
    assert.equal(await create({ type: "notebook" }), "Untitled1.ipynb");
    assert.equal(await create({ type: "directory" }), "Untitled Folder");
    assert.equal(await create({ type: "directory" }), "Untitled Folder 1");
    assert.equal(await create({ type: "file", ext: ".md" }), "untitled.md");
    assert.equal(await create({ copy_from: "Untitled.ipynb" }), "Untitled-Copy1.ipynb");
    assert.equal(await create({ copy_from: "Untitled-Copy1.ipynb" }), "Untitled-Copy2.ipynb");
  });

  it("handles names with spaces, Unicode, percent signs and question marks", async () => {
    for (const name of [
      "a b.txt",
      "ñandú 実験.txt",
      "100%.txt",
      "a%20b.txt",
      "what?.txt",
      "c#d&e.txt",
      "x+y.txt",
    ]) {
      assert.equal((await putText(name, name)).status, 201, name);
      const { body } = await get(encodeURIComponent(name));
      assert.deepEqual([body.name, body.content], [name, name]);
      assert.equal((await lab.ask("GET", `/files/${encodeURIComponent(name)}`)).body, name);
    }
  });

  it("writes notebooks as nbformat does: sorted keys, one space of indent, texts as lines", async () => {
    const output = { output_type: "stream", name: "stdout", text: "a\nb\n" };
    await saveNotebook(lab, "lines.ipynb", notebook(codeCell("a", "x\ny", { outputs: [output] })));
    const text = fs.readFileSync(lab.file("lines.ipynb"), "utf8");
    assert.match(text, /^\{\n "cells": \[\n {2}\{\n {3}"cell_type": "code",/);
    const [cell] = JSON.parse(text).cells;
    assert.deepEqual(
      [cell.source, cell.outputs[0].text],
      [
        ["x\n", "y"],
        ["a\n", "b\n"],
      ],
    );
    const [read] = (await get("lines.ipynb")).body.content.cells;
    assert.deepEqual([read.source, read.outputs[0].text], ["x\ny", "a\nb\n"]);
  });

  it("carries long texts, which go in pieces, to the disk and back with every character whole", async () => {
    // Of two UTF-16 units and four bytes each, at odd places: some lie across every border between pieces.
    const source = `.${"\u{1F642}".repeat(200_000)}`;
    await saveNotebook(lab, "long.ipynb", notebook(codeCell("a", source)));
    assert.equal(JSON.parse(fs.readFileSync(lab.file("long.ipynb"), "utf8")).cells[0].source[0], source);
    const { content, hash } = (await get("long.ipynb?hash=1")).body;
    assert.equal(content.cells[0].source, source);
    assert.equal(content.cells[0].metadata.trusted, true);
    const [expected] = execFileSync("sha256sum", [lab.file("long.ipynb")], { encoding: "utf8" }).split(" ");
    assert.equal(hash, expected);
  });

  it("gives the cells of an older notebook the same ids at every reading", async () => {
    const { id: _, ...cell } = codeCell("", "1");
    fs.writeFileSync(lab.file("old.ipynb"), JSON.stringify({ ...notebook(cell, cell), nbformat_minor: 2 }));
    const ids = async () => (await get("old.ipynb")).body.content.cells.map((one: { id: string }) => one.id);
    assert.deepEqual(await ids(), ["cell-1", "cell-2"]);
    assert.deepEqual(await ids(), ["cell-1", "cell-2"]);
  });

  it("refuses what is not a notebook with what is wrong, and stores what is merely invalid with a warning", async () => {
    fs.writeFileSync(lab.file("broken.ipynb"), '{"cells": [');
    const broken = await get("broken.ipynb");
    assert.deepEqual([broken.status, broken.body.reason], [400, null]);
    assert.match(broken.body.message, /Unreadable Notebook: broken.ipynb: it is not JSON .*text editor/);
    assert.equal((await get("broken.ipynb?type=file&format=text")).body.content, '{"cells": [');
    fs.writeFileSync(lab.file("future.ipynb"), JSON.stringify({ ...notebook(), nbformat: 5 }));
    assert.match(
      (await get("future.ipynb")).body.message,
      /expected format 4, got 5\.5; a newer version may read it/,
    );
    fs.writeFileSync(lab.file("list.ipynb"), "[]");
    assert.match((await get("list.ipynb")).body.message, /it has no number "nbformat"/);
    assert.equal((await saveNotebook(lab, "broken.ipynb", [] as unknown as object)).status, 400);
    const twice = await saveNotebook(lab, "twice.ipynb", notebook(codeCell("a", ""), codeCell("a", "")));
    assert.equal(twice.status, 201);
    assert.match(
      twice.body.message,
      /was saved, but it is not valid: cell 2 has the id "a" of an earlier cell/,
    );
  });

  it("does not overwrite a file that has changed since it was opened", async () => {
    const { body } = await putText("shared.txt", "one");
    fs.writeFileSync(lab.file("shared.txt"), "another program");
    fs.utimesSync(lab.file("shared.txt"), new Date(), new Date(Date.now() + 5000));
    const conflict = await putText("shared.txt", "two", { last_modified: body.last_modified });
    assert.deepEqual([conflict.status, conflict.body.reason], [409, "conflict"]);
    assert.equal(fs.readFileSync(lab.file("shared.txt"), "utf8"), "another program");
    const { last_modified } = (await get("shared.txt")).body;
    assert.equal((await putText("shared.txt", "two", { last_modified })).status, 200);
  });

  it("renames, and never onto another file; deletes no folder that holds something", async () => {
    await putText("from.txt", "1");
    await putText("to.txt", "2");
    assert.equal((await lab.ask("PATCH", "/api/contents/from.txt", { path: "to.txt" })).status, 409);
    assert.equal(fs.readFileSync(lab.file("to.txt"), "utf8"), "2");
    assert.equal((await lab.ask("PATCH", "/api/contents/none.txt", { path: "x.txt" })).status, 404);
    fs.mkdirSync(lab.file("full"));
    fs.writeFileSync(lab.file("full", "a.txt"), "");
    const full = await lab.ask("DELETE", "/api/contents/full");
    assert.deepEqual([full.status, fs.existsSync(lab.file("full", "a.txt"))], [400, true]);
    assert.match(full.body.message, /the folder is not empty/);
    assert.equal((await lab.ask("DELETE", "/api/contents")).status, 400);
  });

  it("does not serve hidden files, unless asked to when it was started", async () => {
    fs.writeFileSync(lab.file(".env"), "KEY=secret");
    fs.mkdirSync(lab.file(".git"));
    fs.writeFileSync(lab.file(".git", "config"), "");
    for (const url of ["/api/contents/.env", "/files/.env", "/files/.git/config", "/api/contents/.git"])
      assert.equal((await lab.ask("GET", url)).status, 404, url);
    assert.equal((await putText(".bashrc", "")).status, 404);
    const names = (await get("")).body.content.map(({ name }: { name: string }) => name);
    assert.ok(!names.some((name: string) => name.startsWith(".")));
  });

  it("takes a file in parts, which replace the old one only when all have come", async () => {
    await putText("big.bin", "old");
    const part = (chunk: number, text: string) =>
      putText("big.bin", Buffer.from(text).toString("base64"), { format: "base64", chunk });
    assert.equal((await part(1, "one")).status, 200);
    assert.equal((await part(2, "two")).status, 200);
    assert.equal(fs.readFileSync(lab.file("big.bin"), "utf8"), "old");
    assert.match((await part(4, "four")).body.message, /expected part 3 of the upload, got 4/);
    assert.equal((await part(-1, "three")).status, 200);
    assert.equal(fs.readFileSync(lab.file("big.bin"), "utf8"), "onetwothree");
    assert.match((await part(2, "late")).body.message, /expected part 1/);
    assert.equal((await putText("big.bin", "not base64!", { format: "base64" })).status, 400);
  });

  it("refuses a gigabyte in one request at once, without reading it", async () => {
    const before = process.memoryUsage().rss;
    const status = await new Promise((resolve, reject) => {
      const request = http.request(`${lab.origin}/api/contents/huge.bin`, {
        method: "PUT",
        headers: { Authorization: `token ${TOKEN}`, "Content-Length": 2 ** 30 },
      });
      request.on("response", (response) => {
        response.resume();
        request.destroy();
        resolve(response.statusCode);
      });
      request.on("error", reject);
      request.write(Buffer.alloc(2 ** 20));
    });
    assert.equal(status, 413);
    assert.ok(process.memoryUsage().rss - before < 200 * 2 ** 20);
    assert.ok(!fs.existsSync(lab.file("huge.bin")));
    assert.equal((await lab.ask("PUT", "/api/contents/a.txt", "{")).status, 400);
    assert.equal((await lab.ask("PUT", "/api/contents/a.txt", "[]")).status, 400);
    assert.equal((await lab.ask("GET", "/api/status")).status, 200);
  });

  it("answers a path that no file can have, and one that is too long, with what is wrong", async () => {
    assert.match((await get("a%00b")).body.message, /null character/);
    const long = await putText(`${"x".repeat(300)}.txt`, "");
    assert.deepEqual([long.status, long.body.reason], [400, "ENAMETOOLONG"]);
    assert.match(
      (await get("no/such/file.txt")).body.message,
      /cannot open no\/such\/file.txt: no such file or folder/,
    );
    assert.match(
      (await putText("none/a.txt", "")).body.message,
      /cannot save none\/a.txt: no such file or folder/,
    );
    assert.equal((await lab.ask("PUT", "/api/contents/a.txt", { type: "thing" })).status, 400);
  });

  it("leaves the old file and no rest when the disk is full", async () => {
    await putText("precious.txt", "precious");
    const { open } = fs.promises;
    // Every write of this file system says what a full disk says.
    fs.promises.open = async (...args) => {
      const handle = await open(...args);
      handle.writeFile = () => Promise.reject(Object.assign(new Error("no space"), { code: "ENOSPC" }));
      return handle;
    };
    try {
      const full = await putText("precious.txt", "new");
      assert.deepEqual([full.status, full.body.reason], [507, "ENOSPC"]);
      assert.match(
        full.body.message,
        /cannot save precious.txt: the disk is full; what was there before is unchanged/,
      );
      assert.equal((await putText("fresh.txt", "new")).status, 507);
    } finally {
      fs.promises.open = open;
    }
    assert.equal(fs.readFileSync(lab.file("precious.txt"), "utf8"), "precious");
    const rest = fs.readdirSync(lab.root).filter((name) => name.includes(".tmp") || name === "fresh.txt");
    assert.deepEqual(rest, []);
  });

  it("says so when a folder cannot be written, as any user but root meets it", async function () {
    if (process.getuid?.() === 0) this.skip(); // root may write anywhere
    fs.mkdirSync(lab.file("locked"), { mode: 0o555 });
    const { status, body } = await putText("locked/a.txt", "");
    assert.deepEqual([status, body.reason], [403, "EACCES"]);
    assert.match(body.message, /permission denied/);
  });

  it("keeps a file's permissions, and writes through a link that stays inside", async () => {
    fs.writeFileSync(lab.file("script.sh"), "", { mode: 0o755 });
    fs.symlinkSync(lab.file("script.sh"), lab.file("alias.sh"));
    assert.equal((await putText("alias.sh", "echo")).status, 200);
    assert.ok(fs.lstatSync(lab.file("alias.sh")).isSymbolicLink());
    assert.equal(fs.statSync(lab.file("script.sh")).mode & 0o777, 0o755);
    assert.equal(fs.readFileSync(lab.file("script.sh"), "utf8"), "echo");
    await assert.rejects(writeAtomic(lab.file("none", "a"), ""), /ENOENT/);
  });

  it("sends parts of a file and nothing that the browser has", async () => {
    fs.writeFileSync(lab.file("digits.txt"), "0123456789");
    const part = async (Range: string) => lab.ask("GET", "/files/digits.txt", undefined, { Range });
    assert.deepEqual([(await part("bytes=2-4")).status, (await part("bytes=2-4")).body], [206, "234"]);
    assert.equal((await part("bytes=-3")).body, "789");
    assert.equal((await part("bytes=20-")).status, 416);
    const { headers } = await lab.ask("GET", "/files/digits.txt");
    const again = await lab.ask("GET", "/files/digits.txt", undefined, {
      "If-None-Match": headers.get("etag")!,
    });
    assert.equal(again.status, 304);
    const download = await lab.ask("GET", "/files/digits.txt?download=1");
    assert.equal(download.headers.get("content-disposition"), "attachment; filename*=UTF-8''digits.txt");
  });
});

describe("lab: contents with hidden files shown", () => {
  const lab = useLab({ showHidden: true });

  it("serves and lists them", async () => {
    fs.writeFileSync(lab.file(".env"), "A=1");
    assert.equal((await lab.ask("GET", "/api/contents/.env")).body.content, "A=1");
    assert.deepEqual((await lab.ask("GET", "/api/contents")).body.content[0].name, ".env");
  });
});
