import assert from "node:assert/strict";
import { Figure } from "../../src/display";
import { GREY_TEXT } from "../../src/display/figure";
import { html } from "../../src/display/html";
import { contrast } from "./colour";

const figure = (layout: Record<string, unknown>): any =>
  new Figure([{ x: [1], y: [1] }], layout, { text: "", html: html`` }).layout;

describe("a figure's layout", () => {
  it("breaks a long title between words and makes room for its lines", () => {
    const short = figure({ title: { text: "a finding" } });
    const long = figure({ title: "a finding in many words ".repeat(8).trim() });
    const lines = long.title.text.split("<br>");
    assert.equal(lines.length, 2);
    assert.equal(lines.join(" "), "a finding in many words ".repeat(8).trim());
    assert.equal(long.height - short.height, long.margin.t - short.margin.t);
    assert.ok(long.height > short.height);
    assert.equal(figure({ title: "one<br>two" }).title.text, "one<br>two");
  });

  it("breaks the title of an axis that is shorter than it, and keeps what else the axis says", () => {
    const { yaxis, yaxis2, xaxis } = figure({
      xaxis: { title: { text: "a title along an axis that has the whole width of the page" } },
      yaxis: { title: { text: "loss" }, domain: [0.5, 1] },
      yaxis2: { title: { text: "intruders, same size at random" }, domain: [0, 0.3], rangemode: "tozero" },
    });
    assert.equal(yaxis.title.text, "loss");
    assert.match(yaxis2.title.text, /^intruders,<br>/);
    assert.equal(yaxis2.rangemode, "tozero");
    assert.doesNotMatch(xaxis.title.text, /<br>/);
  });

  it("puts a legend below the axes equally far from them whatever the height", () => {
    const below = (height: number) => figure({ height, legend: { orientation: "h", x: 0, y: -0.2 } });
    const pixels = [340, 900].map((height) => {
      const { legend, margin } = below(height);
      return legend.y * (height - margin.t - margin.b - 40);
    });
    assert.ok(Math.abs(pixels[0]! - pixels[1]!) < 1e-9 && pixels[0]! < -40, String(pixels));
    assert.equal(figure({ legend: { x: 1, y: 1 } }).legend.y, 1);
  });

  it("has text that can be read on white and on near-black, as no page is known: 4.3:1 on both", () => {
    for (const page of ["#ffffff", "#111111"]) assert.ok(contrast(GREY_TEXT, page) > 4.3);
  });
});
