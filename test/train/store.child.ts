/** A process of its own that trains, and says so, until it is killed. */
import { lora } from "../../src/adapters";
import { train } from "../../src/train";
import { tinyModel } from "./tiny-model";

let isSaid = false;
void train(tinyModel().attach(lora({ rank: 2 })), {
  data: [{ prompt: "sky?", completion: " blue" }],
  steps: 1_000_000,
  batchSize: 1,
  record: { note: "killed" },
  onStep({ steps }) {
    // By then something has been written: it is done twice a second.
    if (isSaid || steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0) < 1200) return;
    isSaid = true;
    process.stdout.write(`${steps.length}\n`);
  },
});
