import assert from "node:assert/strict";
import { adalora, dora, full, lora } from "../../src/adapters";
import {
  alignmentMap,
  DISPLAY,
  type Displayable,
  intruderCurve,
  matrixMap,
  methodStyle,
  rankMap,
  similarityMap,
  type Trace,
  weightChangeMap,
} from "../../src/display";
import { colourAt, heatMap } from "../../src/display/heat-map";
import { changeCorrelation, intruderMeasures, intruders, spectra } from "../../src/measure";
import { contrast } from "./colour";
import { runOf, tinyModel } from "./models";

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
      ["this model", "same size, random directions", "random directions alone"],
    );
    assert.match(
      figure[DISPLAY]()["text/plain"],
      /^\d+ intruders? among 42 directions at ε = 0\.5; \d+ when a change/,
    );
  });

  it("counts intruders by layer and module, and says where most are", () => {
    const report = intruders(student(), { k: 3, epsilon: 0.95 });
    const { z } = report.map.data[0]! as unknown as { z: number[][] };
    assert.equal(
      z.flat().reduce((sum, x) => sum + x, 0),
      report.count,
    );
    const text = report.map[DISPLAY]()["text/plain"];
    const most = Math.max(...report.each.map(({ count }) => count));
    assert.match(
      text,
      new RegExp(`^Most intruders in \\w+ of layer \\d: ${most} of 3; ${report.count} of 42 in all`),
    );
    assert.match(
      report.at(1e-6).map[DISPLAY]()["text/plain"],
      /^No intruders at ε = 1e-6 among 42 directions/,
    );
  });

  it("has sliders for ε and k where the notebook offers them, and shows what they choose", async () => {
    const report = intruders(student(), { k: 3 });
    let run!: (values: Record<string, unknown>) => AsyncIterable<Displayable>;
    let ranges: Record<string, Record<string, unknown>> = {};
    const shown: string[] = [];
    class Slider {
      constructor(readonly options: Record<string, unknown>) {}
    }
    const globals = {
      interact(body: typeof run, controls: Record<string, Slider>) {
        run = body;
        ranges = Object.fromEntries(Object.entries(controls).map(([name, { options }]) => [name, options]));
      },
      widgets: { FloatSlider: Slider, IntSlider: Slider },
    };
    const before = Object.fromEntries(Object.keys(globals).map((name) => [name, (globalThis as any)[name]]));
    Object.assign(globalThis, globals);
    try {
      report[DISPLAY]();
    } finally {
      Object.assign(globalThis, before);
    }
    assert.deepEqual([ranges.k!.value, ranges.k!.max, ranges.epsilon!.value], [3, 16, 0.5]);
    for await (const value of run({ epsilon: 0.95, k: 5 }))
      shown.push(value[DISPLAY]()["text/plain"].split("\n")[0]!);
    assert.equal(shown.length, 2);
    const chosen = report.at(0.95, 5);
    assert.ok(
      shown[0]!.startsWith(`${chosen.count} intruders among ${chosen.looked} directions at ε = 0.95`),
    );
  });

  it("shows which directions are old ones: a diagonal where nothing changed", () => {
    const figure = similarityMap(
      intruders(tinyModel().attach(lora({ rank: 2 })), { k: 4 }),
      "layers.0.mlp.up_proj",
    );
    assert.deepEqual(
      figure.data.map(({ name }) => name),
      ["this model", "same size, random directions"],
    );
    const z = figure.data[0]!.z as number[][];
    for (const [i, row] of z.entries()) {
      for (const [j, cosine] of row.entries()) assert.ok(Math.abs(cosine - (i === j ? 1 : 0)) < 1e-3);
    }
    assert.match(figure[DISPLAY]()["text/plain"], /^up_proj of layer 0: 0 intruders among the 4 strongest/);
    const report = intruders(student(), { k: 4, epsilon: 0.95 });
    const most = [...report.each].sort((p, q) => q.count - p.count)[0]!;
    assert.match(similarityMap(report)[DISPLAY]()["text/plain"], new RegExp(`: ${most.count} intruder`));
    assert.throws(() => similarityMap(report, "layers.9.q_proj"), /does not change "layers.9.q_proj"/);
  });

  it("draws intruders over training, and says how to count them where a run has not", () => {
    const run = runOf(student(), [2, 1]);
    assert.throws(() => intruderCurve(run), /no counts of intruders; train\(model, \{ …, evaluate/);
    const names = Object.keys(intruderMeasures());
    for (const [step, counts] of [
      [0, [0, 0, 12.5]],
      [2, [3, 1, 12.5]],
    ] as const)
      run.evaluations.push({
        step,
        values: Object.fromEntries(names.map((name, i) => [name, counts[i]!])),
        milliseconds: 1,
      });
    const figure = intruderCurve(run);
    assert.deepEqual(
      figure.data.map(({ y }) => y),
      [
        [0, 3],
        [0, 1],
        [12.5, 12.5],
      ],
    );
    assert.match(
      figure[DISPLAY]()["text/plain"],
      /^From 0 intruders at step 0 to 3 at step 2; 1 when a change of the same size is random, 12\.5 of random/,
    );
    assert.deepEqual(
      figure.data.map(({ visible }) => visible),
      [undefined, undefined, "legendonly"],
    );
  });

  it("shows how much of the change lies where the weight was strong, and direction by direction", () => {
    const model = student();
    const figure = alignmentMap(model);
    assert.match(
      figure[DISPLAY]()["text/plain"],
      /^[\d.]+ % of ‖ΔW‖² lies in W's 8 strongest directions, [\d.]+× what chance/,
    );
    const z = figure.data[0]!.z as number[][];
    assert.deepEqual([z.length, z[0]!.length], [2, 7]);
    const one = alignmentMap(model, "layers.1.mlp.up_proj");
    assert.deepEqual([(one.data[0]!.z as number[][]).length, one.data[0]!.zmax], [2, 1]);
    assert.match(
      alignmentMap(tinyModel().attach(lora({ rank: 2 })))[DISPLAY]()["text/plain"],
      /^No matrix has changed yet/,
    );
  });

  it("shows how lengths and directions of rows changed, each method in its own colour", () => {
    const twice = tinyModel().attach(full());
    twice.adapter!.parameters.flat = twice.adapter!.parameters.flat.map((x) => 2 * x);
    const figure = weightChangeMap({ full: twice, LoRA: student() }, "q_proj");
    // All rows twice as long, none turned.
    assert.ok((figure.data[0]!.x as number[]).every((turned) => Math.abs(turned) < 1e-6));
    const before = twice.weights.get("model.layers.0.self_attn.q_proj.weight")!;
    const norms = Array.from({ length: 16 }, (_, i) =>
      Math.hypot(...(before.data.slice(16 * i, 16 * i + 16) as Float32Array)),
    );
    const mean = norms.reduce((sum, x) => sum + x, 0) / 16;
    assert.ok(Math.abs((figure.data[0]!.y as number[])[0]! / mean - 1) < 1e-3);
    const colour = ({ marker }: Trace) => (marker as { color: string }).color;
    assert.deepEqual(
      figure.data.map(colour),
      ["full", "lora"].map((method) => methodStyle(method).colour),
    );
    assert.equal(weightChangeMap(student()).data.length, 1);
    assert.throws(() => weightChangeMap({ a: student() }, "wo"), /a changes no matrix named "wo"/);
    assert.ok(
      Math.abs(
        changeCorrelation([
          { magnitude: 1, direction: 3 },
          { magnitude: 2, direction: 1 },
        ]) + 1,
      ) < 1e-12,
    );
  });

  it("shows W, ΔW, B and A of a module side by side, or one alone, large matrices in blocks", () => {
    const model = student();
    const path = "layers.1.mlp.up_proj";
    const shapes = (of: typeof model, which?: "W" | "ΔW" | "A" | "B") =>
      matrixMap(of, path, which).data.map(({ z }) => [
        (z as number[][]).length,
        (z as number[][])[0]!.length,
      ]);
    assert.deepEqual(shapes(model), [
      [24, 16],
      [24, 16],
      [24, 2],
      [2, 16],
    ]);
    assert.deepEqual(shapes(model, "A"), [[2, 16]]);
    assert.equal(shapes(tinyModel().attach(dora({ rank: 2 }))).length, 2);
    assert.match(
      matrixMap(model, path)[DISPLAY]()["text/plain"],
      /^up_proj of layer 1 changed by [\d.]+ % of its norm, in about [\d.]+ of 2 directions\nW 24×16, within ±/,
    );
    const wide = tinyModel({ intermediate_size: 200 }).attach(lora({ rank: 2 }));
    const z = matrixMap(wide, path, "W").data[0]!.z as number[][];
    assert.equal(z.length, 64);
    const weights = wide.weights.get(`model.${path}.weight`)!.data as Float32Array;
    const largest = weights.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const shown = Math.max(...z.flat().map(Math.abs));
    assert.ok(Math.abs(shown / largest - 1) < 1e-3);
    assert.match(matrixMap(wide, path)[DISPLAY]()["text/plain"], /has not changed yet: ΔW = 0/);
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

describe("the numbers in the cells of a heat map", () => {
  it("are told from every colour of the scales, light or dark", () => {
    const values = [Array.from({ length: 101 }, (_, i) => i - 50)];
    const columns = values[0]!.map(String);
    const axes = { x: "x", y: "y", value: "v" };
    for (const signed of [true, false]) {
      const range = signed ? undefined : ([-50, 50] as const);
      const { data } = heatMap({
        title: "T",
        values,
        rows: ["a"],
        columns,
        axes,
        signed,
        labelled: true,
        range,
      });
      const [map, labels] = data as any[];
      assert.deepEqual(labels.text, columns);
      const worst = labels.textfont.color.map((colour: string, i: number) =>
        contrast(colour === "#fff" ? "#ffffff" : "#000000", colourAt(map.colorscale, i / 100)),
      );
      assert.ok(Math.min(...worst) >= 4.5, `${signed}: ${Math.min(...worst)}`);
    }
  });
});

describe("the map of ranks", () => {
  it("has the rank of each matrix by layer and kind, and says where the least and the most are", () => {
    const targets = /.*layers\.[01]\.self_attn\.[qv]_proj/;
    const rankPattern = {
      "model.layers.0.self_attn.q_proj": [true, false, false],
      "model.layers.1.self_attn.v_proj": [true, true, true],
      "model.layers.0.self_attn.v_proj": [true, true, false],
      "model.layers.1.self_attn.q_proj": [false, true, true],
    };
    const some = { totalSteps: 10, initRank: 3, targetRank: 2, targets };
    const figure = rankMap(tinyModel().attach(adalora({ ...some, rankPattern })));
    const { x, y, z } = figure.data[0]!;
    assert.deepEqual(
      [x, y],
      [
        ["q_proj", "v_proj"],
        ["0", "1"],
      ],
    );
    assert.deepEqual(z, [
      [1, 2],
      [2, 3],
    ]);
    const text = figure[DISPLAY]()["text/plain"]!;
    assert.match(text, /from 1 \(q_proj of layer 0\) to 3 \(v_proj of layer 1\), 2 on average/);
    assert.match(text, /q_proj +1\.5/);
    assert.match(
      rankMap(tinyModel().attach(adalora(some)))[DISPLAY]()["text/plain"]!,
      /All 4 matrices have rank 3/,
    );
  });

  it("asks for AdaLoRA", () => {
    assert.throws(
      () => rankMap(tinyModel().attach(lora({ rank: 2 }))),
      /expected a model with AdaLoRA.*"lora"/,
    );
    assert.throws(() => rankMap(tinyModel()), /got no adapter/);
  });
});
