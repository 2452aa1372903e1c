/** A process that begins to use loralab as built: prints, as JSON, what it waited for and its largest memory after `STEPS` steps. */
const { existsSync, readFileSync } = require("node:fs");

const steps = Number(process.argv[2] ?? 1);
const marks = [performance.now()];
const mark = () => marks.push(performance.now());
const { loadModel, lora, train } = require("../dist/src/index.js");
mark();
(async () => {
  const base = await loadModel("small");
  mark();
  const ids = Array.from({ length: 8 }, (_, row) =>
    Array.from({ length: 129 }, (_, i) => (row * 997 + i * 31) % 4096),
  );
  await train(base.attach(lora({ rank: 8 })), {
    data: ids.map((ids) => ({ ids })),
    steps,
    batchSize: 8,
    display: false,
    record: false,
  });
  mark();
  const [importing, loading, training] = marks.slice(1).map((time, i) => time - marks[i]);
  const status = existsSync("/proc/self/status") ? readFileSync("/proc/self/status", "utf8") : "";
  const peak = /VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? process.resourceUsage().maxRSS; // as in measure.ts
  console.log(JSON.stringify({ importing, loading, training, rss: 1024 * peak }));
  process.exit(0);
})();
