/**
 * Benchmarks: `npm run bench -- NAME [--json]`. Each prints our time over that of a named peer, measured in turns in the
 * same run, so that a busy machine slows both.
 */
import { generateBench } from "./generate";
import { kernelBench } from "./kernel";
import { kernelSoak } from "./kernel-soak";
import { labBench } from "./lab";
import { memoryBench } from "./memory";
import { methodsBench } from "./methods";
import { objectivesBench } from "./objectives";
import { stepBench } from "./step";
import { sweepBench } from "./sweep";

const BENCHES: Record<string, () => Promise<Record<string, unknown>>> = {
  step: stepBench,
  generate: generateBench,
  memory: memoryBench,
  objectives: objectivesBench,
  kernel: kernelBench,
  "kernel-soak": kernelSoak,
  methods: methodsBench,
  lab: labBench,
  sweep: sweepBench,
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
  else for (const line of lines(results)) console.log(line);
}

/** Results one to a line; where each has the same parts, as a table of these. */
function lines(results: Record<string, unknown>): string[] {
  const rows = Object.entries(results);
  const [, first] = rows[0]!;
  if (typeof first !== "object" || first === null)
    return rows.map(([key, value]) => `${key.padEnd(24)} ${format(value)}`);
  const line = (name: string, cells: string[]) =>
    [name.padEnd(24), ...cells.map((cell) => cell.padStart(16))].join("");
  return [
    line("", Object.keys(first)),
    ...rows.map(([name, parts]) => line(name, Object.values(parts as object).map(format))),
  ];
}

function format(value: unknown): string {
  if (value === null) return "– (peer absent)";
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) ? value.toLocaleString("en-US") : value.toPrecision(3);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
