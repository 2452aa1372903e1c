import assert from "node:assert/strict";
import { full, lora } from "../../src/adapters";
import { DISPLAY, matrixMap } from "../../src/display";
import { colourAt, heatMap } from "../../src/display/heat-map";
import { intruders, spectra } from "../../src/measure";
import { tinyModel } from "./models";

/** Both factors of every target set by hand. */
function student() {
  const model = tinyModel().attach(lora({ rank: 2 }));
  const { parameters } = model.adapter!;
  parameters.flat = parameters.flat.map((_, i) => Math.sin(i) / 4);
  return model;
}

describe("a heat map", () => {
  const map = (signed: boolean) =>
    heatMap({
      title: "A finding",
      values: [
        [1, -4],
        [null, 2],
      ],
      rows: ["a", "b"],
      columns: ["c", "d"],
      axes: { x: "across", y: "down", value: "v" },
      signed,
    });

  it("puts zero in the middle of its colours where values have signs", () => {
    const { zmin, zmax, z } = map(true).data[0]!;
    assert.deepEqual([zmin, zmax], [-4, 4]);
    assert.deepEqual(z, [
      [1, -4],
      [null, 2],
    ]);
    assert.equal(map(false).data[0]!.zmin, 0);
  });

  it("is a picture with words where Plotly is absent, with nothing where there is no value", () => {
    const html = map(true)[DISPLAY]()["text/html"]!;
    const source = Buffer.from(/base64,([^"]+)/.exec(html)![1]!, "base64").toString();
    assert.equal(source.match(/<rect /g)!.length, 3);
    assert.match(html, /A finding.*down down, across across; v from -4 \(light\) to 4/s);
  });

  it("mixes colours between the two around a place", () => {
    const scale: [number, string][] = [
      [0, "#000000"],
      [0.5, "#204060"],
      [1, "#ffffff"],
    ];
    assert.deepEqual(
      [0, 0.25, 0.5, 1, 2].map((at) => colourAt(scale, at)),
      ["#000000", "#102030", "#204060", "#ffffff", "#ffffff"],
    );
  });
});

describe("the inside of an adapter on screen", () => {
  it("tells which module changed most, and shows each by layer", () => {
    const { figure, mostChanged } = spectra(student());
    const most = mostChanged[0]!.path.split(".");
    const text = figure[DISPLAY]()["text/plain"];
    assert.match(
      text,
      new RegExp(`^${most.at(-1)} of layer ${most[2]} changed most, by [\\d.]+ % of its norm\n`),
    );
    assert.deepEqual(figure.data[0]!.x, [
      "q_proj",
      "k_proj",
      "v_proj",
      "o_proj",
      "gate_proj",
      "up_proj",
      "down_proj",
    ]);
    assert.deepEqual(figure.data[0]!.y, ["0", "1"]);
  });

  it("says so where nothing has changed yet", () => {
    const untrained = spectra(tinyModel().attach(lora({ rank: 2 })));
    assert.match(untrained[DISPLAY]()["text/plain"], /^No matrix has changed yet: ΔW = 0 everywhere/);
    assert.match(untrained.energyCurves[DISPLAY]()["text/plain"], /^No matrix has changed yet/);
  });

  it("shows how few directions hold the change: all of it by the rank", () => {
    for (const { y } of spectra(student()).energyCurves.data) assert.equal((y as number[]).at(-1), 100);
  });

  it("never counts intruders without both comparisons", () => {
    const figure = intruders(student(), { k: 3 }).figure;
    assert.deepEqual(
      figure.data.map(({ name }) => name),
      ["this adapter", "same size, random directions", "random directions alone"],
    );
    assert.match(
      figure[DISPLAY]()["text/plain"],
      /^\d+ intruders? among 42 directions at ε = 0\.5; \d+ when a change/,
    );
  });

  it("shows A, B, ΔW and W of a module, large matrices in blocks", () => {
    const model = student();
    const path = "layers.1.mlp.up_proj";
    const shape = (which: "W" | "ΔW" | "A" | "B") => {
      const z = matrixMap(model, path, which).data[0]!.z as number[][];
      return [z.length, z[0]!.length];
    };
    assert.deepEqual(shape("W"), [24, 16]);
    assert.deepEqual(shape("ΔW"), [24, 16]);
    assert.deepEqual(shape("A"), [2, 16]);
    assert.deepEqual(shape("B"), [24, 2]);
    const wide = tinyModel({ intermediate_size: 200 }).attach(lora({ rank: 2 }));
    const z = matrixMap(wide, path, "W").data[0]!.z as number[][];
    assert.equal(z.length, 64);
    const weights = wide.weights.get(`model.${path}.weight`)!.data as Float32Array;
    const largest = weights.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const shown = Math.max(...z.flat().map(Math.abs));
    assert.ok(Math.abs(shown / largest - 1) < 1e-3);
  });

  it("refuses modules that are not changed and factors that a method does not have", () => {
    assert.throws(
      () => matrixMap(student(), "layers.9.q_proj"),
      /does not change "layers.9.q_proj"; it changes model\.layers\.0\..* and 10 more/,
    );
    assert.throws(
      () => matrixMap(tinyModel().attach(full()), "layers.0.mlp.up_proj", "A"),
      /no factor A: choose "W" or "ΔW"/,
    );
  });
});
