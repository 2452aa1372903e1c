import assert from "node:assert/strict";
import { frameBundle, isFrame } from "../../kernel/child/frames";

/** What danfo's DataFrame and Series have of it. */
function frame(columns: string[], values: unknown[], index: (string | number)[] = [...values.keys()]) {
  const made = { columns, values, index, shape: [values.length, columns.length], print() {} };
  assert.ok(isFrame(made));
  return frameBundle(made) as { "text/plain": string; "text/html": string };
}
/** The cells of one column as they are written. */
const column = (values: unknown[]) =>
  [
    ...frame(
      ["x"],
      values.map((value) => [value]),
    )["text/html"].matchAll(/<td[^>]*>([^<]*)<\/td>/g),
  ].map(([, text]) => text);

describe("kernel: data frames", () => {
  it("group the thousands of whole numbers", () => {
    assert.deepEqual(column([6738415616, 42]), ["6,738,415,616", "42"]);
  });

  it("give a column the decimals that its largest number needs for five digits, and none that are zero in all", () => {
    assert.deepEqual(column([1.23456789, 0.5]), ["1.2346", "0.5000"]);
    assert.deepEqual(column([0.975, 1, 0.5]), ["0.975", "1.000", "0.500"]);
    assert.deepEqual(column([12345.678, 2.5]), ["12,346", "2.5"]);
    assert.deepEqual(column([0.00001, 0.001]), ["0.00001", "0.00100"]);
  });

  it("never lose a small number: what the decimals would lose has digits of its own", () => {
    assert.deepEqual(column([1.25, 0.000012345]), ["1.25", "1.23e-5"]);
    assert.deepEqual(column([3e20]), ["3e+20"]);
  });

  it("leave missing values empty and name those that are no numbers", () => {
    assert.deepEqual(column([1.5, Number.NaN, undefined, null, Number.POSITIVE_INFINITY]), [
      "1.5",
      "NaN",
      "",
      "",
      "Infinity",
    ]);
  });

  it("stand at the right when they are numbers and at the left when they are text, with and without styles", () => {
    const html = frame(["n", "name"], [[1, "<lora>"]])["text/html"];
    assert.match(html, /<td align="right" style="text-align:right[^"]*">1<\/td>/);
    assert.match(html, /<td align="left" style="text-align:left">&lt;lora&gt;<\/td>/);
  });

  it("scroll where they are wide, and cut long texts that a tip shows whole", () => {
    const long = "x".repeat(150);
    const html = frame(["text"], [[long]])["text/html"];
    assert.match(html, /^<div style="overflow-x:auto/);
    assert.ok(html.includes(`title="${long}"`) && html.includes(`>${"x".repeat(99)}…<`));
  });

  it("of many rows show the first and the last, and say so", () => {
    const rows = Array.from({ length: 1000 }, (_, i) => [i]);
    const { "text/plain": text, "text/html": html } = frame(["step"], rows);
    assert.match(html, /1,000 rows × 1 columns, the first 25 and the last 5 shown/);
    const lines = text.split("\n");
    assert.deepEqual([lines[25], lines[26], lines[27]], [" 24    24", "…", "995   995"]);
  });

  it("of series have one column", () => {
    assert.equal(frame(["loss"], [2, 1])["text/plain"], "   loss\n0     2\n1     1\n2 rows × 1 columns");
  });
});
