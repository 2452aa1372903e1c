/** A process that begins to use loralab as built: prints, as JSON, what it waited for and its largest memory after `STEPS` steps. */
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
  console.log(JSON.stringify({ importing, loading, training, rss: process.resourceUsage().maxRSS * 1024 }));
  process.exit(0);
})();
