import assert from "node:assert/strict";
import { Figure } from "../../src/display";
import { figureTable, toCsv } from "../../src/display/figure-data";
import { html } from "../../src/display/html";

const titled = (text: string) => ({ title: { text } });

describe("the data of a figure", () => {
  it("is a row for each point, under the titles of the axes", () => {
    const data = [{ type: "scatter", x: [1, 2], y: [4, 3.5] }];
    const layout = { xaxis: titled("step"), yaxis: titled("loss (nats<br>per <b>token</b>)") };
    assert.deepEqual(figureTable({ data, layout }), {
      columns: ["step", "loss (nats per token)"],
      rows: [
        [1, 4],
        [2, 3.5],
      ],
    });
  });

  it("names several series, and the quantity where their axes differ", () => {
    const layout = { xaxis: titled("step"), yaxis: titled("loss"), yaxis2: titled("accuracy") };
    const data = [
      { name: "lora", x: [1], y: [4] },
      { name: "<i>held-out</i>", x: [2], y: [0.5], yaxis: "y2" },
    ];
    assert.deepEqual(figureTable({ data, layout }), {
      columns: ["series", "step", "quantity", "value"],
      rows: [
        ["lora", 1, "loss", 4],
        ["held-out", 2, "accuracy", 0.5],
      ],
    });
  });

  it("of a heat map is a row for each cell", () => {
    const data = [
      {
        type: "heatmap",
        x: ["q", "v"],
        y: ["0", "1"],
        z: [
          [1, 2],
          [null, 4],
        ],
        colorbar: titled("change (%)"),
      },
    ];
    const layout = { xaxis: titled("module"), yaxis: titled("layer") };
    assert.deepEqual(figureTable({ data, layout }), {
      columns: ["module", "layer", "change (%)"],
      rows: [
        ["q", "0", 1],
        ["v", "0", 2],
        ["q", "1", null],
        ["v", "1", 4],
      ],
    });
  });

  it("of parallel coordinates is as wide as they are, words in the place of their numbers", () => {
    const dimensions = [
      { label: "rank", values: [4, 8] },
      { label: "method", values: [0, 1], tickvals: [0, 1], ticktext: ["lora", "dora"] },
    ];
    assert.deepEqual(figureTable({ data: [{ type: "parcoords", dimensions }] }), {
      columns: ["rank", "method"],
      rows: [
        [4, "lora"],
        [8, "dora"],
      ],
    });
  });

  it("counts from zero where a trace gives no x, and takes typed arrays", () => {
    const data = [{ y: Float64Array.of(7, 8) }];
    assert.deepEqual(figureTable({ data }), {
      columns: ["x", "y"],
      rows: [
        [0, 7],
        [1, 8],
      ],
    });
  });

  it("is CSV by RFC 4180, empty where there is no value", () => {
    const rows = [
      ['say "a, b"', 1.5],
      ["two\nlines", null],
      ["none", Number.NaN],
    ];
    assert.equal(
      toCsv({ columns: ["name", "v, in units"], rows }),
      'name,"v, in units"\r\n"say ""a, b""",1.5\r\n"two\nlines",\r\nnone,\r\n',
    );
  });

  it("is offered by every figure as a danfo DataFrame and as CSV", () => {
    const figure = new Figure(
      [{ x: [1, 2], y: [3, 4] }],
      { xaxis: titled("step"), yaxis: titled("loss") },
      {
        text: "",
        html: html``,
      },
    );
    assert.deepEqual(figure.table.columns, ["step", "loss"]);
    assert.deepEqual(figure.table.values, [
      [1, 3],
      [2, 4],
    ]);
    assert.equal(figure.csv, "step,loss\r\n1,3\r\n2,4\r\n");
  });
});
