/**
 * State of a program: values that are inputs and outputs both, as the averages of an optimizer. They stay where they were
 * computed (in a GPU's memory, on the thread of the program) from one run to the next, and nothing of them is copied until
 * someone reads them.
 */
import type * as ort from "onnxruntime-node";
import type { TypedArray } from "./graph";

/** The name of an output in a program's model. */
export const outputOf = (name: string): string => `${name}:out`;

export class State {
  private readonly kept = new Map<string, ort.Tensor>();

  constructor(
    private readonly names: readonly string[],
    /** What a tensor in a device's memory holds. */
    private readonly download: (tensor: ort.Tensor) => Promise<TypedArray>,
  ) {}

  /** The feeds of a run with what was kept; what is given again replaces it. */
  feeds(given: Record<string, ort.Tensor>): Record<string, ort.Tensor> {
    return { ...Object.fromEntries(this.kept), ...given };
  }

  /** Takes the state out of a run's results. */
  keep(results: Record<string, ort.OnnxValue>): void {
    for (const name of this.names) {
      const tensor = results[outputOf(name)] as ort.Tensor;
      delete results[outputOf(name)];
      this.kept.get(name)?.dispose();
      this.kept.set(name, tensor);
    }
  }

  async read(name: string): Promise<TypedArray> {
    const tensor = this.kept.get(name)!;
    return tensor.location === "cpu" ? (tensor.data as TypedArray) : this.download(tensor);
  }

  dispose(): void {
    for (const tensor of this.kept.values()) tensor.dispose();
    this.kept.clear();
  }
}
