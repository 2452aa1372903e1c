import assert from "node:assert/strict";
import { COLOURS, dora, lora, pissa } from "../../src";
import { METHODS, methodOf, methodStyle } from "../../src/display/method-style";
import { contrast, differenceSeen, VISIONS } from "./colour";
import { tinyModel } from "./models";

describe("methodStyle", () => {
  it("knows the methods of the library and their variants", () => {
    const names =
      "full lora rslora pissa olora eva loftq lora+ dora adalora vera qalora qlora houlsby mixture base";
    assert.deepEqual([...METHODS].sort(), names.split(" ").sort());
  });

  it("is readable on white and on JupyterLab's dark page, 3:1 at least (WCAG 2.2, 1.4.11)", () => {
    for (const colour of COLOURS)
      for (const page of ["#ffffff", "#111111", "#212121"])
        assert.ok(contrast(colour, page) >= 3, `${colour} on ${page}: ${contrast(colour, page).toFixed(2)}`);
  });

  it("gives two methods another dash where any kind of colour vision could confuse their colours", () => {
    const pairs = METHODS.flatMap((a, i) => METHODS.slice(i + 1).map((b) => [a, b] as const));
    for (const [a, b] of pairs) {
      const [p, q] = [methodStyle(a), methodStyle(b)];
      assert.notEqual(p.symbol, q.symbol, `${a} and ${b} have one marker`);
      if (p.dash === q.dash)
        for (const vision of VISIONS) {
          const difference = differenceSeen(p.colour, q.colour, vision);
          assert.ok(difference > 0.08, `${a} and ${b} look alike: ${difference.toFixed(3)} in ${vision}`);
        }
    }
  });

  it("always draws an unknown name alike, and never as a known method", () => {
    assert.deepEqual(methodStyle("ia3"), methodStyle("IA3"));
    const known = METHODS.map((name) => methodStyle(name).symbol);
    for (const name of ["ia3", "mine", ""]) {
      const style = methodStyle(name);
      assert.ok(!known.includes(style.symbol) && COLOURS.includes(style.colour), JSON.stringify(style));
    }
    assert.notDeepEqual(methodStyle("ia3"), methodStyle("mine"));
  });
});

describe("methodOf", () => {
  const base = tinyModel({ hidden_size: 64, intermediate_size: 64 });
  const named = (model: typeof base, method: Parameters<typeof base.attach>[0]) =>
    methodOf(model.attach(method));

  it("tells the variants of LoRA apart", () => {
    assert.equal(methodOf(base), "base");
    assert.equal(named(base, dora({ rank: 2 })), "dora");
    assert.equal(named(base, lora({ rank: 2 })), "lora");
    assert.equal(named(base, lora({ rank: 2, rsLoRA: true })), "rslora");
    assert.equal(named(base, lora({ rank: 2, loraPlusRatio: 16 })), "lora+");
    assert.equal(named(base, lora({ rank: 2, init: pissa })), "pissa");
    assert.equal(named(base.quantize(), lora({ rank: 2 })), "qlora");
  });
});
