/**
 * Threads as a page has them: ONNX Runtime brings its own, and there are no others. What asks for a thread of its own
 * works on the page's.
 */
import type * as Node from "./thread";

export const onThread = <R>(_thread: ComputeThread | undefined, work: () => R): R => work();

export const computeThread = (): Node.ComputeThread | undefined => undefined;

export class ComputeThread {
  async end(): Promise<void> {}
}
