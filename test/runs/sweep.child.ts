/** A process of its own that sweeps, telling of each finished trial, until it is killed. */
import { lora } from "../../src/adapters";
import { sweep } from "../../src/runs";
import { tinyModel } from "../train/tiny-model";
import { KILLED } from "./killed";

(globalThis as { progress?: unknown }).progress = async function* (trials: AsyncIterable<unknown>) {
  for await (const trial of trials) {
    process.stdout.write("finished\n");
    yield trial;
  }
};
void sweep(tinyModel(), { ...KILLED, method: lora, workers: 2 });
