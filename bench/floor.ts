/**
 * The least time that a program can take: the floating-point operations of its matrix products over the rate at which this
 * machine multiplies large matrices. All else that the program does is above it.
 */
import * as tf from "@tensorflow/tfjs";
import { trace } from "../src/engine";
import { record } from "../src/engine/backend";
import { type GraphNode, reachable, sizeOf } from "../src/engine/graph";
import type { LanguageModel } from "../src/model/language-model";
import type { BatchShape } from "../src/train/language-loss";
import { languageLoss } from "../src/train/language-loss";
import { stepFunction } from "../src/train/step";
import { type Timed, timed } from "./measure";
import { SHAPE, UPDATE } from "./training";

/** Floating-point operations of the matrix products of a training step; a multiplication and an addition are two. */
export function flopsOfStep(model: LanguageModel, batch: BatchShape = SHAPE): number {
  const { fn, inputs } = stepFunction(model, languageLoss(model.config, batch), UPDATE);
  const { outputs } = record(fn, inputs, "cpu");
  return reachable(Object.values(outputs)).nodes.reduce((sum, node) => sum + flopsOf(node), 0);
}

function flopsOf({ op, inputs, outputs, attributes }: GraphNode): number {
  if (!["FusedMatMul", "MatMulBnb4", "MatMulNBits"].includes(op)) return 0;
  const inner = inputs[0]!.shape.at(attributes.transA ? -2 : -1)!;
  return 2 * sizeOf(outputs[0]!.shape) * inner;
}

const SIDE = 1024;
const PRODUCTS = 8;

/** Products of square matrices with frozen ones, and how many operations they are. */
export async function largeProducts(): Promise<{ flops: number; run: Timed }> {
  const data = Float32Array.from({ length: SIDE * SIDE }, (_, i) => Math.sin(i) / SIDE);
  const program = await trace(
    ({ x }) => {
      let y = x as tf.Tensor2D;
      for (let i = 0; i < PRODUCTS; i++)
        y = tf.matMul(
          y,
          tf.tensor2d(
            data.map((w) => w + i / SIDE),
            [SIDE, SIDE],
          ),
        );
      return { y };
    },
    { x: { shape: [SIDE, SIDE], dtype: "float32" } },
  );
  return { flops: 2 * SIDE ** 3 * PRODUCTS, run: timed(() => program.run({ x: data })) };
}
