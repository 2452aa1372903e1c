/** A saved notebook read where no figure is drawn and styles are taken out, as on GitHub: everything is told still. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runNotebook } from "../../kernel/notebooks";
import { GALLERY } from "../browser/gallery";
import { reference } from "./python";

describe("a saved notebook on other pages", function () {
  this.timeout(900_000);
  const folder = mkdtempSync(join(tmpdir(), "loralab-pages-"));
  let shown: Record<string, { type: string; content: string }[]>;
  let page: string;
  before(async () => {
    const file = join(folder, "gallery.ipynb");
    const cells = GALLERY.map(([id, source]) => ({
      ...{ cell_type: "code", id, source, metadata: {}, execution_count: null, outputs: [] },
    }));
    const kernelspec = { name: "loralab", display_name: "TypeScript (loralab)", language: "typescript" };
    writeFileSync(file, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: { kernelspec }, cells }));
    const { failure } = await runNotebook(file, { out: file });
    assert.equal(failure, undefined);
    const pages = reference("pages_reference.py", file);
    shown = JSON.parse(readFileSync(join(pages, "cells.json"), "utf8"));
    page = readFileSync(join(pages, "page.html"), "utf8");
    rmSync(pages, { recursive: true });
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const [name] of GALLERY)
    it(`tells its ${name} by words, a table or a picture with a text`, () => {
      const outputs = shown[name]!;
      assert.ok(outputs.length > 0, "nothing is shown");
      const images = outputs.flatMap(({ content }) => content.match(/<img [^>]*>/g) ?? []);
      for (const image of images) {
        assert.match(image, /src="data:image\/svg\+xml;base64,[A-Za-z0-9+/=]+"/);
        assert.match(image, /alt="[^"]{10,}"/, "a picture without a text");
      }
      const words = outputs
        .map(({ type, content }) => (type === "text/html" ? content.replace(/<[^>]*>/g, " ") : content))
        .join("\n");
      assert.ok(words.trim().length >= 5, "no words");
      assert.doesNotMatch(words, /undefined|\[object|font-family|var\(--/);
    });

  it("has its pictures in nbconvert's page, which asks for no drawing of Plotly", () => {
    assert.ok((page.match(/<img [^>]*src="data:image\/svg/g) ?? []).length >= 8);
    assert.ok(!/Plotly\.newPlot|<div[^>]*data-mime-type="application\/vnd.plotly/.test(page));
  });
});
