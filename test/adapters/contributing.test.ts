/** The method that CONTRIBUTING.md gives as an example, run as it stands there. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import ts from "typescript";
import { selectTargets } from "../../src/adapters/targets";
import type { Method } from "../../src/model/adapter";
import { Parameters } from "../../src/model/parameters";
import { train } from "../../src/train";
import { tinyModel } from "../train/tiny-model";
import { IDS, maxDifference, scramble } from "./support";

const text = readFileSync(join(__dirname, "../../CONTRIBUTING.md"), "utf8");
const [, code] = /```ts\n(export function ia3[\s\S]*?)```/.exec(text)!;
const { outputText } = ts.transpileModule(code!, {
  compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
});
const exported: { ia3?: () => Method } = {};
new Function("exports", "tf", "Parameters", "selectTargets", outputText)(
  exported,
  tf,
  Parameters,
  selectTargets,
);

describe("the example of CONTRIBUTING.md", () => {
  const base = tinyModel();
  const student = () => base.attach(exported.ia3!());

  it("starts exactly at the base, and gives merged what it gives attached", async () => {
    assert.deepEqual((await student().logits(IDS)).data, (await base.logits(IDS)).data);
    const moved = scramble(student(), 0.3);
    assert.ok(maxDifference((await moved.merge().logits(IDS)).data, (await moved.logits(IDS)).data) < 1e-4);
  });

  it("is trained", async () => {
    const model = student();
    const { losses } = await train(model, {
      data: ["sky blue"],
      steps: 20,
      batchSize: 1,
      learningRate: 5e-2,
    });
    assert.ok(losses.at(-1)! < 0.8 * losses[0]!);
  });
});
