import assert from "node:assert/strict";
import { lora } from "../../src/adapters";
import { DISPLAY, type Displayable, type Figure } from "../../src/display";
import { explore } from "../../src/measure";
import { scramble } from "../adapters/support";
import { tinyModel } from "../train/tiny-model";

const base = tinyModel();
const student = scramble(base.attach(lora({ rank: 4 }), { seed: 1 }));
const data = [{ prompt: "ab", completion: "cde" }];
const evidence = { data, prompts: ["ab"], maxTokens: 3 };

/** The kernel's globals, with widgets that remember what they were made with. */
async function inNotebook(shown: Displayable[], work: () => unknown) {
  type Run = (values: Record<string, unknown>) => AsyncIterable<Displayable>;
  let live: { run: Run; controls: Record<string, { value: unknown; name: string }> } | undefined;
  const widget = (name: string) =>
    class {
      name = name;
      constructor(options: object) {
        Object.assign(this, options);
      }
    };
  const names = ["IntSlider", "FloatSlider", "IntRangeSlider", "Checkbox", "Dropdown"];
  const globals = {
    widgets: Object.fromEntries(names.map((name) => [name, widget(name)])),
    interact(run: Run, controls: Record<string, { value: unknown; name: string }>) {
      live = { run, controls };
    },
  };
  const holder = globalThis as Record<string, unknown>;
  const before = Object.keys(globals).map((name) => [name, holder[name]] as const);
  Object.assign(holder, globals);
  try {
    await work();
  } finally {
    for (const [name, value] of before) holder[name] = value;
  }
  assert.ok(live, "interact was called");
  const { run, controls } = live;
  const values = Object.fromEntries(Object.entries(controls).map(([name, { value }]) => [name, value]));
  const move = async (changes: Record<string, unknown>) => {
    for await (const value of run({ ...values, ...changes })) shown.push(value);
  };
  return { controls, move };
}

const text = (value: Displayable) => value[DISPLAY]()["text/plain"];
const plotly = (figure: Figure) =>
  figure[DISPLAY]()["application/vnd.plotly.v1+json"] as { data: any[]; layout: any };

describe("an exploration is shown", () => {
  it("outside of a notebook as its curve with the present position marked, and the samples", async () => {
    const e = await explore.rank(student, evidence);
    const shown = e[DISPLAY]();
    assert.match(shown["text/plain"], /^Rank 4 of 4 keeps 100 % of ‖ΔW‖²: loss [\d.]+ \(with all of ΔW loss/);
    assert.match(shown["text/plain"], /rank 0 +0 %/);
    assert.match(shown["text/plain"], /rank 4 ◀ +100 %/);
    assert.match(shown["text/plain"], /ab\n {2}the base: .*\n {2}rank 4: .*\n {2}all of ΔW: /);
    assert.match(shown["text/html"]!, /<img src="data:image\/svg.*<table>/s);
    const { data, layout } = shown["application/vnd.plotly.v1+json"] as { data: any[]; layout: any };
    assert.deepEqual(data[0].x, [0, 1, 2, 3, 4]);
    assert.equal(layout.shapes[0].x0, 4);
  });

  it("with another position marked once that was measured", async () => {
    const e = await explore.scale(student, evidence);
    assert.throws(() => e.figure(0.3), /0\.3 × ΔW was not measured yet; await at\(…\) first/);
    await e.at(0.3);
    const figure = e.figure(0.3);
    assert.match(text(figure), /^0\.3 × ΔW: loss /);
    assert.match(text(figure), /0\.3 × ΔW ◀/);
    const { data } = plotly(figure);
    assert.equal(data[0].marker.size[data[0].x.indexOf(0.3)], Math.max(...data[0].marker.size));
  });

  it("in a notebook with a slider, whose moves show another figure and other samples", async () => {
    const shown: Displayable[] = [];
    const e = await explore.rank(student, evidence);
    let result = "";
    const { controls, move } = await inNotebook(shown, () => {
      result = text(e);
    });
    assert.deepEqual(
      { name: controls.rank!.name, value: controls.rank!.value },
      { name: "IntSlider", value: 4 },
    );
    // The saved notebook has all positions below what the slider shows.
    assert.match(result, /rank 0 .*\nrank 1 /);
    await move({});
    await move({ rank: 1 });
    assert.equal(shown.length, 4);
    assert.match(text(shown[0]!), /^Rank 4 of 4/);
    assert.match(text(shown[2]!), /^Rank 1 of 4/);
    assert.match(text(shown[3]!), /rank 1: /);
  });

  it("with a switch for each module, and a range of layers", async () => {
    const shown: Displayable[] = [];
    const e = await explore.targets(student, { data });
    const { controls, move } = await inNotebook(shown, () => e[DISPLAY]());
    assert.deepEqual(Object.keys(controls).slice(0, 3), ["q_proj", "k_proj", "v_proj"]);
    assert.deepEqual(controls.layers!.value, [0, 1]);
    await move({ q_proj: false, layers: [1, 1] });
    assert.match(text(shown[0]!), /^All but q_proj in layer 1 keeps /);
    const bars = plotly(shown[0] as Figure).data;
    assert.deepEqual(bars[0].x.slice(0, 2), ["(q_proj)", "k_proj"]);
    assert.deepEqual(bars[0].x.slice(-2), ["(layer 0)", "layer 1"]);
    assert.match(text(shown[0]!), /is missed most .* alone does most/);
  });

  it("as a map of two weights, with the size of the cross-terms", async () => {
    const other = scramble(base.attach(lora({ rank: 4 }), { seed: 7 }), 0.2);
    const shown: Displayable[] = [];
    const e = await explore.blend(student, other, { data, names: ["one", "two"] });
    const { controls, move } = await inNotebook(shown, () => e[DISPLAY]());
    assert.deepEqual(Object.keys(controls), ["one", "other", "crossTerms"]);
    await move({ one: 0.5, crossTerms: true });
    const figure = shown[0] as Figure;
    assert.match(
      text(figure),
      /^0\.5 × one \+ 1 × two, with cross-terms: loss .*; least at .*Cross-terms are [\d.]+ % of the sum/,
    );
    const { data: traces, layout } = plotly(figure);
    assert.equal(traces[0].z.length, 7);
    const [row, column] = [traces[0].y.indexOf("0.5"), traces[0].x.indexOf("1")];
    const { x0, x1, y0, y1 } = layout.shapes[0];
    assert.deepEqual([(x0 + x1) / 2, (y0 + y1) / 2], [column, row]);
    assert.match(text(figure), /one × 0\.5 +[\d.]+ .* ◀/);
    assert.match(figure[DISPLAY]()["text/html"]!, /<img src/);
  });

  it("of a plan as every method's memory beside that of computers, with what follows from it as the title", async () => {
    const e = explore.plan("Llama-2-7B", { targets: ["q_proj", "v_proj"] });
    assert.match(
      text(e),
      /^Llama-2-7B, LoRA of rank 8: 1\d\.\d GB, fits .* and larger; full fine-tuning takes [\d.]+× as much/,
    );
    assert.match(text(e), /LoRA ◀/);
    const { data: bars, layout } = plotly(e.figure({ method: "qlora" }));
    const total = bars.reduce((sum, { x }) => sum + x[3], 0);
    assert.ok(Math.abs(total - e.at({ method: "qlora" }).plan.bytes / 1e9) < 1e-9);
    assert.ok(layout.annotations.some(({ text }: { text: string }) => text === "A100, H100 80 GB"));
    assert.equal(layout.annotations.length, layout.shapes.length);
    const shown: Displayable[] = [];
    const { controls, move } = await inNotebook(shown, () => e[DISPLAY]());
    assert.deepEqual(controls.targets!.value, ["q_proj", "v_proj"]);
    await move({ rank: 64, method: "dora" });
    assert.match(text(shown[0]!), /^Llama-2-7B, DoRA of rank 64: /);
    assert.match(text(shown[1]!), /rank 64 on q_proj,v_proj/);
  });
});
