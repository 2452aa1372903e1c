/**
 * What a training step costs, in numbers that no machine changes: operators of its program, bytes that cross into it and
 * out of it, sessions that a run builds. A step that becomes slower shows here first.
 */
import assert from "node:assert/strict";
import * as ort from "onnxruntime-node";
import { full, lora } from "../../src/adapters";
import { sizeOf } from "../../src/engine";
import { record } from "../../src/engine/backend";
import { type GraphNode, reachable } from "../../src/engine/graph";
import type { Method } from "../../src/model/adapter";
import type { LanguageModel } from "../../src/model/language-model";
import { train } from "../../src/train";
import { languageLoss } from "../../src/train/language-loss";
import { adamw } from "../../src/train/optimizers";
import { stepFunction } from "../../src/train/step";
import { tinyModel } from "./tiny-model";

const BATCH = { rows: 2, length: 16, capacity: 32, packed: false };
const UPDATE = { optimizer: adamw, settings: adamw.defaults, maxGradientNorm: 1 };

const model = (layers: number): LanguageModel => tinyModel({ num_hidden_layers: layers });

/** The program of a step: its operators, and the bytes of its inputs and outputs. */
function step(layers: number, method: Method) {
  const student = model(layers).attach(method);
  const { fn, inputs } = stepFunction(student, languageLoss(student.config, BATCH), UPDATE);
  const { graph, outputs } = record(fn, inputs, "cpu");
  const { nodes } = reachable(Object.values(outputs));
  const state = adamw.state(adamw.defaults);
  const bytes = (values: readonly (readonly [string, { shape: number[] }])[]) =>
    values.reduce((sum, [name, { shape }]) => (state.includes(name) ? sum : sum + 4 * sizeOf(shape)), 0);
  return {
    nodes,
    trainable: student.trainableCount,
    bytesIn: bytes(graph.inputs.map((value) => [value.input!, value])),
    bytesOut: bytes(Object.entries(outputs)),
  };
}

const isProduct = ({ op }: GraphNode) => op === "FusedMatMul";
const products = (layers: number, method: Method) => step(layers, method).nodes.filter(isProduct).length;
const others = (layers: number, method: Method) =>
  step(layers, method).nodes.filter((node) => !isProduct(node)).length;

describe("what a training step costs", () => {
  it("with LoRA: the matrix products that its equations have, and none below the first adapter", () => {
    // A linear layer: x·Wᵀ, z = x·Aᵀ, z·Bᵀ; dB, dz, dA; dy·W, dz·A. Attention: two forward, four back. The head: two.
    // Nothing below the first layer is trained, so its q, k and v give no gradient to their input.
    for (const layers of [1, 2, 5])
      assert.equal(products(layers, lora({ rank: 4 })), layers * (7 * 8 + 6) + 2 - 3 * 2);
  });

  it("with all weights trained: the same without the factors, and a gradient of each weight", () => {
    // x·Wᵀ, dW, dy·W; the embedding is trained too, so the first layer has all gradients, and the head three products.
    for (const layers of [1, 2]) assert.equal(products(layers, full()), layers * (7 * 3 + 6) + 3);
  });

  it("besides the products: no more operators than are written down here", () => {
    // To be lowered where they become fewer. More of them need a reason.
    const perLayer = (method: Method) => others(3, method) - others(2, method);
    assert.ok(perLayer(lora({ rank: 4 })) <= 119, `LoRA: ${perLayer(lora({ rank: 4 }))}`);
    assert.ok(perLayer(full()) <= 97, `full: ${perLayer(full())}`);
    assert.ok(others(1, lora({ rank: 4 })) <= 153, `LoRA, one layer: ${others(1, lora({ rank: 4 }))}`);
  });

  it("in traffic: the batch and the trainable parameters go in, these come out, and the optimizer's vectors stay", () => {
    const { rows, length, capacity } = BATCH;
    for (const method of [lora({ rank: 4 }), full()]) {
      const { bytesIn, bytesOut, trainable } = step(2, method);
      const numbers = adamw.numbers(1, 1, adamw.defaults).length;
      assert.equal(bytesIn, 4 * (rows * length + 3 * capacity + trainable + numbers + 2));
      assert.equal(bytesOut, 4 * (trainable + 2)); // and the loss and the gradient's norm
    }
  });

  it("in sessions: one for all steps of a run, one more for its evaluations", async () => {
    const create = ort.InferenceSession.create;
    let sessions = 0;
    (ort.InferenceSession as any).create = (...args: unknown[]) => {
      sessions++;
      return (create as any).apply(ort.InferenceSession, args);
    };
    const count = async (work: () => Promise<unknown>) => {
      sessions = 0;
      await work();
      return sessions;
    };
    const examples = Array.from({ length: 8 }, (_, i) => ({ ids: [1 + i, 2 + i, 3 + i, 4 + i] }));
    const settings = {
      data: examples,
      steps: 6,
      batchSize: 2,
      display: false,
      record: false,
    } as const;
    try {
      const student = model(2).attach(lora({ rank: 4 }));
      assert.equal(await count(() => train(student, settings)), 1);
      const watched = model(2).attach(lora({ rank: 4 }));
      const evaluate = { every: 2, data: examples };
      assert.equal(await count(() => train(watched, { ...settings, evaluate })), 2);
    } finally {
      (ort.InferenceSession as any).create = create;
    }
  });
});
