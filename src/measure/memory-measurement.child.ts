/** The process that is measured: reads the program of a training step, makes its session, and trains. */
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import type { Job, Resident } from "./fresh-process";

const rss = () => process.memoryUsage.rss();
const collect = (globalThis as { gc?: () => void }).gc!;

process.once("message", async (job: Job) => {
  process.send!(await measure(job), () => process.exit());
});

async function measure({ model, constants, places, inputs, steps }: Job): Promise<Resident> {
  collect();
  const before = rss();
  const all = readFileSync(constants);
  const externalData = places.map(({ path, offset, length }) => ({
    path,
    data: all.subarray(offset, offset + length),
  }));
  const weights = rss();
  const options = { executionProviders: ["cpu"], logSeverityLevel: 3 as const, externalData };
  const session = await ort.InferenceSession.create(readFileSync(model), options);
  collect();
  const made = rss();

  const highest = process.resourceUsage().maxRSS;
  let peak = made;
  const state = new Map(
    Object.entries(inputs).map(([name, { shape, dtype }]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      const data =
        dtype === "int32"
          ? new Int32Array(size)
          : new Float32Array(size).fill(name.startsWith("number") ? 1 : 0);
      return [name, new ort.Tensor(dtype, data as Float32Array, shape)] as const;
    }),
  );
  for (let step = 0; step < steps; step++) {
    const out = await session.run(Object.fromEntries(state));
    peak = Math.max(peak, rss());
    // As in training, what comes out goes in again.
    for (const [name, tensor] of Object.entries(out)) {
      const input = name.replace(/:out$/, "");
      if (input in inputs) state.set(input, tensor as never);
    }
    collect();
  }
  // The operating system's own high-water mark, in kB, where training raised it over that of making the session.
  const { maxRSS } = process.resourceUsage();
  if (maxRSS > highest) peak = Math.max(peak, 1024 * maxRSS);
  return { weights: weights - before, session: made - before, peak: peak - before };
}
