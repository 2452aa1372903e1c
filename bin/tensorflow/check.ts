/**
 * Run as a process of its own, with the folder of a tfjs-node package: loads it, compares a matrix product and a
 * gradient with their closed forms, and prints TensorFlow's version and device as JSON.
 */
import * as tf from "@tensorflow/tfjs";
import { tensorFlowInUse } from "../../src/engine/eager";
import { loadTensorFlow } from "../../src/engine/tensorflow";

loadTensorFlow(process.argv[2]);

const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
expect("X·X", tf.matMul(x, x), [7, 10, 15, 22]);
// d/dX of the sum of X·X: entry (i, j) is the sum of row j plus the sum of column i.
expect("its gradient", tf.grad((m) => tf.sum(tf.matMul(m, m)))(x), [7, 11, 9, 13]);

const { version, gpu } = tensorFlowInUse();
console.log(JSON.stringify({ version, gpu }));

function expect(what: string, got: tf.Tensor, expected: number[]): void {
  const values = Array.from(got.dataSync());
  if (values.join() !== expected.join()) throw new Error(`${what} is ${values}; expected ${expected}`);
}
