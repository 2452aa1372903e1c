import assert from "node:assert/strict";
import { card, html, table } from "../../src/display/html";

describe("html", () => {
  it("escapes text, keeps markup, joins lists and leaves undefined out", () => {
    const inner = html`<b>${"a & b"}</b>`;
    assert.equal(
      html`<p>${'<script>"x"</script>'}</p>`.source,
      "<p>&lt;script&gt;&quot;x&quot;&lt;/script&gt;</p>",
    );
    assert.equal(html`<p>${[inner, 7, undefined]}</p>`.source, "<p><b>a &amp; b</b>7</p>");
  });

  it("makes tables whose cells are escaped", () => {
    const made = table([{ head: "name" }, { head: "n", number: true }], [{ cells: ["<i>", 3] }]).source;
    assert.match(made, /<td align="left">&lt;i&gt;<\/td><td class="n" align="right">3<\/td>/);
  });

  it("uses nothing from outside and no script", () => {
    assert.doesNotMatch(card(html`<p>x</p>`).source, /<script|https?:|url\(/);
  });
});
