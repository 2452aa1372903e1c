import assert from "node:assert/strict";
import { lora, type VeraAdapter, vera } from "../../src/adapters";
import { evaluateLoss, train } from "../../src/train";
import { bound, LLAMA_2_7B } from "../display/models";
import { tinyModel } from "../train/tiny-model";
import { gradientOf, IDS, maxDifference, scramble } from "./support";

describe("VeRA", () => {
  const base = tinyModel();

  it("starts exactly at the base", async () => {
    const student = base.attach(vera({ rank: 16 }));
    assert.deepEqual((await student.logits(IDS)).data, (await base.logits(IDS)).data);
  });

  it("gives merged what it gives attached", async () => {
    const student = scramble(base.attach(vera({ rank: 16 })));
    assert.ok(
      maxDifference((await student.merge().logits(IDS)).data, (await student.logits(IDS)).data) < 1e-4,
    );
  });

  it("has one A and one B for all layers, frozen and as large as the largest needs", () => {
    const adapter = base.attach(vera({ rank: 16 }), { seed: 2 }).adapter as VeraAdapter;
    const [a, b] = [adapter.buffers.get("vera_A")!, adapter.buffers.get("vera_B")!];
    // down_proj is 48 wide, gate_proj and up_proj give 48.
    assert.deepEqual(
      [a.shape, b.shape],
      [
        [16, 48],
        [48, 16],
      ],
    );
    // Kaiming: uniform in ±√(6/columns), of variance 2/columns.
    for (const { data, shape } of [a, b]) {
      assert.ok(data.every((x) => Math.abs(x) <= Math.sqrt(6 / shape[1]!)));
      const variance = Array.from(data).reduce((sum, x) => sum + x * x, 0) / data.length;
      assert.ok(Math.abs((variance * shape[1]!) / 2 - 1) < 0.2);
    }
    const again = base.attach(vera({ rank: 16 }), { seed: 2 }).adapter as VeraAdapter;
    assert.deepEqual(again.buffers, adapter.buffers);
    const other = base.attach(vera({ rank: 16 }), { seed: 3 }).adapter as VeraAdapter;
    assert.notDeepEqual(other.buffers, adapter.buffers);
  });

  it("starts with b at zero and d at 0.1; only b has a gradient at the first step", async () => {
    const student = base.attach(vera({ rank: 16 }));
    const { scalings, parameters } = student.adapter as VeraAdapter;
    const gradient = await gradientOf(student);
    for (const { b, d } of scalings) {
      assert.ok(parameters.get(b).data.every((x) => x === 0));
      assert.ok(parameters.get(d).data.every((x) => x === Math.fround(0.1)));
      assert.ok(gradient.get(b)!.data.some((x) => x !== 0));
      assert.ok(gradient.get(d)!.data.every((x) => x === 0));
    }
  });

  it("trains layers · (out + rank) numbers: at rank 256 on Llama-2-7B over 7 times fewer than LoRA at rank 4", () => {
    const targets = ["q_proj", "v_proj"];
    const count = (method: ReturnType<typeof vera>) => bound(LLAMA_2_7B, method).adapter.parameters.size;
    assert.equal(count(vera({ targets })), 64 * (4096 + 256));
    assert.ok(count(lora({ rank: 4, targets })) / count(vera({ targets })) > 7);
  });

  it("learns more per trainable number than LoRA", async () => {
    const data = [
      { prompt: "one and one?", completion: " two" },
      { prompt: "red and blue?", completion: " violet" },
      { prompt: "sky?", completion: " blue" },
    ];
    const before = await evaluateLoss(base, data);
    const gain = async (method: ReturnType<typeof vera>, learningRate: number) => {
      const student = base.attach(method);
      await train(student, { data, steps: 100, batchSize: 3, learningRate });
      return (before - (await evaluateLoss(student, data))) / student.trainableCount;
    };
    const [ofVera, ofLora] = [await gain(vera({ rank: 64 }), 5e-2), await gain(lora({ rank: 4 }), 5e-3)];
    assert.ok(ofVera > 1.5 * ofLora, `nats per number: VeRA ${ofVera}, LoRA ${ofLora}`);
  });

  it("explains settings that cannot be", () => {
    assert.throws(() => vera({ rank: 0 }), /vera: rank must be a whole number from 1, got 0/);
    assert.throws(() => vera({ dropout: -1 }), /vera: dropout must be in \[0, 1\), got -1/);
    assert.throws(() => vera({ dInitial: Number.NaN }), /vera: dInitial must be a number, got NaN/);
    const adapter = base.attach(vera({ targets: ["q_proj"] })).adapter as VeraAdapter;
    assert.throws(() => adapter.delta("lm_head"), /vera: lm_head is not a target; targets are/);
  });
});
