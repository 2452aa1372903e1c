import assert from "node:assert/strict";
import { type LoraAdapter, lora } from "../../src/adapters";
import { train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";
import { gradientOf, maxDifference } from "./support";

const DATA = [
  { prompt: "one and one?", completion: " two" },
  { prompt: "sky?", completion: " blue" },
];
const norm = (x: ArrayLike<number>) => Math.hypot(...Array.from(x));

describe("LoRA+", () => {
  const base = tinyModel();

  /** The adapter after one step, with which all ratios have the same gradient. */
  async function afterOneStep(settings: object, options: object) {
    const student = base.attach(lora({ rank: 2, ...settings }));
    await train(student, { data: DATA, steps: 1, batchSize: 2, learningRate: 1e-3, ...options });
    return student.adapter as LoraAdapter;
  }

  for (const optimizer of ["adamw", "sgd"] as const) {
    it(`moves B by the ratio as far as LoRA does, and A no further (${optimizer})`, async () => {
      const plain = await afterOneStep({}, { optimizer });
      for (const ratio of [4, 16]) {
        const plus = await afterOneStep({ loraPlusRatio: ratio }, { optimizer });
        for (const { a, b } of plain.pairs) {
          // B starts at zero, so what it is is how far it went.
          const further = plain.parameters.get(b).data.map((x) => ratio * x);
          const [got, scale] = [plus.parameters.get(b).data, norm(further)];
          assert.ok(scale > 0 && maxDifference(got, further) < 1e-5 * scale);
          assert.deepEqual(plus.parameters.get(a).data, plain.parameters.get(a).data);
        }
      }
    });
  }

  it("learns faster than LoRA at the learning rate of A, the faster the higher the ratio", async () => {
    const losses: number[] = [];
    for (const loraPlusRatio of [1, 4, 16]) {
      const student = base.attach(lora({ rank: 4, loraPlusRatio }));
      const run = await train(student, { data: DATA, steps: 20, batchSize: 2, learningRate: 5e-4 });
      losses.push(run.losses.at(-1)!);
    }
    assert.ok(losses[0]! > losses[1]! && losses[1]! > losses[2]!, String(losses));
  });

  it("is checked", () => {
    for (const ratio of [0, -1, Number.NaN, Infinity]) {
      assert.throws(() => lora({ loraPlusRatio: ratio }), /loraPlusRatio must be a number above 0, got/);
    }
  });
});

describe("rsLoRA", () => {
  it("keeps the size of B's gradient from rank 1 to 64, which shrinks with α/r", async () => {
    // Wide enough for rank 64.
    const base = tinyModel({ hidden_size: 64, intermediate_size: 96 });
    const ofB = async (rank: number, rsLoRA: boolean) => {
      const student = base.attach(lora({ rank, alpha: 8, rsLoRA, targets: "mlp" }), { seed: 5 });
      const gradient = await gradientOf(student);
      return Math.hypot(
        ...(student.adapter as LoraAdapter).pairs.map(({ b }) => norm(gradient.get(b)!.data)),
      );
    };
    // At the start ∂B = s·∂y·(A·x)ᵀ and A·x has r elements of one size: ‖∂B‖ grows as s·√r.
    const ratios = { plain: [] as number[], stable: [] as number[] };
    const ranks = [1, 4, 16, 64];
    for (const rank of ranks) {
      ratios.plain.push(await ofB(rank, false));
      ratios.stable.push(await ofB(rank, true));
    }
    for (const [i, rank] of ranks.entries()) {
      const [plain, stable] = [
        ratios.plain[i]! / ratios.plain.at(-1)!,
        ratios.stable[i]! / ratios.stable.at(-1)!,
      ];
      const expected = Math.sqrt(64 / rank);
      // One row of A is one draw: the first is far from the mean of many.
      assert.ok(Math.abs(stable - 1) < (rank === 1 ? 0.5 : 0.25), `rank ${rank}: ${stable}`);
      assert.ok(Math.abs(plain / expected - 1) < (rank === 1 ? 0.5 : 0.25), `rank ${rank}: ${plain}`);
    }
  });
});
