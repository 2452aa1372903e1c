/**
 * Benchmarks: `npm run bench -- NAME [--json]`. Each prints our time over that of a named peer, measured in turns in the
 * same run, so that a busy machine slows both.
 */
import { generateBench } from "./generate";
import { memoryBench } from "./memory";
import { stepBench } from "./step";

const BENCHES: Record<string, () => Promise<Record<string, unknown>>> = {
  step: stepBench,
  generate: generateBench,
  memory: memoryBench,
};

async function main(): Promise<void> {
  const [name] = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
  const bench = BENCHES[name ?? ""];
  if (!bench) {
    console.error(`usage: npm run bench -- (${Object.keys(BENCHES).join(" | ")}) [--json]`);
    process.exitCode = 2;
    return;
  }
  const results = await bench();
  if (process.argv.includes("--json")) console.log(JSON.stringify(results));
  else for (const [key, value] of Object.entries(results)) console.log(`${key.padEnd(24)} ${format(value)}`);
}

const format = (value: unknown): string =>
  typeof value === "number" ? value.toPrecision(3) : value === null ? "– (peer absent)" : String(value);

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
