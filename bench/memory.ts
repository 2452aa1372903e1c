/** Resident memory over 500 training steps of `small`: it must not grow once the first hundred have warmed it up. */
import { lora } from "../src/adapters";
import { loadModel } from "../src/model/language-model";
import { train } from "../src/train";
import { capitals } from "../src/train/tasks";

export async function memoryBench(): Promise<Record<string, unknown>> {
  const student = (await loadModel(process.env.BENCH_MODEL ?? "small")).attach(lora({ rank: 8 }));
  const megabytes: number[] = [];
  await train(student, {
    data: capitals().train,
    steps: 500,
    batchSize: 8,
    display: false,
    onStep: () => void megabytes.push(process.memoryUsage.rss() / 1e6),
  });
  const mean = (from: number, to: number) =>
    megabytes.slice(from, to).reduce((a, b) => a + b, 0) / (to - from);
  const [early, late] = [mean(100, 150), mean(450, 500)];
  return {
    rssSteps100To150: early,
    rssSteps450To500: late,
    growth: late / early - 1,
    peak: Math.max(...megabytes),
  };
}
